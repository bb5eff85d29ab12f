"""Channel scales: codes against the oracle, and their format."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from golden.quantizers.channel_scale import ChannelScaleQuantiser
from hwsim.errors import HwsimError
from hwsim.formats import ChannelScaled
from tests import oracle


def quantiser(shifts: list[int], bits: int = 8, scale: float = 2.0**-5) -> ChannelScaleQuantiser:
    return ChannelScaleQuantiser(bits=bits, scale=scale, shifts=torch.tensor(shifts, dtype=torch.uint8))


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_codes_equal_the_oracle_for_every_shift(bits: int) -> None:
    p = quantiser(list(range(8)), bits)
    x = torch.arange(-2100, 2100)[:, None] / 256 * 2.0 ** torch.arange(8)
    fmt = p.format
    assert fmt == ChannelScaled(bits=bits)
    codes = p.quantize(x)
    for shift in range(8):
        step = Fraction(2**shift, 32)
        expected = [oracle.encode_uniform(Fraction(v), step, 0, *oracle.code_range(fmt)) for v in x[:, shift].tolist()]
        assert codes[:, shift].tolist() == expected
        assert p.dequantize(codes)[:, shift].tolist() == [float(code * step) for code in expected]


@pytest.mark.parametrize("exponent", [1, 3, 7])
def test_two_scales_decode_as_the_format_says(exponent: int) -> None:
    flags = torch.tensor([False, True, False, True])
    p = ChannelScaleQuantiser.two_scales(8, 0.25, exponent, flags)
    assert p.shifts.tolist() == [0, exponent, 0, exponent]
    assert p.shifts.dtype == torch.uint8
    assert p.unit == 0.25
    for code in range(-128, 128):
        terms = [oracle.term_value(oracle.decode(code, p.format, shift)) for shift in p.shifts.tolist()]
        assert p.dequantize(torch.full((4,), float(code))).tolist() == [term * p.unit for term in terms]


def test_without_shifts_it_is_plain_uniform() -> None:
    p = quantiser([0] * 16, scale=0.05)
    x = torch.randn(400, 16, generator=torch.Generator().manual_seed(1)) * 5
    assert torch.equal(p.quantize(x), torch.floor(x / 0.05 + 0.5).clamp(-128, 127))


def test_a_shift_beyond_seven_is_refused() -> None:
    with pytest.raises(HwsimError, match="a shift is 8, expected 0 to 7"):
        quantiser([0, 8])
