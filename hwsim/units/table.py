"""Table unit of the drain (GELU): bit-accurate model of ``rtl/hws_table.sv``.

    code = table[y - lo]

``y`` is a b-bit uniform pre-activation (10 bits as shipped), ``lo`` its smallest code. The entries hold codes of
the output format, so any elementwise function costs the same table.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hwsim.formats import Uniform


def lookup(y: NDArray[np.integer[Any]], fmt: Uniform, entries: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Look each code up.

    Parameters
    ----------
    y : integer[...], codes of ``fmt``
    fmt : format of ``y``
    entries : uint8[2**fmt.bits], entry i belongs to the code ``fmt.minimum + i``
    """
    if entries.shape != (1 << fmt.bits,):
        raise ValueError(f"a table of {fmt.bits} bits has {1 << fmt.bits} entries, not shape {entries.shape}")
    out = np.empty(y.shape, np.uint8)
    _lookup_each(np.ascontiguousarray(y).reshape(-1), fmt.minimum, entries, out.reshape(-1))
    return out


@njit(cache=True, nogil=True)
def _lookup_each(y: Any, lo: int, entries: Any, out: Any) -> None:
    for i in range(y.shape[0]):
        out[i] = entries[np.int64(y[i]) - lo]
