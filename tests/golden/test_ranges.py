"""Ranges: what each rule keeps, the error of the grid it gives, and that channels are as tensors of their own."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from golden.parameters import WeightParameters
from golden.quantizers import ranges, uniform
from golden.quantizers.ranges import Range, UniformGrid
from hwsim.errors import HwsimError
from tests import oracle

RULES = ["minmax", "percentile", "omse", "percentile_mse"]


def heavy_tails(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator) ** 3 + 0.3


def squared_error(x: torch.Tensor, grid: UniformGrid) -> float:
    return float((grid.fake_quantize(x) - x).square().double().sum())


# Codes


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("signed", [False, True])
def test_codes_equal_the_oracle(bits: int, signed: bool) -> None:
    zero_point = 0 if signed else 2**bits // 3
    grid = UniformGrid(
        bits=bits, signed=signed, scale=torch.tensor(2.0**-5), zero_point=torch.tensor(float(zero_point))
    )
    lo = -(2 ** (bits - 1)) if signed else 0
    x = torch.arange(-700, 700) / 64
    expected = [
        oracle.encode_uniform(Fraction(v), Fraction(1, 32), zero_point, lo, lo + 2**bits - 1) for v in x.tolist()
    ]
    assert grid.quantize(x).tolist() == expected
    assert grid.dequantize(grid.quantize(x)).tolist() == [(code - zero_point) / 32 for code in expected]


@pytest.mark.parametrize("bits", [3, 8])
@pytest.mark.parametrize(("low", "high"), [(-1.0, 3.0), (0.5, 2.0), (-4.0, -1.0), (0.0, 0.0), (-1e-3, 90.0)])
def test_an_asymmetric_grid_is_the_quantiser_of_a_tensor(low: float, high: float, bits: int) -> None:
    grid = ranges.asymmetric(Range(low=torch.tensor([low]), high=torch.tensor([high])), bits)
    p = uniform.calibrate_asymmetric(*(float(torch.tensor(end)) for end in (low, high)), bits)
    assert grid.scale.item() == p.scale.item()
    assert grid.zero_point.item() == p.format.zero_point


def test_a_symmetric_grid_is_the_quantiser_of_a_tensor() -> None:
    low, high = torch.tensor([-1.0, -7.0, 0.0]), torch.tensor([3.0, 2.0, 0.0])
    grid = ranges.symmetric(Range(low=low, high=high), 6)
    assert torch.equal(grid.scale, uniform.calibrate_symmetric(torch.tensor([3.0, 7.0, 0.0]), 6).scale)
    assert grid.zero_point.tolist() == [0, 0, 0]


def test_a_range_far_from_zero_keeps_its_step_unless_it_must_cover_zero() -> None:
    far = Range(low=torch.tensor(30.0), high=torch.tensor(31.0))
    free, covering = (ranges.asymmetric(far, 4, covers_zero=c) for c in (False, True))
    assert free.scale.item() == pytest.approx(1 / 15)
    assert free.zero_point.item() == -450
    assert covering.scale.item() == pytest.approx(31 / 15)
    assert covering.zero_point.item() == 0
    x = torch.linspace(30, 31, 101)
    assert ((free.fake_quantize(x) - x).abs() <= free.scale / 2 * 1.001).all()


# Rules


def test_minmax_and_percentile_equal_the_oracle() -> None:
    x = heavy_tails(3, 1001)
    for alpha in (0.99, 0.9995, 0.99999, 1.0):
        found = ranges.percentile(x, alpha, dim=0)
        for row, low, high in zip(x.tolist(), found.low.tolist(), found.high.tolist(), strict=True):
            exact = [float(oracle.quantile(row, p)) for p in (1 - Fraction(alpha), Fraction(alpha))]
            assert (low, high) == pytest.approx(exact, rel=1e-5)
    assert torch.equal(ranges.percentile(x, 1.0).low, x.min())
    extremes = ranges.minmax(x)
    assert (extremes.low, extremes.high) == (x.min(), x.max())


@pytest.mark.parametrize("count", [1, 2, 3, 1000])
def test_percentile_is_torch_s_quantile(count: int) -> None:
    x = heavy_tails(count)
    found = ranges.percentile(x, 0.999)
    assert found.low.item() == pytest.approx(x.quantile(0.001).item(), rel=1e-5)
    assert found.high.item() == pytest.approx(x.quantile(0.999).item(), rel=1e-5)


def test_percentile_counts_more_elements_than_float32_can() -> None:
    count = 2**24 + 1001
    x = torch.full((count,), 2.0)
    x[:300], x[-200:] = -1.0, 5.0  # 168 elements lie beyond a percentile
    found = ranges.percentile(x)
    assert (found.low.item(), found.high.item()) == (-1.0, 5.0)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [3, 4, 8])
def test_searches_have_the_least_error_of_their_candidates(bits: int, signed: bool) -> None:
    x = heavy_tails(4000)

    def error(low: float, high: float) -> float:
        found = Range(low=torch.tensor(low), high=torch.tensor(high))
        return squared_error(x, ranges.symmetric(found, bits) if signed else ranges.asymmetric(found, bits))

    low, high = float(x.min()), float(x.max())
    shrunk = [error(low * (1 - i / 100), high * (1 - i / 100)) for i in range(90)]
    found = ranges.omse(x, bits, signed=signed)
    assert error(float(found.low), float(found.high)) == pytest.approx(min(shrunk), rel=1e-4)
    cut = [error(float(x.quantile(1 - p)), float(x.quantile(p))) for p in (0.999, 0.9999, 0.99999)]
    found = ranges.percentile_mse(x, bits, signed=signed)
    assert error(float(found.low), float(found.high)) == pytest.approx(min(cut), rel=1e-4)
    assert min(shrunk) < shrunk[0]
    assert bits > 3 or min(cut) < cut[2]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_each_index_of_an_axis_is_as_a_tensor_of_its_own(rule: str, dim: int) -> None:
    x = heavy_tails(6, 5, 40)
    found = ranges.find(x, 4, rule, dim=dim)
    alone = [ranges.find(part, 4, rule) for part in x.unbind(dim)]
    assert found.low.tolist() == [float(one.low) for one in alone]
    assert found.high.tolist() == [float(one.high) for one in alone]


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(HwsimError, match="rule is 'search', expected minmax, percentile, omse or percentile_mse"):
        ranges.find(torch.ones(3), 8, "search")


# What the parts of a network take


def test_channels_keep_their_own_zero_points() -> None:
    x = heavy_tails(500, 4) + torch.tensor([0.0, 100.0, -50.0, 0.0])
    scale, zero_point = ranges.asymmetric_channels(x, 8, "minmax")
    assert scale.tolist() == pytest.approx(((x.amax(0) - x.amin(0)) / 255).tolist())
    assert zero_point[1] < 0
    assert zero_point[2] > 255
    grid = UniformGrid(bits=8, signed=False, scale=scale, zero_point=zero_point)
    assert ((grid.fake_quantize(x) - x).abs() <= scale * 1.01).all()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("bits", [6, 8])
def test_weights_per_channel_have_no_more_error_than_per_tensor(rule: str, bits: int) -> None:
    weight = torch.randn(12, 200, generator=torch.Generator().manual_seed(2)) * 1.7 ** torch.arange(12)[:, None]
    groups = {"channel": torch.arange(12), "qkv": torch.arange(12) // 4, "tensor": torch.zeros(12, dtype=torch.int64)}
    found = {name: ranges.weight_quantiser(weight, bits, rule, of) for name, of in groups.items()}
    error = {name: float((p.dequantize() - weight).square().sum()) for name, p in found.items()}
    assert error["channel"] < error["qkv"] < error["tensor"]
    assert [len(p.scale.unique()) for p in found.values()] == [12, 3, 1]
    for p in found.values():
        assert (p.codes.dtype, p.scale.dtype, p.scale.shape) == (torch.int8, torch.float32, (12,))
        assert_codes_of_the_oracle(p, weight, bits)


def assert_codes_of_the_oracle(p: WeightParameters, weight: torch.Tensor, bits: int) -> None:
    """Every code, but for those so near a tie that float32 and fractions may differ."""
    top = 2 ** (bits - 1)
    for row, scale, codes in zip(weight.tolist(), p.scale.tolist(), p.codes.tolist(), strict=True):
        away = [abs(w / scale % 1 - 0.5) > 1e-4 for w in row]
        assert sum(away) > 0.98 * len(row)
        expected = [oracle.encode_uniform(Fraction(w), Fraction(scale), 0, -top, top - 1) for w in row]
        assert [c for c, far in zip(codes, away, strict=True) if far] == [
            c for c, far in zip(expected, away, strict=True) if far
        ]


def test_scales_of_rows_cover_their_maxima() -> None:
    x = heavy_tails(3, 100)
    scale = ranges.symmetric_scale(x, 8, "minmax")
    assert scale.tolist() == pytest.approx((x.abs().amax(1) / 127.5).tolist())


def test_weights_wider_than_a_byte_are_refused() -> None:
    with pytest.raises(HwsimError, match="bits is 9, expected 2 to 8"):
        ranges.weight_quantiser(torch.ones(2, 2), 9, "minmax", torch.arange(2))
