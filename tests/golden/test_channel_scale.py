"""O-2SF: which channels take the coarse scale."""

from __future__ import annotations

import pytest
import torch

from golden.quantizers import channel_scale
from golden.quantizers.channel_scale import ChannelScaleQuantiser
from hwsim.formats import ChannelTwoScale


def lively_rows() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(400, 16, generator=generator)
    x[:, [2, 9]] *= 12
    return x


def test_channels_that_stand_out_are_flagged() -> None:
    p = channel_scale.calibrate_channels(lively_rows(), bits=8)
    assert p.flags.nonzero().flatten().tolist() == [2, 9]
    assert p.format.exponent in channel_scale.RESIDUAL_EXPONENTS


def test_each_channel_takes_the_scale_with_less_error() -> None:
    x = lively_rows()
    p = channel_scale.calibrate_channels(x, bits=8)
    chosen = (p.fake_quantize(x) - x).square().sum(0)
    for channel in range(16):
        flags = p.flags.clone()
        flags[channel] ^= True
        other = ChannelScaleQuantiser(format=p.format, scale=p.scale, flags=flags)
        error = (other.fake_quantize(x) - x).square().sum(0)
        assert chosen[channel] <= error[channel]


def test_sensitivity_decides_what_counts() -> None:
    x = lively_rows()
    indifferent = torch.ones_like(x)
    indifferent[:, [2, 9]] = 0
    plain, weighed = channel_scale.calibrate_channels(x, 8), channel_scale.calibrate_channels(x, 8, indifferent)
    assert weighed.scale < plain.scale or weighed.scale == pytest.approx(plain.scale)
    both = [(p.fake_quantize(x) - x).square() for p in (plain, weighed)]
    assert (both[1] * indifferent).sum() <= (both[0] * indifferent).sum()


def test_without_flags_it_is_plain_uniform() -> None:
    fmt = ChannelTwoScale(bits=8, exponent=3)
    p = ChannelScaleQuantiser(format=fmt, scale=0.05, flags=torch.zeros(16, dtype=torch.bool))
    x = lively_rows()
    assert torch.equal(p.quantize(x), torch.floor(x / 0.05 + 0.5).clamp(-128, 127))
