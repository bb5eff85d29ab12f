"""What calibration sees of a Swin and decides for it: samples of whole windows, streams and scales of each stage."""

from __future__ import annotations

import pytest
import torch

from golden.calibrate import calibrate
from golden.from_timm import create, preprocessing, to_vit
from golden.method import method_config
from golden.observe import WINDOW_ORDER, join, observe_block, observe_boundaries
from golden.residual import calibrate_wide, stages
from golden.vit import linear
from golden.windows import merge_neighbours
from hwsim.formats import Uniform
from tests.tiny_swin import tiny_swin_images, tiny_swin_model


@pytest.mark.parametrize("draws", [0, 2])
@pytest.mark.parametrize("index", [1, 2])
def test_sampled_tokens_of_all_tensors_are_the_same(index: int, draws: int) -> None:
    """In window order up to the context and in the order of the image behind it."""
    vit, generator = tiny_swin_model().vit, torch.Generator().manual_seed(2)
    boundaries = join(list(observe_boundaries(vit, tiny_swin_images(3), draws, generator)))
    observed = observe_block(vit, index, boundaries, 20, generator, ("norm2",))
    values, block = {name: x.flatten(0, 1) for name, x in observed.values.items() if x.ndim == 3}, vit.blocks[index]
    rows = {1: 32, 2: 16}[index]  # two windows of the first stage; the second has only one
    assert [len(x) for x in (observed.rows, observed.normed_rows, observed.queries)] == [rows, rows, 16]
    assert torch.allclose(linear(values["norm1"], block.qkv), values["attn.qkv"], atol=1e-5)
    assert torch.allclose(linear(values["attn.values"], block.proj), values["attn.proj"], atol=1e-5)
    normed = observed.values["norm2"][:, observed.rows].flatten(0, 1)
    assert torch.allclose(linear(normed, block.fc1), values["mlp.fc1"], atol=1e-5)
    for name in WINDOW_ORDER:
        assert observed.sensitivity[name].shape == observed.values[name].shape, name
    if block.merge is not None:
        stream = observed.values["merge.reduction"][:, observed.rows].flatten(0, 1)
        assert torch.allclose(linear(values["merge.norm"], block.merge.reduction), stream, atol=1e-5)


def test_each_stage_has_a_stream_of_its_own() -> None:
    model = tiny_swin_model()
    assert stages(model.vit) == [
        (["embed", *(f"blocks.{i}.{k}.add" for i in (0, 1) for k in ("attn", "mlp"))], 64),
        (["blocks.2.merge.reduction", *(f"blocks.{i}.{k}.add" for i in (2, 3) for k in ("attn", "mlp"))], 32),
    ]
    found = calibrate(model.vit, tiny_swin_images(4), method_config("minmax", 8), lambda _: None).activations
    units = [{found[name].unit for name in names} for names, _ in stages(model.vit)]
    assert [len(each) for each in units] == [1, 1]
    assert units[0] != units[1]


@pytest.mark.parametrize(
    ("name", "bits"),
    [("swin_tiny_patch4_window7_224", [16, 15, 14, 15]), ("swin_base_patch4_window7_224", [15, 14, 13, 14])],
)
def test_bits_of_the_streams(name: str, bits: list[int]) -> None:
    module = create(name)
    mean, std, _ = preprocessing(module, name)
    vit = to_vit(module, mean, std)
    found = calibrate_wide(dict.fromkeys((name for names, _ in stages(vit) for name in names), 1.0), vit)
    formats = [found[names[-1]].format for names, _ in stages(vit)]
    assert formats == [Uniform(bits=each, signed=True) for each in bits]


def test_neighbours_lie_down_before_right() -> None:
    x = torch.arange(16)[None, :, None]
    assert merge_neighbours(x, 4, 4)[0].tolist() == [[0, 4, 1, 5], [2, 6, 3, 7], [8, 12, 9, 13], [10, 14, 11, 15]]
