"""Twin uniform of PTQ4ViT: the piecewise form as a sorted codebook, both regions' layout, exact entries."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from golden.quantizers import twin
from golden.quantizers.log import GELU_MINIMUM
from hwsim.formats import Codebook
from tests import oracle

BITS = [3, 4, 6, 8]


def units(fmt: Codebook) -> list[int]:
    return [mantissa << shift for mantissa, shift in zip(fmt.mantissas, fmt.shifts, strict=True)]


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("split", [0, 1, 2, 3, 5, 8, 15])
def test_probabilities_decode_as_the_piecewise_form(bits: int, split: int) -> None:
    p = twin.calibrate_softmax(bits, split)
    numerators = [*range(0, 65537, 37), *range(300), 65536, 65536 >> split, (65536 >> split) - 1]
    x = torch.tensor(numerators) / 65536
    codes = p.quantize(x)
    entries, top = units(p.format), 2 ** (bits - 1) - 1
    expected = [oracle.twin_softmax(Fraction(n, 65536), bits, split) for n in numerators]
    assert [Fraction(entries[c], top << split) for c in codes.tolist()] == expected
    assert p.dequantize(codes).tolist() == [pytest.approx(float(v), rel=1e-6) for v in expected]


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("split", [0, 1, 2, 5, 7])
def test_the_top_bit_selects_the_region(bits: int, split: int) -> None:
    split = min(split, bits - 1)
    p, top = twin.calibrate_softmax(bits, split), 2 ** (bits - 1) - 1
    x = torch.arange(65537) / 65536
    codes = p.quantize(x).long()
    assert torch.equal(codes > top, x >= 2.0**-split)
    entries = torch.tensor(units(p.format))
    coarse = codes > top
    assert torch.equal(entries[codes], torch.where(coarse, (codes & top) << split, codes))
    assert p.unit == 2.0**-split / top


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("exponent", [0, 2, 5])
def test_gelu_codes_and_values_equal_the_oracle(bits: int, exponent: int) -> None:
    coarse = Fraction(1, 16)
    half = 2 ** (bits - 1)
    p = twin.calibrate_gelu(float(coarse * (2 * half - 1) / 2), bits, exponent)
    x = torch.arange(-300, 6000) / 512  # ties among them
    codes = p.quantize(x)
    values = [oracle.twin_gelu(Fraction(v), coarse / 2**exponent, bits, exponent) for v in x.tolist()]
    assert p.dequantize(codes).tolist() == [float(v) for v in values]
    assert Fraction(p.unit) == coarse / 2**exponent
    assert [units(p.format)[c] * Fraction(p.unit) for c in codes.tolist()] == values
    assert torch.equal(codes >= half, x >= -p.unit / 2)
    assert p.format.thresholds == ()


@pytest.mark.parametrize("bits", BITS)
def test_without_an_exponent_gelu_is_plain_uniform(bits: int) -> None:
    p = twin.calibrate_gelu(3.0, bits, 0)
    assert units(p.format) == list(range(-(2 ** (bits - 1)), 2 ** (bits - 1)))


@pytest.mark.parametrize("bits", BITS)
def test_ptq4vit_s_fine_step_reaches_gelu_s_minimum(bits: int) -> None:
    p = twin.calibrate_gelu_full_negatives(bits, 3)
    assert float(p.levels[0]) == GELU_MINIMUM
    assert float(p.levels[-1]) == pytest.approx(8 * p.unit * (2 ** (bits - 1) - 1), rel=1e-15)
