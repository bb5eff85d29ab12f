"""The plain network equals timm's, whatever its parts are called; its preprocessing is timm's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from timm.models.vision_transformer import VisionTransformer

from golden.from_timm import Model, create, load_model, preprocessing, to_vit
from golden.shipped import FASHION_MNIST_VIT
from golden.vit import Vit, forward, normalise
from golden.weights import draw_weights
from hwsim.errors import HwsimError

HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SHAPES = {
    "vit_tiny_patch16_224": (192, 3, 12, HALVES),
    "vit_tiny_patch16_224.augreg_in21k_ft_in1k": (192, 3, 12, HALVES),
    "vit_small_patch16_224": (384, 6, 12, HALVES),
    "vit_base_patch16_224": (768, 12, 12, HALVES),
    "vit_base_patch16_224.augreg_in1k": (768, 12, 12, HALVES),
    "vit_large_patch16_224": (1024, 16, 24, HALVES),
    "deit_tiny_patch16_224": (192, 3, 12, IMAGENET),
    "deit_tiny_patch16_224.fb_in1k": (192, 3, 12, IMAGENET),
    "deit_small_patch16_224": (384, 6, 12, IMAGENET),
    "deit_base_patch16_224": (768, 12, 12, IMAGENET),
}
"""Width, heads, blocks, mean and standard deviation of the networks in the papers' tables."""


def smooth_images(vit: Vit, count: int) -> torch.Tensor:
    """uint8[count, H, W, C], blotches of a few pixels"""
    generator = torch.Generator().manual_seed(5)
    coarse = torch.rand(count, vit.channels, 7, 7, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, vit.image_size, mode="bilinear")
    return (smooth * 255).permute(0, 2, 3, 1).to(torch.uint8)


def test_logits_equal_timms(tiny_module: VisionTransformer, tiny_model: Model, tiny_images: torch.Tensor) -> None:
    with torch.inference_mode():
        expected = tiny_module(normalise(tiny_model.vit, tiny_images))
        assert torch.allclose(forward(tiny_model.vit, tiny_images), expected, atol=2e-5)


@pytest.mark.parametrize("name", SHAPES)
def test_every_network_of_the_papers(name: str) -> None:
    width, heads, depth, (mean, std) = SHAPES[name]
    module = create(name)
    assert preprocessing(module, name)[:2] == (mean, std)
    preprocess = preprocessing(module, name)[2]
    assert preprocess.model_dump() == {"mode": "RGB", "size": 224, "resize": 248, "interpolation": "bicubic"}
    assert preprocessing(module, name, crop=0.875)[2].resize == 256
    vit = to_vit(module, mean, std)
    assert (vit.tokens, vit.width, vit.heads, len(vit.blocks), vit.epsilon) == (197, width, heads, depth, 1e-6)
    assert (vit.image_size, vit.patch_size, vit.channels) == (224, 16, 3)
    assert vit.patch_embed.weight.shape == (width, 3 * 16 * 16)
    assert vit.class_token.shape == (width,)
    for block in vit.blocks:
        assert block.qkv.weight.shape == (3 * width, width)
        assert block.proj.weight.shape == (width, width)
        assert block.fc1.weight.shape == (4 * width, width)
        assert block.fc2.weight.shape == (width, 4 * width)
        assert block.norm1.weight.shape == block.norm2.bias.shape == block.fc2.bias.shape == (width,)
    assert vit.head.weight.shape == (1000, width)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "deit_small_patch16_224"])
def test_float_forward_equals_timms(name: str) -> None:
    model = load_model(name, random_seed=1)
    module = timm.create_model(name).eval()
    draw_weights(module, 1)
    images = smooth_images(model.vit, 2)
    with torch.inference_mode():
        expected = module(normalise(model.vit, images))
        assert torch.allclose(forward(model.vit, images), expected, atol=2e-4)
    assert expected.std() > 1
    assert model.weights == "random, seed 1"
    assert len(model.classes) == 1000
    assert model.classes[3].startswith("tiger shark")


def test_random_weights_are_lively() -> None:
    model = load_model(FASHION_MNIST_VIT, random_seed=0)
    entropies = []

    def tap(name: str, x: torch.Tensor) -> torch.Tensor:
        if name.endswith("softmax"):
            entropies.append(float(-(x * (x + 1e-30).log()).sum(3).mean()))
        return x

    logits = forward(model.vit, smooth_images(model.vit, 16), tap)
    assert len(set(logits.argmax(1).tolist())) >= 3
    assert all(0.5 < entropy < 3.5 for entropy in entropies)  # uniform attention to 50 tokens: 3.9
    channels = model.vit.blocks[0].fc2.weight.std(1)
    assert channels.argmax() == 3
    assert channels[3] > 5 * channels.median()
    again, other = (load_model(FASHION_MNIST_VIT, random_seed=seed).vit.head.weight for seed in (0, 1))
    assert torch.equal(model.vit.head.weight, again)
    assert not torch.equal(model.vit.head.weight, other)


