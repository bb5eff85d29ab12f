"""V-2SF and O-2SF: the design's vectors, error bounds, and the channel rule."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from golden.quantizers import tsptq
from hwsim.formats import ChannelTwoScale, TwoScale
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
    p = tsptq.calibrate_softmax(bits=4, exponent=3)
    code = tsptq.quantize(torch.tensor([x]), p)
    assert code.tolist() == [flag << 3 | payload]
    assert tsptq.dequantize(code, p).tolist() == [value]


@pytest.mark.parametrize("bits", [4, 6, 8])
@pytest.mark.parametrize("exponent", [0, 3, 7])
def test_softmax_error_is_at_most_half_a_step(bits: int, exponent: int) -> None:
    p = tsptq.calibrate_softmax(bits, exponent)
    x = torch.linspace(0, 1, 5001)
    codes = tsptq.quantize(x, p)
    error = (tsptq.dequantize(codes, p) - x).abs()
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
    p = tsptq.TwoScaleParameters(format=fmt, fine_step=fine)
    x = torch.arange(-300, 3000) / 512
    expected = [oracle.encode_two_scale_signed(Fraction(v), Fraction(fine), fmt) for v in x.tolist()]
    codes = tsptq.quantize(x, p)
    assert codes.tolist() == expected
    values = [oracle.term_value(oracle.decode(c, fmt)) * fine for c in expected]
    assert tsptq.dequantize(codes, p).tolist() == values


@pytest.mark.parametrize("small_signed", [False, True])
def test_searches_see_what_the_codes_hold(small_signed: bool) -> None:
    p = tsptq.TwoScaleParameters(format=TwoScale(bits=8, exponent=3, small_signed=small_signed), fine_step=0.01)
    x = torch.linspace(-0.2 if small_signed else 0, 12, 4001)
    assert torch.allclose(tsptq.fake_quantize(x, p), tsptq.dequantize(tsptq.quantize(x, p), p), atol=1e-6)


def test_exponent_zero_has_one_step() -> None:
    p = tsptq.calibrate_gelu(2.0, bits=8, exponent=0)
    assert p.coarse_step == p.fine_step


def lively_rows() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(400, 16, generator=generator)
    x[:, [2, 9]] *= 12
    return x


def test_channels_that_stand_out_are_flagged() -> None:
    p = tsptq.calibrate_channels(lively_rows(), bits=8)
    assert p.flags.nonzero().flatten().tolist() == [2, 9]
    assert p.format.exponent in tsptq.RESIDUAL_EXPONENTS


def test_each_channel_takes_the_scale_with_less_error() -> None:
    x = lively_rows()
    p = tsptq.calibrate_channels(x, bits=8)
    chosen = (tsptq.dequantize_channels(tsptq.quantize_channels(x, p), p) - x).square().sum(0)
    for channel in range(16):
        flags = p.flags.clone()
        flags[channel] ^= True
        other = tsptq.ChannelTwoScaleParameters(format=p.format, scale=p.scale, flags=flags)
        error = (tsptq.dequantize_channels(tsptq.quantize_channels(x, other), other) - x).square().sum(0)
        assert chosen[channel] <= error[channel]


def test_sensitivity_decides_what_counts() -> None:
    x = lively_rows()
    indifferent = torch.ones_like(x)
    indifferent[:, [2, 9]] = 0
    plain, weighed = tsptq.calibrate_channels(x, 8), tsptq.calibrate_channels(x, 8, indifferent)
    assert weighed.scale < plain.scale or weighed.scale == pytest.approx(plain.scale)
    both = [(tsptq.dequantize_channels(tsptq.quantize_channels(x, p), p) - x).square() for p in (plain, weighed)]
    assert (both[1] * indifferent).sum() <= (both[0] * indifferent).sum()


def test_without_flags_it_is_plain_uniform() -> None:
    fmt = ChannelTwoScale(bits=8, exponent=3)
    p = tsptq.ChannelTwoScaleParameters(format=fmt, scale=0.05, flags=torch.zeros(16, dtype=torch.bool))
    x = lively_rows()
    assert torch.equal(tsptq.quantize_channels(x, p), torch.floor(x / 0.05 + 0.5).clamp(-128, 127))
