"""Folds of channel scales: the same function, and the same codes as a quantiser for each channel."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from golden.fold import Folded, Rule, fold_norm, map_norms, smooth_norm
from golden.from_timm import Model
from golden.vit import Affine, forward, layernorm, linear
from hwsim.errors import HwsimError


def random_pair(width: int, seed: int) -> tuple[Affine, Affine, Tensor]:
    """LayerNorm, linear and rows, with channels that differ a hundredfold and lie off zero."""
    g = torch.Generator().manual_seed(seed)
    spread = torch.exp(torch.randn(width, generator=g))
    norm = Affine(weight=spread, bias=spread * torch.randn(width, generator=g))
    reader = Affine(weight=torch.randn(7, width, generator=g) / spread, bias=torch.randn(7, generator=g))
    return norm, reader, torch.randn(500, width, generator=g)


def channel_ranges(x: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    scale = (x.amax(0) - x.amin(0)) / (2**bits - 1)
    return scale, torch.floor(-x.amin(0) / scale + 0.5)


def channel_codes(x: Tensor, scale: Tensor, zero_point: Tensor, bits: int) -> Tensor:
    return (torch.floor(x / scale + 0.5) + zero_point).clamp(0, 2**bits - 1)


def assert_same_function(folded: Folded, norm: Affine, reader: Affine, rows: Tensor) -> None:
    expected = linear(layernorm(rows, norm, 1e-6), reader)
    found = linear(layernorm(rows, folded.norm, 1e-6), folded.linear)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("rule", ["mean", "median"])
@pytest.mark.parametrize("bits", [4, 8])
def test_fold_keeps_the_function_and_moves_the_activations(rule: Rule, bits: int) -> None:
    norm, reader, rows = random_pair(width=48, seed=bits)
    x = layernorm(rows, norm, 1e-6)
    folded = fold_norm(norm, reader, *channel_ranges(x, bits), bits, rule)
    assert_same_function(folded, norm, reader, rows)
    moved = layernorm(rows, folded.norm, 1e-6)
    assert torch.allclose(folded.transform(x), moved, rtol=0, atol=1e-5 * float(moved.abs().max()))


@pytest.mark.parametrize("rule", ["mean", "median"])
def test_codes_and_values_are_those_of_each_channels_quantiser(rule: Rule) -> None:
    """Scales of powers of two and inputs on a grid through their ties: every step is exact, so bits are equal."""
    bits, scale = 4, torch.tensor([0.25, 0.25, 0.5, 4.0, 0.25, 0.25, 2.0, 0.5])  # mean 1, median 0.25
    zero_point = torch.tensor([3, 5, 15, 0, -7, 4, 9, 25])
    norm = Affine(weight=torch.ones(8), bias=torch.zeros(8))
    reader = Affine(weight=torch.ones(1, 8), bias=torch.ones(1))
    folded = fold_norm(norm, reader, scale, zero_point, bits, rule)
    assert folded.quantiser is not None
    x = torch.arange(-40, 41)[:, None] / 4 * scale
    codes = folded.quantiser.quantize(folded.transform(x))
    expected = channel_codes(x, scale, zero_point, bits)
    assert torch.equal(codes, expected)
    assert set(expected.flatten().tolist()) == set(range(2**bits))
    values = (folded.quantiser.dequantize(codes) + folded.shift) * folded.r
    assert torch.equal(values, (expected - zero_point) * scale)


@pytest.mark.parametrize("rule", ["mean", "median"])
def test_codes_of_random_activations_differ_only_at_ties(rule: Rule) -> None:
    norm, reader, rows = random_pair(width=48, seed=9)
    x = layernorm(rows, norm, 1e-6)
    scale, zero_point = channel_ranges(x, 8)
    folded = fold_norm(norm, reader, scale, zero_point, 8, rule)
    assert folded.quantiser is not None
    codes = folded.quantiser.quantize(layernorm(rows, folded.norm, 1e-6))
    position = x / scale + 0.5
    clear = (position - position.round()).abs() > 1e-3  # float32 cannot say which side of a tie the others are on
    assert clear.double().mean() > 0.99
    assert torch.equal(codes[clear], channel_codes(x, scale, zero_point, 8)[clear])


def test_common_scale_and_zero_point_by_rule() -> None:
    norm, reader, _ = random_pair(width=4, seed=1)
    scale, zero_point = torch.tensor([1.0, 2.0, 4.0, 9.0]), torch.tensor([1, 2, 6, 5])
    found = {}
    rules: list[tuple[Rule, Rule]] = [("mean", "median"), ("median", "mean")]
    for rule, zero_point_rule in rules:
        folded = fold_norm(norm, reader, scale, zero_point, 4, rule, zero_point_rule)
        assert folded.quantiser is not None
        found[rule] = (folded.quantiser.unit, folded.quantiser.format.zero_point, folded.largest_r)
    assert found == {"mean": (4.0, 2, 2.25), "median": (2.0, 4, 4.5)}  # mean zero point 3.5: the tie goes up


def test_zero_points_beyond_the_codes_are_clamped_into_them() -> None:
    norm, reader, _ = random_pair(width=4, seed=1)
    folded = fold_norm(norm, reader, torch.ones(4), torch.full((4,), 90), 4, "mean")
    assert folded.quantiser is not None
    assert folded.quantiser.format.zero_point == 15
    assert folded.shift.tolist() == [-75.0] * 4


@pytest.mark.parametrize(
    ("scale", "zero_point", "match"), [(0.0, 3.0, "scale: 0.0"), (1.0, 2.5, "zero_point: 2.5")], ids=["scale", "zero"]
)
def test_impossible_channels_are_refused(scale: float, zero_point: float, match: str) -> None:
    norm, reader, _ = random_pair(width=2, seed=1)
    with pytest.raises(HwsimError, match=match):
        fold_norm(norm, reader, torch.tensor([1.0, scale]), torch.tensor([1.0, zero_point]), 4, "mean")


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_smoothing_keeps_the_function_and_centres_each_channel(strength: float) -> None:
    norm, reader, rows = random_pair(width=48, seed=4)
    x = layernorm(rows, norm, 1e-6)
    folded = smooth_norm(norm, reader, x, strength)
    assert_same_function(folded, norm, reader, rows)
    moved = folded.transform(x)
    largest, smallest = moved.amax(0), moved.amin(0)
    assert (largest + smallest).abs().max() <= 1e-5 * largest.max()
    # max|x'| = (h w)**(1-a) and max|weight'| = (h w)**a of the old ranges: with a = 1/2 they are the same
    weights = folded.linear.weight.abs().amax(0)
    assert torch.allclose(largest**strength, weights ** (1 - strength), rtol=1e-4)


def test_smoothing_leaves_the_scale_of_constant_and_unread_channels() -> None:
    norm, reader, rows = random_pair(width=6, seed=4)
    norm.weight[2] = 0  # LayerNorm's output is the bias
    reader.weight[:, 4] = 0
    x = layernorm(rows, norm, 1e-6)
    folded = smooth_norm(norm, reader, x)
    assert folded.r[[2, 4]].tolist() == [1.0, 1.0]
    assert torch.equal(folded.transform(x)[:, 2], torch.zeros(len(x)))
    assert_same_function(folded, norm, reader, rows)


def test_smoothing_strength_is_a_share() -> None:
    norm, reader, rows = random_pair(width=4, seed=4)
    with pytest.raises(HwsimError, match=r"strength: 1\.5, expected 0 to 1"):
        smooth_norm(norm, reader, rows, 1.5)


@pytest.mark.parametrize("rule", ["mean", "median", "smooth"])
def test_whole_network_stays_the_same(rule: str, tiny_model: Model, tiny_images: Tensor) -> None:
    vit = tiny_model.vit
    seen: dict[str, Tensor] = {}
    expected = forward(vit, tiny_images, seen.setdefault)

    def change(name: str, norm: Affine, reader: Affine) -> tuple[Affine, Affine]:
        x = seen[name].flatten(0, -2)
        if rule == "smooth":
            folded = smooth_norm(norm, reader, x)
        else:
            folded = fold_norm(norm, reader, *channel_ranges(x, 8), 8, "mean" if rule == "mean" else "median")
        return folded.norm, folded.linear

    folded_vit = map_norms(vit, change)
    assert (forward(folded_vit, tiny_images) - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert not torch.equal(folded_vit.blocks[1].fc1.weight, vit.blocks[1].fc1.weight)
    assert not torch.equal(folded_vit.head.weight, vit.head.weight)
