"""The per-patch quantiser: codes, outliers, the integers of the row encoder and what they do to a product."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from golden import integer_ops as ops
from golden.quantizers import rows
from golden.quantizers.rows import RowQuantiser, normal_unit, row_arrays
from hwsim.errors import HwsimError
from hwsim.formats import RowUniform
from tests import oracle

TOKENS, CHANNELS, IMAGES = 7, 24, 40
THRESHOLD = 5.0


def norm_outputs(seed: int = 0) -> torch.Tensor:
    """Rows whose spread and centre depend on the token, with a few elements that stand out."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(IMAGES, TOKENS, CHANNELS, generator=generator)
    x = x * torch.linspace(0.3, 1.2, TOKENS)[:, None] + torch.linspace(-0.5, 0.5, TOKENS)[:, None]
    x[:, :, 3] *= torch.where(torch.rand(IMAGES, TOKENS, generator=generator) < 0.3, 12, 1)
    return x


def dyadic(exponent: int, threshold: float | None = THRESHOLD, bits: int = 4) -> RowQuantiser:
    fmt = RowUniform(bits=bits, signed=False, exponent=exponent, outliers=threshold is not None)
    scales = torch.tensor([0.5, 0.25, 0.125])
    return RowQuantiser(format=fmt, scales=scales, zero_points=torch.tensor([7, 0, 15]), threshold=threshold)


# Codes and values


@pytest.mark.parametrize("exponent", [0, 3, 7])
@pytest.mark.parametrize("threshold", [None, THRESHOLD, 0.75])
def test_codes_and_outliers_equal_the_oracle(exponent: int, threshold: float | None) -> None:
    p = dyadic(exponent, threshold)
    x = (torch.arange(-900, 900) / 64).expand(3, -1)
    codes, outliers = p.quantize(x), p.outliers(x)
    assert outliers.dtype == torch.int16
    for row, scale, zero_point, found, beside in zip(
        x.tolist(), p.scales.tolist(), p.zero_points.tolist(), codes.tolist(), outliers.tolist(), strict=True
    ):
        unit = Fraction(scale) / 2**exponent
        is_outlier = [threshold is not None and abs(v) > threshold for v in row]
        assert found == [
            zero_point if out else oracle.encode_uniform(Fraction(v), Fraction(scale), zero_point, 0, 15)
            for v, out in zip(row, is_outlier, strict=True)
        ]
        assert beside == [
            oracle.encode_uniform(Fraction(v), unit, 0, -(2**15), 2**15 - 1) if out else 0
            for v, out in zip(row, is_outlier, strict=True)
        ]


def test_paper_mode_passes_outliers_and_integer_mode_rounds_them() -> None:
    x = norm_outputs()
    p = rows.calibrate_rows(x, 4, THRESHOLD)
    out = x.abs() > THRESHOLD
    assert 0.001 < p.share_of_outliers(x) < 0.03
    assert p.share_of_outliers(x) == pytest.approx(float(out.sum()) / x.numel())
    paper, integer = p.fake_quantize(x), p.fake_quantize_integer(x)
    assert torch.equal(paper[out], x[out])
    assert torch.equal(paper[~out], integer[~out])
    half_unit = (p.scales * 2.0**-p.format.exponent / 2)[:, None].expand_as(x)
    assert ((integer - x).abs()[out] <= half_unit[out] * 1.001).all()
    assert (integer[out] != x[out]).any()


def test_without_a_threshold_nothing_is_an_outlier() -> None:
    x = norm_outputs()
    p = rows.calibrate_rows(x, 4, None)
    assert not p.format.outliers
    assert p.format.exponent == 0
    assert p.share_of_outliers(x) == 0
    assert not p.outliers(x).any()
    assert torch.equal(p.fake_quantize(x), p.fake_quantize_integer(x))


def test_one_token_of_a_sample_is_as_in_the_whole() -> None:
    x = norm_outputs()
    p, sample = rows.calibrate_rows(x, 4, THRESHOLD), torch.tensor([0, 4, 5])
    assert torch.equal(p.at_tokens(sample).fake_quantize(x[:, sample]), p.fake_quantize(x)[:, sample])


# Calibration


