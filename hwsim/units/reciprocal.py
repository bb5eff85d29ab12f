"""Reciprocal with a floating point of its own, one a row of softmax and LayerNorm: ``rtl/hws_reciprocal.sv``.

    z = bit_length(S),  R = floor(2**(z + 15) / S)        2**15 <= R <= 2**16

``S`` positive, below 2**47. By long division: the quotient has 17 bits and its first is 1 only where S is a
power of two, so 16 steps of "double the remainder, try to subtract S" make the others.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

FRACTION_BITS = 15
OPERAND_BITS = 47


class Reciprocals(NamedTuple):
    """``1 / S`` is about ``mantissa / 2**(bit_length + 15)``."""

    mantissa: NDArray[np.int64]
    bit_length: NDArray[np.int64]


def reciprocal(values: NDArray[np.int64]) -> Reciprocals:
    """Reciprocal of each element.

    values : int64[n], 0 < value < 2**47
    """
    if values.size and not (values.min() > 0 and values.max() < 1 << OPERAND_BITS):
        raise ValueError(f"reciprocal takes 1 to 2**{OPERAND_BITS} - 1, not {values.min()} to {values.max()}")
    out = Reciprocals(np.empty(values.shape, np.int64), np.empty(values.shape, np.int64))
    _reciprocal_each(values, out.mantissa, out.bit_length)
    return out


@njit(cache=True, nogil=True)
def bit_length(value: int) -> np.int64:
    """Number of bits up to the leading one; 0 of 0."""
    bits = np.int64(0)
    while value > 0:
        value >>= 1
        bits += 1
    return bits


@njit(cache=True, nogil=True)
def reciprocal_step(value: int, bits: int) -> np.int64:
    """``floor(2**(bits + 15) / value)`` with ``bits = bit_length(value)``, a quotient bit a step."""
    remainder = np.int64(1) << np.int64(bits - 1)
    quotient = np.int64(0)
    for _ in range(FRACTION_BITS + 2):
        quotient = quotient << 1
        if remainder >= value:
            remainder -= value
            quotient |= 1
        remainder = remainder << 1
    return quotient


@njit(cache=True, nogil=True)
def _reciprocal_each(values: Any, mantissa: Any, length: Any) -> None:
    for i in range(values.shape[0]):
        length[i] = bit_length(values[i])
        mantissa[i] = reciprocal_step(values[i], length[i])
