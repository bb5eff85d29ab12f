"""Logarithmic quantisers: ``code = floor(-log_base((x - offset) / largest) + 1/2)``, the code of all ones is zero.

    value = term(code) * unit + offset        unit = largest / 2**max_shift, for sqrt(2) largest / (128 * 2**max_shift)

Known: log2 after softmax (FQ-ViT), log-sqrt2 after softmax (RepQ-ViT, ADFQ-ViT) and, of ``x - minimum``, after GELU
(ADFQ-ViT, there with the minimum of the run and 1e-6 above it). Our decisions: the zero inside the code, ``max_shift``,
the static minimum. With base sqrt(2) the root is 181/128, as the hardware decodes it, in both modes: 1.5e-4 less than
the papers' root, so that odd codes are 1.1e-4 of their value too small. ``codebook.log_codebook`` has the exact root.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from golden.quantizers.base import Quantiser
from golden.quantizers.buckets import bucket
from hwsim.formats import Logarithmic

Base = Literal["two", "sqrt_two"]

GELU_MINIMUM = -0.16997124254703522
"""Smallest value of GELU, as PTQ4ViT has it (known)."""


@dataclass(frozen=True, kw_only=True)
class LogQuantiser(Quantiser):
    """A format, the value above ``offset`` that code 0 stands for, and the value of zero."""

    format: Logarithmic
    largest: float
    offset: float = 0.0

    @property
    def unit(self) -> float:
        """Value of the term 1."""
        one = 1 if self.format.base == "two" else 128
        return self.largest / (one << self.format.max_shift)

    @property
    def bounds(self) -> Tensor:
        """Smallest value of each code, from the largest code down to code 0, float64[largest_code + 1].

        The powers are irrational, so no float is a tie. The last bits of the bounds are those of float64.
        """
        codes = torch.arange(self.format.largest_code, -1, -1, dtype=torch.float64)
        return self.offset + self.largest * log_values(codes + 0.5, self.format.base)

    def quantize(self, x: Tensor) -> Tensor:
        """Codes, uint8: the nearest in the log domain, code 0 above the largest value, zero below the smallest."""
        found = bucket(x, self.bounds)
        count = self.format.largest_code + 1
        return torch.where(found == 0, self.format.zero_code, count - found).to(torch.uint8)

    def dequantize(self, codes: Tensor) -> Tensor:
        """Values of codes, float32."""
        terms = self.format.terms()
        exact = torch.ldexp(torch.from_numpy(terms.mantissa).double(), torch.from_numpy(terms.shift).int())
        values = (exact * self.unit + self.offset).float()
        return values.to(codes.device)[codes.int()]


def log_values(codes: Tensor, base: Base) -> Tensor:
    """``base**-code``; codes : float64, whole or not."""
    return torch.exp2(-codes if base == "two" else -codes / 2)


def calibrate_probability(bits: int, base: Base, max_shift: int) -> LogQuantiser:
    """After softmax, the largest value 1 (log2: FQ-ViT; log-sqrt2: RepQ-ViT with a scale of 1).

    ``golden.proof.largest_max_shift`` says which ``max_shift`` the accumulators admit.
    """
    return LogQuantiser(format=Logarithmic(bits=bits, base=base, max_shift=max_shift), largest=1.0)


def calibrate_gelu(largest: float, bits: int, base: Base, max_shift: int) -> LogQuantiser:
    """Shift-Log2 of ADFQ-ViT after GELU, codes of ``x - GELU_MINIMUM``.

    Known: the shift and both bases (the paper's name says 2, the released code has sqrt(2)). Our decision: the shift is
    static, so that ``offset * sum(w)`` is a constant of the bias.

    Parameters
    ----------
    largest : value of GELU that code 0 stands for, the maximum or a percentile
    """
    fmt = Logarithmic(bits=bits, base=base, max_shift=max_shift)
    return LogQuantiser(format=fmt, largest=max(largest, 0.0) - GELU_MINIMUM, offset=GELU_MINIMUM)
