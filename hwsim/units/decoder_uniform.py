"""Row decoder of uniform codes: bit-accurate model of ``rtl/hws_decoder_uniform.sv``.

    mantissa = code - zero_point,  shift = e, the same for every code

Code: b bits, signed or unsigned. Mantissa: 9 bits signed for an 8-bit code. e is not 0 only where outliers
share the accumulator.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hwsim.formats import Terms, Uniform


def decode_uniform(codes: NDArray[np.integer[Any]], fmt: Uniform, shift: int = 0) -> Terms:
    """Mantissas and shifts of an array of codes.

    Parameters
    ----------
    codes : integer[...], each in ``fmt.minimum..fmt.maximum``
    fmt : at most 15 bits, so that the mantissa fits 16 bits
    shift : e

    Returns
    -------
    mantissa int16[...] and shift uint8[...]
    """
    if fmt.bits > 15:
        raise ValueError(f"a row operand has at most 15 bits, not {fmt.bits}")
    mantissa = np.empty(codes.shape, np.int16)
    _subtract(np.ascontiguousarray(codes).reshape(-1), fmt.zero_point, mantissa.reshape(-1))
    return Terms(mantissa, np.full(codes.shape, shift, np.uint8))


@njit(cache=True, nogil=True)
def _subtract(codes: Any, zero_point: int, mantissa: Any) -> None:
    for i in range(codes.shape[0]):
        mantissa[i] = np.int64(codes[i]) - zero_point
