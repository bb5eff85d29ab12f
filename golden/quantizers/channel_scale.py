"""A static power-of-two scale for each channel of the residual stream: O-2SF, k-scaled quantisation and PTF.

    value = code * scale * 2**shift[c]          code signed, shift 0..7

O-2SF of TSPTQ-ViT (arXiv 2305.12901) has the shifts 0 and r, one flag a channel; that the ratio is a power of two is
reconstructed. k-scaled quantisation (arXiv 2501.16738, known) has k different shifts, FQ-ViT's power-of-two factor
(known) the shifts 0 to 3. Our decision: all are symmetric, since the format of the stream has no zero point. How the
shifts are chosen is in ``golden.quantizers.channel_rules``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from golden.quantizers.base import Quantiser
from hwsim.errors import HwsimError
from hwsim.formats import ChannelScaled

LARGEST_SHIFT = 7


@dataclass(frozen=True, kw_only=True)
class ChannelScaleQuantiser(Quantiser):
    """A width, the scale of channels with shift 0, and the shifts.

    Raises
    ------
    HwsimError
        If a shift is larger than 7.
    """

    bits: int
    scale: float
    shifts: Tensor
    """uint8[D]"""

    def __post_init__(self) -> None:
        if (largest := int(self.shifts.max())) > LARGEST_SHIFT:
            raise HwsimError(f"channel scales: a shift is {largest}, expected 0 to {LARGEST_SHIFT}")

    @classmethod
    def two_scales(cls, bits: int, scale: float, exponent: int, flags: Tensor) -> ChannelScaleQuantiser:
        """O-2SF: channels whose flag is set (bool[D]) have the scale times ``2**exponent``."""
        return cls(bits=bits, scale=scale, shifts=flags.to(torch.uint8) * exponent)

    @property
    def format(self) -> ChannelScaled:  # type: ignore[override]  # derived here, a field of the other quantisers
        """Width of the codes; the shifts are an array beside it."""
        return ChannelScaled(bits=self.bits)

    @property
    def unit(self) -> float:
        """Scale of the channels with shift 0."""
        return self.scale

    @property
    def channel_scale(self) -> Tensor:
        """float32[D]"""
        return self.scale * (1 << self.shifts.int()).float()

    def quantize(self, x: Tensor) -> Tensor:
        """Codes as whole numbers, in the dtype of ``x``; x : float32[..., D]."""
        top = 2 ** (self.bits - 1)
        return torch.floor(x / self.channel_scale + 0.5).clamp_(-top, top - 1)

    def dequantize(self, codes: Tensor) -> Tensor:
        """Values of codes."""
        return codes * self.channel_scale
