"""Codebook quantisers: the integer encoder, entries nearest to their levels, log and uniform levels of any scale."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.integer_ops import encode_probability
from golden.proof import LARGEST_SHIFT, is_context_admitted
from golden.quantizers import log, tanq, twin
from golden.quantizers.buckets import bucket
from golden.quantizers.codebook import (
    CodebookQuantiser,
    log_codebook,
    make_codebook,
    nearest_entry,
    uniform_codebook,
)
from hwsim.errors import HwsimError
from hwsim.formats import Logarithmic
from tests import oracle

P = torch.arange(65537)
TOKENS = 197
BITS = [3, 4, 6, 8]

every_kind = [
    *(log_codebook(bits, "two", 0.37, TOKENS) for bits in BITS),
    *(log_codebook(bits, "sqrt_two", delta, TOKENS) for bits in BITS for delta in (1.0, 0.11)),
    *(uniform_codebook(bits, largest) for bits in BITS for largest in (1.0, 0.23)),
    *(tanq.calibrate(bits, "A", 1.42, 0.4, TOKENS) for bits in BITS),
    *(tanq.calibrate(bits, "C", 1.3, 1.0, TOKENS) for bits in BITS),
    *(twin.calibrate_softmax(bits, split) for bits in BITS for split in (0, 3, 10)),
]


@pytest.mark.parametrize("p", every_kind)
def test_every_probability_has_the_integer_encoder_s_code(p: CodebookQuantiser) -> None:
    expected = encode_probability(P, p.format)
    for dtype in (torch.float32, torch.float64):
        assert torch.equal(p.quantize(P.to(dtype) / 65536).long(), expected)
    assert is_context_admitted(p.format, TOKENS)


@pytest.mark.parametrize("p", every_kind)
def test_entries_are_nearest_to_their_levels(p: CodebookQuantiser) -> None:
    terms = p.format.terms()
    for level, mantissa, shift in zip(p.levels.tolist(), terms.mantissa.tolist(), terms.shift.tolist(), strict=True):
        exact = Fraction(level) / Fraction(p.unit)
        error = abs((mantissa << shift) - exact)
        assert -256 <= mantissa <= 255
        assert shift <= LARGEST_SHIFT
        assert error <= Fraction(1 << shift, 2) + Fraction(1, 2**20)  # the unit is a float
        assert error <= oracle.nearest_entry_error(exact, 8) + Fraction(1, 2**20)


@pytest.mark.parametrize("p", every_kind)
def test_levels_have_their_own_code_and_never_fall(p: CodebookQuantiser) -> None:
    assert bool((p.levels.diff() >= 0).all())
    codes = p.quantize(p.levels * (1 - 1e-9))  # the end of twin uniform's fine region lies in the coarse one
    assert torch.equal(p.levels[codes.long()], p.levels)
    assert codes.dtype == torch.uint8
    assert torch.equal(p.dequantize(codes), p.levels.float())
    assert torch.equal(p.fake_quantize(P / 65536), p.dequantize(p.quantize(P / 65536)))


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.floats(-(2.0**24), 2.0**24))
def test_an_entry_is_the_nearest_one(value: float) -> None:
    mantissa, shift = nearest_entry(value)
    assert abs(mantissa) <= 255
    assert abs((mantissa << shift) - Fraction(value)) == oracle.nearest_entry_error(Fraction(value), 8)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.lists(st.floats(-2000, 2000), min_size=2, max_size=30))
def test_entries_never_fall_as_values_rise(values: list[float]) -> None:
    entries = [nearest_entry(value) for value in sorted(values)]
    assert all(low[0] << low[1] <= high[0] << high[1] for low, high in pairwise(entries))


def test_where_entries_change_their_grid() -> None:
    values = [255.49, 255.5, 256.99, 257, 511, -255.5, -255.51]
    assert [m << s for m, s in map(nearest_entry, values)] == [255, 256, 256, 258, 512, -255, -256]
    with pytest.raises(HwsimError, match="needs a shift of 32, expected at most 31"):
        nearest_entry(256.0 * 2**31)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.floats(-4, 4, width=32), st.sampled_from([-1, 0, 1]), st.integers(0, 60))
def test_bounds_finer_than_the_tensor_s_dtype_are_compared_exactly(x: float, side: int, scale: int) -> None:
    bound = x + side * math.ldexp(1.0, -scale)
    assert bucket(torch.tensor([x]), torch.tensor([bound], dtype=torch.float64)).tolist() == [int(bound <= x)]


def test_tensors_of_any_layout() -> None:
    p = uniform_codebook(3, 1.0)
    x = torch.rand(4, 5, generator=torch.Generator().manual_seed(1)).T
    assert torch.equal(p.quantize(x), p.quantize(x.contiguous()))
    assert p.quantize(x).shape == (5, 4)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("base", ["two", "sqrt_two"])
@pytest.mark.parametrize("delta", [1.0, 0.37])
def test_log_codes_equal_the_oracle_in_reverse(bits: int, base: Literal["two", "sqrt_two"], delta: float) -> None:
    p = log_codebook(bits, base, delta, TOKENS)
    unlimited = Logarithmic(bits=bits, base=base, max_shift=31)
    x = P[:: 131 if bits < 8 else 509]
    x = torch.cat([x, P[:40]]) / 65536
    top = (1 << bits) - 1
    expected = [top - oracle.encode_log(Fraction(v) / Fraction(delta), unlimited) for v in x.tolist()]
    assert p.quantize(x).tolist() == expected
    steps = 1 if base == "two" else 2
    levels = [0.0, *(delta * 2 ** (-q / steps) for q in range(top - 1, -1, -1))]
    assert p.levels.tolist() == pytest.approx(levels, rel=1e-14)


@pytest.mark.parametrize("bits", [3, 4])
@pytest.mark.parametrize("base", ["two", "sqrt_two"])
def test_without_a_scale_log_entries_are_those_of_the_log_format(bits: int, base: Literal["two", "sqrt_two"]) -> None:
    plain, p = log.calibrate_probability(bits, base, 15), log_codebook(bits, base, 1.0, TOKENS)
    values = [
        [Fraction(q.unit) * (m << s) for m, s in zip(*(column.tolist() for column in q.format.terms()), strict=True)]
        for q in (plain, p)
    ]
    assert values[0] == values[1][::-1]


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("largest", [1.0, 0.23])
def test_uniform_codes_equal_the_oracle(bits: int, largest: float) -> None:
    p = uniform_codebook(bits, largest)
    x = P[::13] / 65536
    top = (1 << bits) - 1
    step = Fraction(largest) / top
    assert p.quantize(x).tolist() == [
        oracle.clamp(oracle.round_fraction(Fraction(v) / step), 0, top) for v in x.tolist()
    ]
    assert [m << s for m, s in zip(p.format.mantissas, p.format.shifts, strict=True)] == list(range(top + 1))


def test_a_table_s_codebook_has_an_offset_and_no_thresholds() -> None:
    levels = torch.tensor([-0.5, 0.0, 1.0, 3.5], dtype=torch.float64)
    bounds = (levels[1:] + levels[:-1]) / 2
    p = make_codebook(levels, bounds, 2, unit=0.5, probability=False, offset=-0.5)
    assert p.format.thresholds == ()
    assert p.format.mantissas == (0, 1, 3, 8)
    assert p.quantize(torch.tensor([-1.0, -0.25, 0.4, 9.0])).tolist() == [0, 1, 1, 3]
    assert p.dequantize(torch.tensor([0, 3])).tolist() == [-0.5, 3.5]
    assert (p.unit, p.offset) == (0.5, -0.5)


def test_thresholds_fit_17_bits() -> None:
    levels = torch.tensor([0.0, 0.5, 1.0, 1.0], dtype=torch.float64)
    bounds = torch.tensor([-1.0, 0.3, torch.inf], dtype=torch.float64)
    p = make_codebook(levels, bounds, 2, unit=0.5, probability=True)
    assert p.format.thresholds == (0, 19661, 131071)


def test_a_row_of_more_tokens_takes_a_coarser_grid() -> None:
    fine, coarse = (log_codebook(4, "two", 0.1, tokens) for tokens in (2, 1024))
    assert coarse.unit > fine.unit
    with pytest.raises(HwsimError, match="no grid is proved safe"):
        log_codebook(4, "two", 1.0, 2**60)
