"""Uniform quantisers: ``code = clamp(floor(x / scale + 1/2) + zero_point)``, ``value = (code - zero_point) * scale``.

Known (all papers). Weights are symmetric with a scale for each output channel, activations symmetric or
asymmetric with a scale for the tensor (q, k, v: for each head; our decision, the multipliers carry it for free).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from golden.quantizers.base import Quantiser
from hwsim.formats import Uniform

SMALLEST_SCALE = 1e-12


@dataclass(frozen=True, kw_only=True)
class UniformQuantiser(Quantiser):
    """A format and its scale."""

    format: Uniform
    scale: Tensor
    """float32[] or any shape that broadcasts against the tensor's last axes"""

    @property
    def unit(self) -> float:
        """The scale, the largest of several."""
        return float(self.scale.max())

    def scaled(self, factor: float) -> UniformQuantiser:
        """The same with the scale multiplied, so that the range shrinks or grows."""
        return UniformQuantiser(format=self.format, scale=self.scale * factor)

    def quantize(self, x: Tensor) -> Tensor:
        """Codes as whole numbers, in the dtype of ``x``."""
        codes = torch.floor(x / self.scale + 0.5) + self.format.zero_point
        return codes.clamp_(self.format.minimum, self.format.maximum)

    def dequantize(self, codes: Tensor) -> Tensor:
        """Values of codes."""
        return (codes - self.format.zero_point) * self.scale


def calibrate_symmetric(largest: Tensor, bits: int) -> UniformQuantiser:
    """Signed codes, zero point 0, for magnitudes up to ``largest`` (``max|x| / (2**(b-1) - 1/2)``, as PTQ4ViT)."""
    scale = (largest / (2 ** (bits - 1) - 0.5)).clamp_min(SMALLEST_SCALE)
    return UniformQuantiser(format=Uniform(bits=bits, signed=True), scale=scale)


def calibrate_asymmetric(smallest: float, largest: float, bits: int) -> UniformQuantiser:
    """Unsigned codes whose range covers ``smallest`` to ``largest`` and zero."""
    ends = torch.tensor([min(smallest, 0.0), max(largest, 0.0)], dtype=torch.float64)
    scale, zero_point = asymmetric_grid(ends[0], ends[1], bits)
    fmt = Uniform(bits=bits, signed=False, zero_point=int(zero_point))
    return UniformQuantiser(format=fmt, scale=scale.float())


def asymmetric_grid(smallest: Tensor, largest: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Scale and zero point of unsigned codes from ``smallest`` to ``largest``, whichever side of zero that is.

    ``scale = (largest - smallest) / (2**b - 1)``, ``zero_point = round(-smallest / scale)``: known (code of FQ-ViT and
    RepQ-ViT).

    Parameters
    ----------
    smallest, largest : float64[...]

    Returns
    -------
    scale, zero_point : float64[...], the zero point a whole number, beyond the codes where the range leaves out zero
    """
    scale = ((largest - smallest) / (2**bits - 1)).clamp_min(SMALLEST_SCALE)
    return scale, torch.round(-smallest / scale)
