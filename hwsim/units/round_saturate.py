"""Rounding and saturation, the only place in Python: the face of ``rtl/hws_round_saturate.sv``.

    round_shift(x, s) = (x + half) >> s        half = 2**(s-1), or 0 when s = 0; >> is the arithmetic shift
    clamp(x, lo, hi)  = lo if x < lo, hi if x > hi, else x

To nearest, ties towards plus infinity: -1.5 becomes -1, because adding half and shifting right is the whole cost in
hardware. ``docs/numerics.md`` has the table beside other modes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

SHIFT_MAX = 47
"""Largest shift of the requantiser; six bits hold it."""


@njit(cache=True, nogil=True)
def round_shift(x: int, shift: int) -> np.int64:
    """Divide ``x`` by ``2**shift``: to nearest, ties towards plus infinity. Both are int64."""
    half = (np.int64(1) << np.int64(shift)) >> np.int64(1)
    return (np.int64(x) + half) >> np.int64(shift)


@njit(cache=True, nogil=True)
def clamp(x: int, lo: int, hi: int) -> int:
    """Nearest value to ``x`` in ``lo..hi``."""
    return min(max(x, lo), hi)


def round_saturate(x: NDArray[np.int64], shift: int, lo: int, hi: int) -> NDArray[np.int64]:
    """``clamp(round_shift(x, shift), lo, hi)`` of each element.

    Parameters
    ----------
    x : int64[n], magnitude below 2**62
    shift : 0..47
    lo, hi : bounds of the result
    """
    if not 0 <= shift <= SHIFT_MAX:
        raise ValueError(f"shift must be 0..{SHIFT_MAX}, not {shift}")
    if lo > hi:
        raise ValueError(f"lo must not be above hi, not {lo} and {hi}")
    out = np.empty(x.shape, np.int64)
    _round_saturate(np.ascontiguousarray(x, np.int64).reshape(-1), shift, lo, hi, out.reshape(-1))
    return out


@njit(cache=True, nogil=True)
def _round_saturate(x: Any, shift: int, lo: int, hi: int, out: Any) -> None:
    for i in range(x.shape[0]):
        out[i] = clamp(round_shift(x[i], shift), lo, hi)
