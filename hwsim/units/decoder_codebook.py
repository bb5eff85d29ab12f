"""Row decoder of codebook codes: bit-accurate model of ``rtl/hws_decoder_codebook.sv``.

    mantissa = codebook_mantissa[code],  shift = codebook_shift[code]

Code: b bits unsigned. The entries are the format's own. One entry is one limb: a level that needs more than
``mantissa_bits`` would be two reduction steps, which do not exist; the compiler refuses it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hwsim.formats import Codebook, Terms


def decode_codebook(codes: NDArray[np.uint8], fmt: Codebook) -> Terms:
    """Mantissas and shifts of an array of codes.

    Parameters
    ----------
    codes : uint8[...], each below ``2**fmt.bits``

    Returns
    -------
    mantissa int16[...] and shift uint8[...]
    """
    mantissa, shift = np.empty(codes.shape, np.int16), np.empty(codes.shape, np.uint8)
    entries = fmt.terms()
    flat = np.ascontiguousarray(codes).reshape(-1)
    _decode(flat, entries.mantissa, entries.shift, mantissa.reshape(-1), shift.reshape(-1))
    return Terms(mantissa, shift)


@njit(cache=True, nogil=True)
def _decode(codes: Any, mantissas: Any, shifts: Any, mantissa: Any, shift: Any) -> None:
    for i in range(codes.shape[0]):
        mantissa[i] = mantissas[codes[i]]
        shift[i] = shifts[codes[i]]