def test_fashion_mnist_has_its_weights() -> None:
    model = load_model(FASHION_MNIST_VIT)
    assert (model.vit.tokens, model.vit.width, len(model.vit.blocks), model.vit.heads) == (50, 96, 6, 3)
    assert model.preprocess.model_dump() == {"mode": "L", "size": 28, "resize": 28, "interpolation": "bicubic"}
    assert len(model.classes) == 10
    assert model.weights == "float.safetensors"
    assert load_model(FASHION_MNIST_VIT, crop=0.875).preprocess.resize == 32


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        *((name, f"deit_* or swin_* name of timm, not {name!r}") for name in ("resnet18", "deit_nothing", "vit", "")),
        ("vit_tiny_patch16_224.mine", "no weights with this tag (expected augreg_in21k"),
        ("deit3_small_patch16_224", "blocks.0.ls1: hwsim has no operator for LayerScale"),
        ("vit_small_patch16_224.dino", "head: the network has no classifier (0 classes)"),
        ("deit_tiny_distilled_patch16_224", "VisionTransformerDistilled is not timm's VisionTransformer"),
    ],
)
def test_models_that_hwsim_cannot_quantise(name: str, sentence: str) -> None:
    with pytest.raises(HwsimError) as caught:
        load_model(name, random_seed=0)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"class_token": False, "global_pool": "avg"}, "must classify by one class token"),
        ({"reg_tokens": 2}, "without register tokens"),
        ({"init_values": 0.1}, "blocks.0.ls1: hwsim has no operator for LayerScale"),
        ({"drop_path_rate": 0.1, "depth": 2}, "blocks.1.drop_path1: hwsim has no operator for DropPath"),
        ({"act_layer": torch.nn.ReLU}, "blocks.0.mlp.act: hwsim has no operator for ReLU"),
        ({"act_layer": lambda: torch.nn.GELU("tanh")}, "blocks.0.mlp.act: hwsim has no operator for GELU by tanh"),
        ({"qk_norm": True}, "blocks.0 has 4 LayerNorm, hwsim quantises networks with 2 there"),
        ({"pos_embed": "none"}, "must add a learnt position embedding"),
        ({"pre_norm": True}, "the network outside its blocks has 2 LayerNorm"),
        ({"img_size": (16, 32)}, "images must be square, not 16 x 32"),
    ],
)
def test_what_hwsim_lacks_is_refused(changes: dict, sentence: str) -> None:
    arguments = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 1, "num_heads": 3} | changes
    module = VisionTransformer(**arguments)
    with pytest.raises(HwsimError) as caught:
        to_vit(module, *HALVES)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"mean": (0.5,), "input_size": (1, 224, 224)}, "input is 1 x 224 x 224 with crop mode 'center'"),
        ({"input_size": (3, 224, 192)}, "input is 3 x 224 x 192"),
        ({"crop_mode": "squash"}, "with crop mode 'squash', expected a centre crop"),
        ({"interpolation": "lanczos"}, "vit: interpolation"),
    ],
)
def test_preprocessing_that_hwsim_lacks(changes: dict, sentence: str) -> None:
    module = create("vit_tiny_patch16_224")
    module.pretrained_cfg = module.pretrained_cfg | changes
    with pytest.raises(HwsimError) as caught:
        preprocessing(module, "vit")
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("name", "source", "sentence"),
    [
        ("deit_tiny_patch16_224", {}, "needs one of --weights FILE, --pretrained and --random-weights SEED, not 0"),
        ("deit_tiny_patch16_224", {"pretrained": True, "random_seed": 0}, "SEED, not 2"),
        ("deit_tiny_patch16_224", {"weights": Path("w.pth"), "pretrained": True}, "SEED, not 2"),
        (FASHION_MNIST_VIT, {"weights": Path("w.pth"), "random_seed": 0}, "SEED, not 2"),
        (FASHION_MNIST_VIT, {"pretrained": True}, "timm has no weights of fashion_mnist_vit"),
        (FASHION_MNIST_VIT, {"random_seed": -1}, "must be 0 to 2^63 - 1, not -1"),
    ],
)
def test_exactly_one_source_of_weights(name: str, source: dict, sentence: str) -> None:
    with pytest.raises(HwsimError) as caught:
        load_model(name, **source)
    assert sentence in str(caught.value)


def test_pretrained_weights_come_from_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "vit_tiny_patch16_224"
    downloaded = timm.create_model(name).eval()
    draw_weights(downloaded, 2)
    real = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained=False: downloaded if pretrained else real(name))
    model = load_model(name, pretrained=True)
    assert model.weights == "timm's vit_tiny_patch16_224.augreg_in21k_ft_in1k"
    assert torch.equal(model.vit.head.weight, downloaded.head.weight)
    torch.nn.init.constant_(downloaded.head.bias, torch.nan)
    with pytest.raises(HwsimError, match=r"vit_tiny_patch16_224: head\.bias: 1000 of 1000 values are not finite"):
        load_model(name, pretrained=True)


def test_pretrained_weights_without_a_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(HwsimError) as caught:
        load_model("deit_tiny_patch16_224", pretrained=True)
    assert str(caught.value).startswith("deit_tiny_patch16_224: timm could not get its weights (")
    assert str(caught.value).endswith("; give a file with --weights")
    assert "\n" not in str(caught.value)
