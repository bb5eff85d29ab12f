"""V-2SF: the design's vectors, error bounds, the oracle."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from golden.quantizers import two_scale
from golden.quantizers.two_scale import TwoScaleQuantiser
from hwsim.formats import TwoScale
from tests import oracle


@pytest.mark.parametrize(
    ("x", "flag", "payload", "value"),
    [
        (0.01, 0, 1, 0.015625),
        (0.05, 0, 3, 0.046875),
        (0.109, 0, 7, 0.109375),
        (0.118, 1, 1, 0.125),
        (0.5, 1, 4, 0.5),
        (0.9, 1, 7, 0.875),
        (1.0, 1, 7, 0.875),
    ],
)
def test_vectors_of_the_design(x: float, flag: int, payload: int, value: float) -> None:
    p = two_scale.calibrate_softmax(bits=4, exponent=3)
    code = p.quantize(torch.tensor([x]))
    assert code.tolist() == [flag << 3 | payload]
    assert p.dequantize(code).tolist() == [value]


@pytest.mark.parametrize("bits", [4, 6, 8])
@pytest.mark.parametrize("exponent", [0, 3, 7])
def test_softmax_error_is_at_most_half_a_step(bits: int, exponent: int) -> None:
    p = two_scale.calibrate_softmax(bits, exponent)
    x = torch.linspace(0, 1, 5001)
    codes = p.quantize(x)
    error = (p.dequantize(codes) - x).abs()
    largest = p.coarse_step * (2**p.format.payload_bits - 1)
    coarse = codes >= 2**p.format.payload_bits
    inside = x <= largest + p.coarse_step / 2
    slack = 1e-6
    assert (error[~coarse] <= p.fine_step / 2 + slack).all()
    assert (error[coarse & inside] <= p.coarse_step / 2 + slack).all()
    assert (error[~inside] <= 1 - largest + slack).all()


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("exponent", [0, 2, 5])
def test_gelu_codes_equal_the_oracle(bits: int, exponent: int) -> None:
    fine = 2.0**-6
    fmt = TwoScale(bits=bits, exponent=exponent, small_signed=True)
    p = TwoScaleQuantiser(format=fmt, fine_step=fine)
    x = torch.arange(-300, 3000) / 512
    expected = [oracle.encode_two_scale_signed(Fraction(v), Fraction(fine), fmt) for v in x.tolist()]
    codes = p.quantize(x)
    assert codes.tolist() == expected
    values = [oracle.term_value(oracle.decode(c, fmt)) * fine for c in expected]
    assert p.dequantize(codes).tolist() == values


@pytest.mark.parametrize("small_signed", [False, True])
def test_searches_see_what_the_codes_hold(small_signed: bool) -> None:
    p = TwoScaleQuantiser(format=TwoScale(bits=8, exponent=3, small_signed=small_signed), fine_step=0.01)
    x = torch.linspace(-0.2 if small_signed else 0, 12, 4001)
    assert torch.allclose(p.fake_quantize(x), p.dequantize(p.quantize(x)), atol=1e-6)


def test_exponent_zero_has_one_step() -> None:
    p = two_scale.calibrate_gelu(2.0, bits=8, exponent=0)
    assert p.coarse_step == p.fine_step
