"""Output-stationary array of processing elements: sums of ``rtl/hws_pe_array.sv``.

    acc[t, n] = sum_k (mantissa[t, k] * column[n, k]) << shift[t, k]                      int32, exact

Exactness: ``(m * w) << s`` is ``(m << s) * w``, so the kernel multiplies terms ``m << s`` (int16 where they fit, else
int32) by int8 columns and adds in 32 bits. The compiler proves that every partial sum, in any order, has a magnitude
below 2**31; integer addition is associative, so the order of the vectorised loop does not matter.
The two-accumulator style keeps the sum of the products with shift 0 and that of the others apart and
combines them once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hwsim.config import PeStyle
from hwsim.formats import Terms
from hwsim.units.pe import combine


def multiply(rows: Terms, columns: NDArray[np.int8], style: PeStyle) -> NDArray[np.int32]:
    """Product of decoded rows and 8-bit columns.

    Parameters
    ----------
    rows : mantissa int16[T, K] and shift uint8[T, K]
    columns : int8[N, K]
    style : ``shift`` or ``two_accumulator``, which takes at most one nonzero shift; equal results

    Returns
    -------
    int32[T, N]
    """
    if rows.mantissa.ndim != 2 or columns.ndim != 2 or rows.mantissa.shape[1] != columns.shape[1]:
        raise ValueError(f"rows [T, K] and columns [N, K] share K, not {rows.mantissa.shape} and {columns.shape}")
    acc = np.empty((rows.mantissa.shape[0], columns.shape[0]), np.int32)
    if style == "shift":
        _sum_products(_shifted(rows), columns, acc)
    else:
        _two_accumulator(rows, columns, acc)
    return acc


def _shifted(rows: Terms) -> NDArray[np.integer[Any]]:
    largest = int(rows.shift.max(initial=0))
    if largest == 0:
        return rows.mantissa
    bound = max(int(rows.mantissa.max()), -int(rows.mantissa.min())) << largest
    terms = np.empty(rows.mantissa.shape, np.int16 if bound < 1 << 15 else np.int32)
    _shift_left(rows.mantissa, rows.shift, terms)
    return terms


def _two_accumulator(rows: Terms, columns: NDArray[np.int8], acc: NDArray[np.int32]) -> None:
    exponent = int(rows.shift.max(initial=0))
    if not np.isin(rows.shift, (0, exponent)).all():
        raise ValueError(f"two accumulators take one nonzero shift, not {sorted(set(rows.shift.ravel().tolist()))}")
    large_rows = rows.mantissa * (rows.shift != 0)
    large = np.empty(acc.shape, np.int32)
    _sum_products(rows.mantissa - large_rows, columns, acc)
    _sum_products(large_rows, columns, large)
    _combine(acc, large, exponent)


@njit(cache=True, nogil=True)
def _sum_products(terms: Any, columns: Any, acc: Any) -> None:
    # LLVM turns the inner loop into pairwise 16-bit multiply-adds; it is the machine's speed.
    for t in range(terms.shape[0]):
        for n in range(columns.shape[0]):
            total = np.int32(0)
            for k in range(terms.shape[1]):
                total += np.int32(terms[t, k]) * np.int32(columns[n, k])
            acc[t, n] = total


@njit(cache=True, nogil=True)
def _shift_left(mantissa: Any, shift: Any, terms: Any) -> None:
    for t in range(mantissa.shape[0]):
        for k in range(mantissa.shape[1]):
            terms[t, k] = np.int32(mantissa[t, k]) << np.int32(shift[t, k])


@njit(cache=True, nogil=True)
def _combine(small: Any, large: Any, exponent: int) -> None:
    for t in range(small.shape[0]):
        for n in range(small.shape[1]):
            small[t, n] = combine(small[t, n], large[t, n], exponent)
