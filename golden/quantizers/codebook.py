"""Codebook quantisers: any sorted levels, ``code = number of bounds at most x``, ``value = levels[code]``.

    mantissas[i] << shifts[i] = (levels[i] - offset) / unit, rounded to 8 bits;    thresholds = ceil(bounds * 2**16)

``levels`` and ``bounds`` are exact (what a paper measures); ``format`` is what the hardware decodes and encodes. An
entry is the nearest one: at most ``unit * 2**(shift - 1)`` from its level. Our decision throughout; the levels are
each method's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from golden.proof import LARGEST_SHIFT, is_context_admitted
from golden.quantizers.base import Quantiser
from golden.quantizers.buckets import bucket
from golden.quantizers.log import Base, log_values
from hwsim.errors import HwsimError
from hwsim.formats import Codebook

MAGNITUDE_BITS = 8  # of a mantissa of 9 signed bits
FINEST_GRID = MAGNITUDE_BITS - 1 + LARGEST_SHIFT
PROBABILITY_ONE = 1 << 16
LARGEST_THRESHOLD = (1 << 17) - 1


@dataclass(frozen=True, kw_only=True)
class CodebookQuantiser(Quantiser):
    """A format, the exact values of its codes and the decision points between them."""

    format: Codebook
    levels: Tensor
    """float64[2**bits], rising"""
    bounds: Tensor
    """float64[2**bits - 1], rising: the smallest x of each code but the first"""
    unit: float = 1.0
    offset: float = 0.0
    parameters: Mapping[str, float] = field(default_factory=dict)
    """What made the levels, by name."""

    def quantize(self, x: Tensor) -> Tensor:
        """Codes, uint8."""
        return bucket(x, self.bounds).to(torch.uint8)

    def dequantize(self, codes: Tensor) -> Tensor:
        """Exact levels of codes, float32; the format's entries differ by their rounding."""
        return self.levels.to(codes.device, torch.float32)[codes.int()]

    def fake_quantize(self, x: Tensor) -> Tensor:
        """Level of the code of each element, without the detour through uint8."""
        return self.dequantize(bucket(x, self.bounds))


def make_codebook(
    levels: Tensor,
    bounds: Tensor,
    bits: int,
    *,
    unit: float,
    probability: bool,
    offset: float = 0.0,
    parameters: Mapping[str, float] | None = None,
) -> CodebookQuantiser:
    """Quantiser with these levels, rounded to entries of the grid ``unit``.

    Parameters
    ----------
    levels : float64[2**bits], rising, ``offset`` included
    bounds : float64[2**bits - 1], rising
    probability : whether an encoder behind softmax needs thresholds; a table encodes by itself

    Raises
    ------
    HwsimError
        If a level needs a shift above 31.
    """
    entries = [nearest_entry((level - offset) / unit) for level in levels.tolist()]
    mantissas, shifts = zip(*entries, strict=True)
    thresholds = tuple(_threshold(bound) for bound in bounds.tolist()) if probability else ()
    return CodebookQuantiser(
        format=Codebook(bits=bits, mantissas=mantissas, shifts=shifts, thresholds=thresholds),
        levels=levels,
        bounds=bounds,
        unit=unit,
        offset=offset,
        parameters=parameters or {},
    )


def nearest_entry(value: float) -> tuple[int, int]:
    """Mantissa of at most 8 bits and shift with ``mantissa << shift`` nearest to ``value``, ties up.

    Entries never fall as values rise: the coarser grid begins where the finer one rounds to it.
    """
    exponent = math.frexp(value)[1]
    shift = max(0, exponent - MAGNITUDE_BITS)
    mantissa = math.floor(math.ldexp(value, -shift) + 0.5)
    if abs(mantissa) >> MAGNITUDE_BITS:
        mantissa, shift = mantissa >> 1, shift + 1
    if shift > 31:
        raise HwsimError(f"codebook: a level of {value:g} units needs a shift of {shift}, expected at most 31")
    return mantissa, shift


def _threshold(bound: float) -> int:
    """Smallest probability in units of 2**-16 that is at least ``bound``, in 17 bits."""
    return max(0, math.ceil(min(bound * PROBABILITY_ONE, LARGEST_THRESHOLD)))


def probability_codebook(
    levels: Tensor, bounds: Tensor, bits: int, tokens: int, parameters: Mapping[str, float] | None = None
) -> CodebookQuantiser:
    """Codebook behind softmax on the finest grid that the accumulators admit for rows of ``tokens``.

    The largest level is ``2**g`` units: g is 22 where a shift of 15 is the largest, less where rows sum to more than 1
    because the levels end below it.

    Raises
    ------
    HwsimError
        If no grid is admitted.
    """
    for grid in range(FINEST_GRID, -1, -1):
        unit = math.ldexp(float(levels[-1]), -grid)
        made = make_codebook(levels, bounds, bits, unit=unit, probability=True, parameters=parameters)
        if is_context_admitted(made.format, tokens):
            return made
    raise HwsimError(f"codebook: no grid is proved safe for rows of {tokens} probabilities, expected fewer")


def log_codebook(bits: int, base: Base, delta: float, tokens: int) -> CodebookQuantiser:
    """Post-softmax log2 or log-sqrt2 with a scale, ``code = round(-log_base(x / delta))`` (known: RepQ-ViT, ADFQ-ViT).

    One code, the first, is zero (our decision, as in ``Logarithmic``; the papers keep it outside the code). Sorted
    levels reverse the papers' codes: code i is their ``2**bits - 1 - i``.
    """
    codes = torch.arange((1 << bits) - 2, -1, -1, dtype=torch.float64)
    levels = torch.cat([torch.zeros(1, dtype=torch.float64), delta * log_values(codes, base)])
    bounds = delta * log_values(codes + 0.5, base)
    return probability_codebook(levels, bounds, bits, tokens, {"delta": delta})


def uniform_codebook(bits: int, largest: float) -> CodebookQuantiser:
    """Uniform probabilities of any step, ``code = floor(x / step + 1/2)``; the entries are exact."""
    step = largest / ((1 << bits) - 1)
    codes = torch.arange(1 << bits, dtype=torch.float64)
    parameters = {"largest": largest}
    return make_codebook(
        codes * step, (codes[1:] - 0.5) * step, bits, unit=step, probability=True, parameters=parameters
    )
