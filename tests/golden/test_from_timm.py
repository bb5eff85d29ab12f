"""The plain network equals timm's, whatever its parts are called; misfits are one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer

from golden.from_timm import FASHION_MNIST_VIT, Model, load_model, to_vit
from golden.train import build_model
from golden.vit import forward, normalise
from hwsim.errors import HwsimError


def test_logits_equal_timms(tiny_module: VisionTransformer, tiny_model: Model, tiny_images: torch.Tensor) -> None:
    with torch.inference_mode():
        expected = tiny_module(normalise(tiny_model.vit, tiny_images))
        assert torch.allclose(forward(tiny_model.vit, tiny_images), expected, atol=2e-5)


def test_weights_load_by_name(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(build_model(96, 6, 3, 2.0).state_dict(), path)
    model = load_model(FASHION_MNIST_VIT, path)
    assert (model.vit.tokens, model.vit.width, len(model.vit.blocks), model.vit.heads) == (50, 96, 6, 3)
    assert model.preprocess.model_dump() == {"mode": "L", "size": 28, "resize": 28, "interpolation": "bicubic"}
    assert len(model.classes) == 10


def test_deit_tiny_brings_its_preprocessing(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(timm.create_model("deit_tiny_patch16_224").state_dict(), path)
    model = load_model("deit_tiny_patch16_224", path)
    assert model.preprocess.model_dump() == {"mode": "RGB", "size": 224, "resize": 248, "interpolation": "bicubic"}
    assert load_model("deit_tiny_patch16_224", path, crop=0.875).preprocess.resize == 256
    assert len(model.classes) == 1000
    assert model.classes[3].startswith("tiger shark")
    assert (model.vit.tokens, model.vit.width, model.vit.epsilon) == (197, 192, 1e-6)


@pytest.mark.parametrize("name", ["resnet18", "deit_nothing", "vit", ""])
def test_unknown_models_are_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(HwsimError, match=f"not {name!r}"):
        load_model(name, tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    "changes",
    [
        {"class_token": False, "global_pool": "avg"},
        {"reg_tokens": 2},
        {"init_values": 0.1},
        {"qk_norm": True},
        {"act_layer": torch.nn.ReLU},
        {"pos_embed": "none"},
        {"pre_norm": True},
    ],
)
def test_what_hwsim_lacks_is_refused(changes: dict) -> None:
    module = VisionTransformer(img_size=16, patch_size=4, embed_dim=24, depth=1, num_heads=3, **changes)
    with pytest.raises(HwsimError):
        to_vit(module, (0.5,) * 3, (0.5,) * 3)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(HwsimError, match="no weights file"):
        load_model(FASHION_MNIST_VIT, path)
    path.write_bytes(b"not weights")
    with pytest.raises(HwsimError, match="not a safetensors file"):
        load_model(FASHION_MNIST_VIT, path)
    state = build_model(96, 6, 3, 2.0).state_dict()
    save_file({k: v for k, v in state.items() if k != "head.bias"}, path)
    with pytest.raises(HwsimError, match=r"head\.bias is missing"):
        load_model(FASHION_MNIST_VIT, path)
    save_file(state | {"extra": torch.zeros(1)}, path)
    with pytest.raises(HwsimError, match="extra is not a key"):
        load_model(FASHION_MNIST_VIT, path)
    save_file(state | {"head.bias": torch.zeros(7)}, path)
    with pytest.raises(HwsimError, match=r"head\.bias has shape \[7\], expected \[10\]"):
        load_model(FASHION_MNIST_VIT, path)
