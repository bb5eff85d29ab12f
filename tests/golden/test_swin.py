"""The plain Swin equals timm's: windows, cyclic shift, mask, position bias, merging; what it lacks is refused."""

from __future__ import annotations

import pytest
import timm
import torch
from timm.models.swin_transformer import SwinTransformer, SwinTransformerBlock

from golden.from_timm import create, load_model, preprocessing, to_vit
from golden.vit import Vit, forward, normalise
from golden.weights import draw_weights
from golden.windows import Windows, image_rows, partition, restore, separated
from hwsim.errors import HwsimError
from tests.golden.test_from_timm import IMAGENET, smooth_images
from tests.tiny_swin import tiny_swin_module

SHAPES = {
    "swin_tiny_patch4_window7_224": (96, (2, 2, 6, 2), (3, 6, 12, 24)),
    "swin_small_patch4_window7_224": (96, (2, 2, 18, 2), (3, 6, 12, 24)),
    "swin_base_patch4_window7_224": (128, (2, 2, 18, 2), (4, 8, 16, 32)),
}
"""Width, blocks and heads of each stage of the networks in the papers' tables."""


def assert_equals_timm(module: SwinTransformer, vit: Vit, images: torch.Tensor) -> None:
    with torch.inference_mode():
        expected = module(normalise(vit, images))
        assert torch.allclose(forward(vit, images), expected, atol=2e-4)
    assert expected.std() > 0.5


def test_logits_equal_timms() -> None:
    module = tiny_swin_module()
    vit = to_vit(module, *IMAGENET)
    shifts = [block.windows.shift for block in vit.blocks if block.windows is not None]
    assert shifts == [0, 2, 0, 0]  # of the second stage the only window is the whole grid
    assert_equals_timm(module, vit, smooth_images(vit, 4))


@pytest.mark.parametrize("grid", [(3, 3), (2, 3)], ids=str)
def test_masks_are_timms(grid: tuple[int, int]) -> None:
    block = SwinTransformerBlock(8, (4 * grid[0], 4 * grid[1]), num_heads=1, window_size=4, shift_size=2)
    assert block.attn_mask is not None
    windows = Windows(height=4 * grid[0], width=4 * grid[1], size=4, shift=2, bias=torch.zeros(1, 16, 16))
    apart, kind = separated(windows)
    assert len(apart) == 4
    assert not apart[0].any()
    assert torch.equal(apart[kind], block.attn_mask < 0)


def test_window_order_and_back() -> None:
    vit = to_vit(tiny_swin_module(), *IMAGENET)
    windows = vit.blocks[1].windows
    assert windows is not None
    x = torch.arange(64)[None, :, None]
    assert torch.equal(restore(partition(x, windows), windows), x)
    # the first token of the first window lies a shift down and right of the corner, the last window holds the corner
    assert image_rows(windows)[0] == 2 * 8 + 2
    assert image_rows(windows)[-1] == 1 * 8 + 1


@pytest.mark.parametrize("name", SHAPES)
def test_every_swin_of_the_papers(name: str) -> None:
    width, depths, heads = SHAPES[name]
    module = create(name)
    mean, std, preprocess = preprocessing(module, name)
    assert (mean, std) == IMAGENET
    assert preprocess.model_dump() == {"mode": "RGB", "size": 224, "resize": 248, "interpolation": "bicubic"}
    vit = to_vit(module, mean, std)
    assert (vit.tokens, vit.width, vit.epsilon, vit.head_input) == (3136, width, 1e-5, "pool")
    stages = [stage for stage, depth in enumerate(depths) for _ in range(depth)]
    assert [block.heads for block in vit.blocks] == [heads[stage] for stage in stages]
    assert [block.width for block in vit.blocks] == [width << stage for stage in stages]
    for index, (stage, block) in enumerate(zip(stages, vit.blocks, strict=True)):
        assert block.windows is not None
        assert vit.block_tokens(index) == (56 >> stage) ** 2
        first = index == 0 or stages[index - 1] != stage
        odd = sum(depths[:stage]) % 2 != index % 2
        assert block.windows.shift == (3 if odd and stage < 3 else 0)
        assert (block.merge is not None) == (first and stage > 0)
        assert block.windows.bias.shape == (heads[stage], 49, 49)
    assert vit.head.weight.shape == (1000, 8 * width)


def test_swin_tiny_equals_timms() -> None:
    name = "swin_tiny_patch4_window7_224"
    model = load_model(name, random_seed=1)
    module = timm.create_model(name).eval()
    draw_weights(module, 1)
    for part in module.modules():
        if hasattr(part, "init_non_persistent_buffers"):
            part.init_non_persistent_buffers()
    assert_equals_timm(module, model.vit, smooth_images(model.vit, 1))
    assert model.weights == "random, seed 1"
    with pytest.raises(HwsimError, match="no class token and no position embedding"):
        _ = model.vit.embedding


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"img_size": 48}, "layers.0.blocks.0: windows of 8 tokens do not divide the grid (12, 12)"),
        ({"window_size": (4, 8)}, "window (4, 8) with shift (0, 0), hwsim has square windows"),
        ({"img_size": (32, 64)}, "images must be square, not 32 x 64"),
        ({"head_dim": 4}, "layers.0.blocks.0: attention is 8 wide, hwsim quantises attention as wide as the stream"),
        ({"global_pool": "max"}, "head: pooling is 'max'"),
        ({"num_classes": 0}, "head: the network has no classifier"),
        ({"embed_dim": 16, "depths": (1, 1, 1), "num_heads": (2, 2, 2), "window_size": 1, "img_size": 24},
         "layers.2: patch merging of a grid (3, 3) would pad"),
        ({"norm_layer": torch.nn.RMSNorm}, "patch_embed.norm: hwsim has no operator for RMSNorm"),
    ],
)  # fmt: skip
def test_what_hwsim_lacks_is_refused(changes: dict, sentence: str) -> None:
    arguments = {"img_size": 32, "embed_dim": 16, "depths": (1, 1), "num_heads": (2, 4), "window_size": 8} | changes
    module = SwinTransformer(**arguments)
    with pytest.raises(HwsimError) as caught:
        to_vit(module, *IMAGENET)
    assert sentence in str(caught.value)
