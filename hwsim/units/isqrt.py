"""Integer square root, two bits of the radicand a step: bit-accurate model of ``rtl/hws_isqrt.sv``.

    isqrt(V)**2 <= V < (isqrt(V) + 1)**2

``V`` 48 bits unsigned, root 24 bits. The restoring method: bring down two bits, try to subtract ``4 root + 1``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

ROOT_BITS = 24
RADICAND_BITS = 2 * ROOT_BITS


def isqrt(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Integer square root of each element.

    values : int64[n], 0 <= value < 2**48
    """
    if values.size and not (values.min() >= 0 and values.max() < 1 << RADICAND_BITS):
        raise ValueError(f"isqrt takes 0 to 2**{RADICAND_BITS} - 1, not {values.min()} to {values.max()}")
    out = np.empty(values.shape, np.int64)
    _isqrt_each(values, out)
    return out


@njit(cache=True, nogil=True)
def isqrt_step(value: int) -> np.int64:
    """Root of one value, a bit a step as the hardware does."""
    root, remainder = np.int64(0), np.int64(0)
    for step in range(ROOT_BITS - 1, -1, -1):
        remainder = (remainder << 2) | ((np.int64(value) >> (2 * step)) & 3)
        trial = (root << 2) | 1
        root = root << 1
        if remainder >= trial:
            remainder -= trial
            root |= 1
    return root


@njit(cache=True, nogil=True)
def _isqrt_each(values: Any, out: Any) -> None:
    for i in range(values.shape[0]):
        out[i] = isqrt_step(values[i])
