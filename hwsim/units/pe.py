"""One processing element, cycle by cycle: bit-accurate model of ``rtl/hws_pe.sv`` in both styles.

    shift:            acc   += (mantissa * weight) << shift
    two_accumulator:  small += mantissa * weight where the flag is 0, large += mantissa * weight where it is 1,
                      acc    = small + (large << exponent) at the end

Mantissa 9 bits signed, weight 8 bits signed, accumulators 32 bits that the compiler proves never overflow, and
therefore equal results. The flag is ``shift != 0``; the second style takes formats with one nonzero shift.
``pe_array`` computes the same sums fast; this is what a bench compares each clock with.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray


class TwoSums(NamedTuple):
    """Accumulators of the two-accumulator style after each step."""

    small: NDArray[np.int32]
    large: NDArray[np.int32]


def pe_shift(mantissa: NDArray[np.int16], shift: NDArray[np.uint8], weight: NDArray[np.int8]) -> NDArray[np.int32]:
    """Accumulator after each step, shift before the sum.

    mantissa, shift, weight : [steps]
    """
    acc = np.empty(mantissa.shape, np.int32)
    _shift_steps(mantissa, shift, weight, acc)
    return acc


def pe_two_accumulator(mantissa: NDArray[np.int16], flag: NDArray[np.uint8], weight: NDArray[np.int8]) -> TwoSums:
    """Both accumulators after each step.

    mantissa, flag (0 or 1), weight : [steps]
    """
    sums = TwoSums(np.empty(mantissa.shape, np.int32), np.empty(mantissa.shape, np.int32))
    _two_accumulator_steps(mantissa, flag, weight, sums.small, sums.large)
    return sums


@njit(cache=True, nogil=True)
def combine(small: int, large: int, exponent: int) -> np.int64:
    """``small + (large << exponent)``, what the second style does once at the drain."""
    return np.int64(small) + (np.int64(large) << np.int64(exponent))


@njit(cache=True, nogil=True)
def _shift_steps(mantissa: Any, shift: Any, weight: Any, acc: Any) -> None:
    total = np.int64(0)
    for k in range(mantissa.shape[0]):
        total += (np.int64(mantissa[k]) * np.int64(weight[k])) << np.int64(shift[k])
        acc[k] = total


@njit(cache=True, nogil=True)
def _two_accumulator_steps(mantissa: Any, flag: Any, weight: Any, small: Any, large: Any) -> None:
    small_total, large_total = np.int64(0), np.int64(0)
    for k in range(mantissa.shape[0]):
        product = np.int64(mantissa[k]) * np.int64(weight[k])
        if flag[k]:
            large_total += product
        else:
            small_total += product
        small[k], large[k] = small_total, large_total