@pytest.mark.parametrize("bits", [4, 8])
def test_a_scale_is_found_without_the_outliers(bits: int) -> None:
    x = norm_outputs()
    inlier = torch.where(x.abs() <= THRESHOLD, x, 0)
    p, clean = rows.calibrate_rows(x, bits, THRESHOLD), rows.calibrate_rows(inlier, bits, None)
    assert torch.equal(p.scales, clean.scales)
    assert torch.equal(p.zero_points, clean.zero_points)
    alone = rows.calibrate_rows(x[:, 2:3], bits, THRESHOLD)
    assert (alone.scales.item(), alone.zero_points.item()) == (p.scales[2].item(), p.zero_points[2].item())


@pytest.mark.parametrize("bits", [4, 6])
def test_rows_and_outliers_cut_the_error(bits: int) -> None:
    x = norm_outputs()

    def error(p: RowQuantiser) -> float:
        return float((p.fake_quantize(x) - x).square().mean())

    per_row, with_outliers = (error(rows.calibrate_rows(x, bits, t)) for t in (None, THRESHOLD))
    one_row = rows.calibrate_rows(x.reshape(1, 1, -1), bits, None)
    tensor = float((one_row.fake_quantize(x.reshape(1, 1, -1)) - x.reshape(1, 1, -1)).square().mean())
    assert with_outliers < per_row < tensor


def test_the_exponent_is_the_largest_with_room_for_outliers() -> None:
    x = norm_outputs()
    found = {}
    for factor in (1.0, 2.0, 4.0, 1000.0):
        loud = torch.where(x.abs() > THRESHOLD, x * factor, x)
        p = rows.calibrate_rows(loud, 8, THRESHOLD)
        found[factor] = p.format.exponent
        largest = (torch.where(p.is_outlier(loud), loud, 0).abs().amax((0, 2)) / p.scales).max() * 2 ** found[factor]
        assert largest * rows.HEADROOM <= 2**15
        assert found[factor] == rows.LARGEST_EXPONENT or largest * rows.HEADROOM * 2 > 2**15
        assert not (p.outliers(loud) == 2**15 - 1).any()
    assert found[1.0] > found[2.0] > found[4.0] > found[1000.0] == 0


def test_where_no_outlier_was_seen_there_is_room_for_one() -> None:
    x = norm_outputs()
    p = rows.calibrate_rows(x, 4, 1000.0)
    assert p.share_of_outliers(x) == 0
    room = p.scales.min() * 2.0 ** (15 - p.format.exponent)
    assert rows.HEADROOM * 1000 <= room < 2 * rows.HEADROOM * 1000
    loud = torch.full((TOKENS, 1), 1900.0)
    assert torch.allclose(p.fake_quantize_integer(loud), loud, atol=float(p.scales.max()))


def test_a_row_of_zeros_and_one_outlier_keeps_the_outlier() -> None:
    x = torch.zeros(2, 2, 4)
    x[0, 0, 0] = 50.0
    p = rows.calibrate_rows(x, 4, THRESHOLD)
    assert p.fake_quantize_integer(x)[0, 0, 0].item() == pytest.approx(50, rel=1e-4)


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(HwsimError, match="rule is 'search'"):
        rows.calibrate_rows(norm_outputs(), 4, None, "search")


# Integers


def test_the_scale_of_a_row_factors_out_of_a_product() -> None:
    x = norm_outputs()
    p = rows.calibrate_rows(x, 4, THRESHOLD)
    p = replace(p, scales=torch.tensor([3, 17, 5, 6, 19, 8, 7]) / 64)  # so short that float32 products are exact
    weight = torch.randint(-7, 8, (5, CHANNELS), generator=torch.Generator().manual_seed(1)).double()
    codes, outliers = p.quantize(x).to(torch.int64), p.outliers(x).to(torch.int64)
    assert outliers.any()
    terms = ops.row_terms(codes, outliers, p.zero_points, p.format)
    units = p.scales.double() * 2.0**-p.format.exponent
    assert p.unit == units.max().item()
    values = p.fake_quantize_integer(x).double()
    assert torch.equal(ops.product(terms, weight) * units[:, None], values @ weight.T)


