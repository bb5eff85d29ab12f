"""V-2SF of TSPTQ-ViT (arXiv 2305.12901), after softmax and GELU: a flag selects the fine or the coarse step.

    value = payload * 2**(m * flag) * fine_step          code = flag (top bit), payload

Reconstructed: the split by magnitude is a third party's summary, the algebra is inferred.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from golden.quantizers.base import Quantiser
from hwsim.formats import TwoScale


@dataclass(frozen=True, kw_only=True)
class TwoScaleQuantiser(Quantiser):
    """V-2SF: a format and the value of its fine step."""

    format: TwoScale
    fine_step: float

    @property
    def unit(self) -> float:
        """The fine step."""
        return self.fine_step

    @property
    def coarse_step(self) -> float:
        """Value of one step of the coarse region."""
        return self.fine_step * 2.0**self.format.exponent

    def quantize(self, x: Tensor) -> Tensor:
        """Codes, uint8, each payload rounded from the value itself."""
        low, high = self._fine_region()
        fine = torch.floor(x / self.fine_step + 0.5)
        coarse = torch.floor(x / self.coarse_step + 0.5).clamp_(0, self._top)
        code = torch.where(fine <= high, fine.clamp(min=low).remainder(self._top + 1), coarse + self._top + 1)
        return code.to(torch.uint8)

    def dequantize(self, codes: Tensor) -> Tensor:
        """Values of codes, float32."""
        payload = (codes & self._top).float()
        negative = self.format.small_signed & (payload > self._top // 2)
        small = torch.where(negative, payload - (self._top + 1), payload)
        return torch.where(codes > self._top, payload * self.coarse_step, small * self.fine_step)

    def fake_quantize(self, x: Tensor) -> Tensor:
        """Value of the code of each element, without the detour through codes, for searches."""
        low, high = self._fine_region()
        fine = torch.floor(x / self.fine_step + 0.5)
        coarse = torch.floor(x / self.coarse_step + 0.5).clamp_(0, self._top).mul_(self.coarse_step)
        return torch.where(fine <= high, fine.clamp_(min=low) * self.fine_step, coarse)

    @property
    def _top(self) -> int:
        """Largest unsigned payload."""
        return (1 << self.format.payload_bits) - 1

    def _fine_region(self) -> tuple[int, int]:
        """Smallest and largest payload of the fine region."""
        n = self.format.payload_bits
        return (-(2 ** (n - 1)), 2 ** (n - 1) - 1) if self.format.small_signed else (0, 2**n - 1)


def calibrate_softmax(bits: int, exponent: int) -> TwoScaleQuantiser:
    """V-2SF for probabilities: coarse step ``2**-n`` (n payload bits), so both steps are powers of two."""
    fmt = TwoScale(bits=bits, exponent=exponent, small_signed=False)
    return TwoScaleQuantiser(format=fmt, fine_step=2.0 ** -(fmt.payload_bits + exponent))


def calibrate_gelu(largest: float, bits: int, exponent: int) -> TwoScaleQuantiser:
    """V-2SF by value for GELU's output, the coarse region reaching up to ``largest``."""
    fmt = TwoScale(bits=bits, exponent=exponent, small_signed=True)
    coarse = max(largest, 1e-6) / (2**fmt.payload_bits - 0.5)
    return TwoScaleQuantiser(format=fmt, fine_step=coarse / 2**exponent)
