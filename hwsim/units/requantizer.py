"""Requantiser of the drain: bit-accurate model of ``rtl/hws_requantizer.sv``.

    y = clamp(round_shift((acc + bias) * M, s) + z, lo, hi)

``acc + bias`` 32 bits, ``M`` 0..2**15-1 and ``s`` 0..47 per column, product 48 bits; ``z``, ``lo``, ``hi`` are the zero
point and the code range of the output format. Ties round towards plus infinity.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hwsim.formats import Uniform, storage_dtype
from hwsim.units.round_saturate import SHIFT_MAX, clamp, round_shift


def requantize(
    acc: NDArray[np.int32],
    bias: NDArray[np.int32],
    mult: NDArray[np.int16],
    shift: NDArray[np.uint8],
    fmt: Uniform,
) -> NDArray[np.integer[Any]]:
    """Scale accumulators to the codes of a uniform format.

    Parameters
    ----------
    acc : int32[rows, columns]
    bias : int32[columns]
    mult : int16[columns], not negative
    shift : uint8[columns], 0..47
    fmt : format of the result

    Returns
    -------
    codes[rows, columns] in the format's storage dtype
    """
    columns = (acc.shape[1],)
    for name, array in (("bias", bias), ("mult", mult), ("shift", shift)):
        if array.shape != columns:
            raise ValueError(f"{name} must have shape {columns}, not {array.shape}")
    if shift.max() > SHIFT_MAX:
        raise ValueError(f"shift must be 0..{SHIFT_MAX}, not {shift.max()}")
    out = np.empty(acc.shape, storage_dtype(fmt))
    _requantize(acc, bias, mult, shift, fmt.zero_point, fmt.minimum, fmt.maximum, out)
    return out


@njit(cache=True, nogil=True)
def _requantize(acc: Any, bias: Any, mult: Any, shift: Any, zero_point: int, lo: int, hi: int, out: Any) -> None:
    for t in range(acc.shape[0]):
        for c in range(acc.shape[1]):
            product = (np.int64(acc[t, c]) + np.int64(bias[c])) * np.int64(mult[c])
            out[t, c] = clamp(round_shift(product, np.int64(shift[c])) + zero_point, lo, hi)
