"""Requantiser of the drain: bit-accurate model of ``rtl/hws_requantizer.sv``.

    y = clamp(round_shift((acc + bias) * M, s) + z, lo, hi)
    y = clamp(round_shift((round_shift(acc * m_t, 7) + (bias << 8)) * M, s) + z, lo, hi)       with row scales

``acc + bias`` 32 bits, ``M`` 0..2**15-1 and ``s`` 0..47 per column, product 48 bits; ``z``, ``lo``, ``hi`` are the zero
point and the code range of the output format. Ties round towards plus infinity.

With row scales ``m_t`` 0..2**15 (Q1.15) per row, and ``s`` 0..55 counts the eight guard bits. 64 bits are enough,
whatever acc and bias are: ``|acc * m_t| <= 2**46``, so the first factor is at most ``2**39 + 2**39``, times M
below ``2**55``, and with the half of round_shift below ``2**56``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hwsim.formats import Uniform, storage_dtype
from hwsim.units.round_saturate import SHIFT_MAX, clamp, round_shift

GUARD_BITS = 8
"""Of an accumulator that a row multiplier has met."""
ROW_SHIFT_MAX = SHIFT_MAX + GUARD_BITS
ROW_FRACTION_BITS = 15
"""m_t is Q1.15."""


def requantize(
    acc: NDArray[np.int32],
    bias: NDArray[np.int32],
    mult: NDArray[np.int16],
    shift: NDArray[np.uint8],
    fmt: Uniform,
    row_multipliers: NDArray[np.uint16] | None = None,
) -> NDArray[np.integer[Any]]:
    """Scale accumulators to the codes of a uniform format.

    Parameters
    ----------
    acc : int32[rows, columns]
    bias : int32[columns]
    mult : int16[columns], not negative
    shift : uint8[columns], 0..47, with row multipliers 0..55
    fmt : format of the result
    row_multipliers : uint16[rows], 0..2**15; None without row scales

    Returns
    -------
    codes[rows, columns] in the format's storage dtype
    """
    columns = (acc.shape[1],)
    for name, array in (("bias", bias), ("mult", mult), ("shift", shift)):
        if array.shape != columns:
            raise ValueError(f"{name} must have shape {columns}, not {array.shape}")
    largest = SHIFT_MAX if row_multipliers is None else ROW_SHIFT_MAX
    if shift.max() > largest:
        raise ValueError(f"shift must be 0..{largest}, not {shift.max()}")
    out = np.empty(acc.shape, storage_dtype(fmt))
    if row_multipliers is None:
        _requantize(acc, bias, mult, shift, fmt.zero_point, fmt.minimum, fmt.maximum, out)
        return out
    if row_multipliers.shape != acc.shape[:1]:
        raise ValueError(f"row_multipliers must have shape {acc.shape[:1]}, not {row_multipliers.shape}")
    if row_multipliers.max(initial=0) > 1 << ROW_FRACTION_BITS:
        raise ValueError(f"a row multiplier must be 0..{1 << ROW_FRACTION_BITS}, not {row_multipliers.max()}")
    _requantize_rows(acc, bias, mult, shift, row_multipliers, fmt.zero_point, fmt.minimum, fmt.maximum, out)
    return out


@njit(cache=True, nogil=True)
def _requantize(acc: Any, bias: Any, mult: Any, shift: Any, zero_point: int, lo: int, hi: int, out: Any) -> None:
    for t in range(acc.shape[0]):
        for c in range(acc.shape[1]):
            product = (np.int64(acc[t, c]) + np.int64(bias[c])) * np.int64(mult[c])
            out[t, c] = clamp(round_shift(product, np.int64(shift[c])) + zero_point, lo, hi)


@njit(cache=True, nogil=True)
def _requantize_rows(
    acc: Any, bias: Any, mult: Any, shift: Any, row_multipliers: Any, zero_point: int, lo: int, hi: int, out: Any
) -> None:
    for t in range(acc.shape[0]):
        row = np.int64(row_multipliers[t])
        for c in range(acc.shape[1]):
            scaled = round_shift(np.int64(acc[t, c]) * row, ROW_FRACTION_BITS - GUARD_BITS)
            product = (scaled + (np.int64(bias[c]) << np.int64(GUARD_BITS))) * np.int64(mult[c])
            out[t, c] = clamp(round_shift(product, np.int64(shift[c])) + zero_point, lo, hi)
