"""O-2SF of TSPTQ-ViT (arXiv 2305.12901), on the residual stream: a static shift for each channel.

    value = code * scale * 2**shift[c]          O-2SF: shift 0 or r, one flag a channel

Reconstructed: that the ratio is a power of two is inferred; the rule that picks the channels is our decision: each
takes whichever scale has less error, weighed by sensitivity.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from golden.quantizers.base import Quantiser
from hwsim.formats import ChannelTwoScale

RESIDUAL_SHRINK = tuple(1.05 - 0.025 * i for i in range(19))
RESIDUAL_EXPONENTS = (1, 2, 3, 4, 5)


@dataclass(frozen=True, kw_only=True)
class ChannelScaleQuantiser(Quantiser):
    """A format, the scale of channels with shift 0, and the flags."""

    format: ChannelTwoScale
    scale: float
    flags: Tensor
    """bool[D]"""

    @property
    def unit(self) -> float:
        """Scale of the channels with shift 0."""
        return self.scale

    @property
    def channel_scale(self) -> Tensor:
        """float32[D]"""
        return self.scale * torch.where(self.flags, 2.0**self.format.exponent, 1.0)

    def quantize(self, x: Tensor) -> Tensor:
        """Codes as whole numbers, in the dtype of ``x``; x : float32[..., D]."""
        return torch.floor(x / self.channel_scale + 0.5).clamp_(self.format.minimum, self.format.maximum)

    def dequantize(self, codes: Tensor) -> Tensor:
        """Values of codes."""
        return codes * self.channel_scale


def calibrate_channels(x: Tensor, bits: int, sensitivity: Tensor | None = None) -> ChannelScaleQuantiser:
    """O-2SF: each channel takes whichever of the two scales has less error.

    The coarse scale comes from the tensor's maximum times 0.6 to 1.05, the ratio is 2**r with r in 1 to 5; the
    pair with the least total error wins. Our decision (the paper's rule is unknown). On DeiT-Tiny's held-out
    calibration images, with nothing else quantised, the KL to float is 0.0060 without sensitivity and 0.0044 with it.

    Parameters
    ----------
    x : float32[rows, D]
    sensitivity : float32[rows, D], weights of the squared errors; all alike without it
    """
    largest = float(x.abs().max())
    found: dict[float, Tensor] = {}

    def channel_error(scale: float) -> Tensor:
        if scale not in found:
            error = (_fake_symmetric(x, scale, bits) - x).square_()
            found[scale] = (error if sensitivity is None else error.mul_(sensitivity)).sum(0)
        return found[scale]

    best, best_error = None, torch.inf
    for shrink in RESIDUAL_SHRINK:
        coarse = max(largest * shrink / (2 ** (bits - 1) - 0.5), 1e-12)
        for exponent in RESIDUAL_EXPONENTS:
            normal = coarse / 2**exponent
            flags = channel_error(coarse) < channel_error(normal)
            error = float(torch.where(flags, channel_error(coarse), channel_error(normal)).double().sum())
            if error < best_error:
                best_error = error
                fmt = ChannelTwoScale(bits=bits, exponent=exponent)
                best = ChannelScaleQuantiser(format=fmt, scale=normal, flags=flags)
    assert best is not None
    return best


def _fake_symmetric(x: Tensor, scale: float, bits: int) -> Tensor:
    top = 2 ** (bits - 1)
    return torch.floor(x / scale + 0.5).clamp_(-top, top - 1).mul_(scale)