@pytest.mark.parametrize("threshold", [None, THRESHOLD, 40.0])
def test_integer_rows_equal_the_codes_within_the_rounding_of_v(threshold: float | None) -> None:
    x = norm_outputs()
    p = rows.calibrate_rows(x, 4, threshold)
    unit_v = normal_unit(p)
    encoding = row_arrays(p, unit_v, "norm1")
    arrays = {key: torch.from_numpy(a.astype(np.int64)) for key, a in encoding.arrays._asdict().items()}
    v = torch.floor(x.double() / unit_v + 0.5).to(torch.int64)
    codes, outliers = ops.encode_rows(
        v, arrays["encode_multipliers"], arrays["zero_points"], encoding.encode_shift, encoding.threshold, p.format
    )
    on_grid = (v * unit_v).double()
    if threshold is not None:
        assert torch.equal(v.abs() > encoding.threshold, on_grid.abs() > threshold)
    same = p.is_outlier(on_grid) == p.is_outlier(x)
    assert same.double().mean() > 0.999
    # half a unit of v and the relative error of E_t are far less than a step, so a code moves by one at most
    assert ((codes - p.quantize(x)).abs()[same] <= 1).all()
    assert (codes == p.quantize(x))[same].double().mean() > 0.99
    unit = p.scales.double()[:, None] * 2.0**-p.format.exponent
    slack = 1 + unit_v / 2 / unit + p.outliers(x).abs() * 2.0**-14
    assert ((outliers - p.outliers(x)).abs() <= slack)[same].all()


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_where_v_ends_every_code_has_saturated(bits: int) -> None:
    fmt = RowUniform(bits=bits, signed=False)
    top = fmt.maximum
    p = RowQuantiser(
        format=fmt, scales=torch.tensor([0.7, 0.7, 0.1]), zero_points=torch.tensor([0, top, 1]), threshold=None
    )
    encoding = row_arrays(p, normal_unit(p), "norm1")
    arrays = {key: torch.from_numpy(a.astype(np.int64)) for key, a in encoding.arrays._asdict().items()}
    ends = torch.tensor([-(2**15), 2**15 - 1]).expand(3, 2)
    codes, _ = ops.encode_rows(
        ends, arrays["encode_multipliers"], arrays["zero_points"], encoding.encode_shift, None, p.format
    )
    assert codes.tolist() == [[0, top]] * 3


def test_v_reaches_beyond_every_outlier() -> None:
    x = norm_outputs() * 30
    p = rows.calibrate_rows(x, 8, THRESHOLD)
    assert p.format.exponent < rows.LARGEST_EXPONENT
    assert normal_unit(p) * 2**15 >= rows.HEADROOM * float(x.abs().max())


def test_multipliers_of_rows() -> None:
    p = dyadic(2)
    assert p.multipliers().tolist() == [2**15, 2**14, 2**13]
    assert p.unit == 0.125
    encoding = row_arrays(p, 2.0**-12, "norm1")
    # 2**-12 / scale * 2**s_e is 2**14 at most: the smallest scale is 2**-3
    assert encoding.encode_shift == 23
    assert encoding.arrays.encode_multipliers.tolist() == [2**12, 2**13, 2**14]
    assert encoding.arrays.zero_points.tolist() == [7, 0, 15]
    assert encoding.threshold == 5 * 2**12
    dtypes = [a.dtype for a in encoding.arrays]
    assert dtypes == [np.int16, np.uint16, np.uint16]


@pytest.mark.parametrize("unit_v", [2.0**-20, 3e-4, 1e-3, 1.0])
def test_encode_multipliers_use_every_bit_that_fits(unit_v: float) -> None:
    p = rows.calibrate_rows(norm_outputs(), 8, None)
    encoding = row_arrays(p, unit_v, "norm1")
    largest = int(encoding.arrays.encode_multipliers.max())
    assert largest < 2**15
    assert largest >= 2**14 or encoding.encode_shift == 31
    ratios = encoding.arrays.encode_multipliers / 2.0**encoding.encode_shift
    assert ratios == pytest.approx((unit_v / p.scales.double()).numpy(), rel=2.0**-10)


def test_no_value_of_16_bits_is_beyond_a_threshold_of_that_size() -> None:
    assert row_arrays(dyadic(0), 2.0**-14, "norm1").threshold == 2**15


@pytest.mark.parametrize(("scales", "unit_v", "message"), [
    ([1.0, 2.0**-17], 2.0**-20, "norm1: the smallest scale of a row is 7.62939e-06 times the largest"),
    ([2.0**14, 2.0**14], 2.0**-20, "norm1: a unit of LayerNorm's result is 5.82077e-11 times the largest scale"),
    ([1.0, 1.0], 2.0**9, "norm1: a unit of LayerNorm's result is 512 times the smallest scale of a row"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(scales: list[float], unit_v: float, message: str) -> None:
    p = replace(dyadic(7), scales=torch.tensor(scales), zero_points=torch.tensor([0, 0]))
    with pytest.raises(HwsimError, match=message):
        row_arrays(p, unit_v, "norm1")
