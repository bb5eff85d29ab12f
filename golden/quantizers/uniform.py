"""Uniform quantisers: ``code = clamp(floor(x / scale + 1/2) + zero_point)``, ``value = (code - zero_point) * scale``.

Known (all papers). Weights are symmetric with a scale for each output channel, activations symmetric or
asymmetric with a scale for the tensor (q, k, v: for each head; our decision, the multipliers carry it for free).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hwsim.formats import Uniform

SMALLEST_SCALE = 1e-12


@dataclass(frozen=True, kw_only=True)
class UniformParameters:
    """A format and its scale."""

    format: Uniform
    scale: Tensor
    """float32[] or any shape that broadcasts against the tensor's last axes"""

    def scaled(self, factor: float) -> UniformParameters:
        """The same with the scale multiplied, so that the range shrinks or grows."""
        return UniformParameters(format=self.format, scale=self.scale * factor)


def calibrate_symmetric(largest: Tensor, bits: int) -> UniformParameters:
    """Signed codes, zero point 0, for magnitudes up to ``largest`` (``max|x| / (2**(b-1) - 1/2)``, as PTQ4ViT)."""
    scale = (largest / (2 ** (bits - 1) - 0.5)).clamp_min(SMALLEST_SCALE)
    return UniformParameters(format=Uniform(bits=bits, signed=True), scale=scale)


def calibrate_asymmetric(smallest: float, largest: float, bits: int) -> UniformParameters:
    """Unsigned codes whose range covers ``smallest`` to ``largest`` and zero."""
    smallest, largest = min(smallest, 0.0), max(largest, 0.0)
    top = 2**bits - 1
    scale = max((largest - smallest) / top, SMALLEST_SCALE)
    zero_point = min(max(round(-smallest / scale), 0), top)
    return UniformParameters(format=Uniform(bits=bits, signed=False, zero_point=zero_point), scale=torch.tensor(scale))


def quantize(x: Tensor, p: UniformParameters) -> Tensor:
    """Codes as whole numbers, in the dtype of ``x``."""
    codes = torch.floor(x / p.scale + 0.5) + p.format.zero_point
    return codes.clamp_(p.format.minimum, p.format.maximum)


def dequantize(codes: Tensor, p: UniformParameters) -> Tensor:
    """Values of codes."""
    return (codes - p.format.zero_point) * p.scale
