"""Codebooks for tests: random sorted levels, and TanQ's (reconstructed, family A), with the thresholds between them."""

from __future__ import annotations

import random
from itertools import pairwise
from math import atan, ceil, tan

from hwsim.formats import Codebook

ONE = 1 << 16


def random_codebook(
    rng: random.Random, bits: int, mantissa_bits: int = 9, shift_max: int = 15, *, signed: bool = True
) -> Codebook:
    """Any sorted entries and any sorted thresholds, equal ones among both."""
    top = (1 << (mantissa_bits - 1)) - 1
    entries = [(rng.randint(-top - 1 if signed else 0, top), rng.randint(0, shift_max)) for _ in range(1 << bits)]
    entries.sort(key=lambda entry: entry[0] << entry[1])
    thresholds = sorted(rng.getrandbits(rng.randint(1, 17)) for _ in range((1 << bits) - 1))
    mantissas, shifts = zip(*entries, strict=True)
    return Codebook(bits=bits, mantissas=mantissas, shifts=shifts, thresholds=tuple(thresholds))


def tanq_codebook(bits: int, theta: float, grid_bits: int) -> Codebook:
    """``levels = (1 + atan((2 u - 1) tan(theta)) / theta) / 2`` in units of ``2**-grid_bits``.

    The thresholds are those of the nearest level. Mantissas have at most 8 bits, so that they fit 9 signed ones.
    """
    last = (1 << bits) - 1
    levels = [(1 + atan((2 * code / last - 1) * tan(theta)) / theta) / 2 for code in range(last + 1)]
    entries = [_entry(round(level * (1 << grid_bits))) for level in levels]
    mantissas, shifts = zip(*entries, strict=True)
    values = [mantissa << shift for mantissa, shift in entries]
    # p is nearer to the upper one from the middle on: ties go up
    thresholds = [ceil((low + high) * ONE / (2 << grid_bits)) for low, high in pairwise(values)]
    return Codebook(bits=bits, mantissas=mantissas, shifts=shifts, thresholds=tuple(thresholds))


def _entry(value: int) -> tuple[int, int]:
    """Nearest ``mantissa << shift`` with a mantissa of at most 8 bits."""
    shift = max(0, value.bit_length() - 8)
    mantissa = (value + (1 << shift >> 1)) >> shift
    return (mantissa, shift) if mantissa < 256 else (mantissa >> 1, shift + 1)
