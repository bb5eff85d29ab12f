"""Logarithmic quantisers: the integer encoder, the oracle, the ends of the range."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Literal

import pytest
import torch

from golden.integer_ops import encode_probability
from golden.quantizers import log
from golden.quantizers.log import GELU_MINIMUM, LogQuantiser
from hwsim.formats import Logarithmic
from tests import oracle

BASES: list[Literal["two", "sqrt_two"]] = ["two", "sqrt_two"]
P = torch.arange(65537)


@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8])
@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("max_shift", [0, 3, 7, 15])
def test_every_probability_has_the_integer_encoder_s_code(
    bits: int, base: Literal["two", "sqrt_two"], max_shift: int
) -> None:
    p = log.calibrate_probability(bits, base, max_shift)
    expected = encode_probability(P, p.format)
    for dtype in (torch.float32, torch.float64):
        assert torch.equal(p.quantize(P.to(dtype) / 65536).long(), expected)


@pytest.mark.parametrize("bits", [3, 4, 6, 8])
@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(("largest", "offset"), [(3.7, GELU_MINIMUM), (0.3, 0.0), (1e-3, -0.5)])
def test_codes_and_values_equal_the_oracle(
    bits: int, base: Literal["two", "sqrt_two"], largest: float, offset: float
) -> None:
    p = LogQuantiser(format=Logarithmic(bits=bits, base=base, max_shift=9), largest=largest, offset=offset)
    generator = torch.Generator().manual_seed(bits)
    spread = torch.exp2(-16 * torch.rand(300, generator=generator))
    x = torch.cat([offset + 1.2 * largest * spread, torch.linspace(offset - 0.1, offset + 2 * largest, 100)])
    codes = p.quantize(x)
    y = [(Fraction(v) - Fraction(offset)) / Fraction(largest) for v in x.tolist()]
    assert codes.tolist() == [oracle.encode_log(v, p.format) for v in y]
    one = oracle.term_value(oracle.decode(0, p.format))
    terms = [Fraction(oracle.term_value(oracle.decode(c, p.format)), one) for c in codes.tolist()]
    values = torch.tensor([float(t * Fraction(largest) + Fraction(offset)) for t in terms])
    assert torch.allclose(p.dequantize(codes), values, rtol=1e-6, atol=0)
    assert torch.equal(p.fake_quantize(x), p.dequantize(codes))


@pytest.mark.parametrize("bits", [3, 4, 6, 8])
@pytest.mark.parametrize("base", BASES)
def test_values_are_the_nearest_in_the_log_domain_and_have_their_own_code(
    bits: int, base: Literal["two", "sqrt_two"]
) -> None:
    p = log.calibrate_probability(bits, base, 15)
    codes = torch.tensor([*range(p.format.largest_code + 1), p.format.zero_code], dtype=torch.uint8)
    assert torch.equal(p.quantize(p.dequantize(codes)), codes)
    step = 1.0 if base == "two" else 0.5
    x = torch.exp2(-step * torch.linspace(-0.49, p.format.largest_code + 0.49, 3001, dtype=torch.float64))
    error = (torch.log2(p.fake_quantize(x)) - torch.log2(x)).abs()
    root_error = abs(math.log2(181 / 128) - 0.5)
    assert float(error.max()) <= step / 2 + root_error + 1e-6


def test_ends_of_the_range() -> None:
    p = log.calibrate_gelu(4.0, bits=4, base="two", max_shift=5)
    x = torch.tensor([-torch.inf, -1.0, GELU_MINIMUM, 4.0, 5.0, torch.inf])
    assert p.quantize(x).tolist() == [15, 15, 15, 0, 0, 0]
    assert p.dequantize(torch.tensor([15, 6])).tolist() == pytest.approx([GELU_MINIMUM] * 2)
    assert float(p.dequantize(torch.tensor([0]))) == pytest.approx(4.0)
    smallest = p.unit / math.sqrt(2) + GELU_MINIMUM
    assert p.quantize(torch.tensor([smallest - 1e-5, smallest + 1e-5])).tolist() == [15, 5]


def test_unit_is_the_value_of_the_term_one() -> None:
    assert log.calibrate_probability(4, "two", 9).unit == 2.0**-9
    p = log.calibrate_probability(4, "sqrt_two", 9)
    assert p.unit == 2.0**-16
    assert p.dequantize(torch.tensor([0, 1, 2, 15])).tolist() == [1.0, 181 / 256, 0.5, 0.0]


def test_without_gelu_above_zero_the_range_is_the_negatives() -> None:
    assert log.calibrate_gelu(-0.1, 4, "two", 5).largest == -GELU_MINIMUM
