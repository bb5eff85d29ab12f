"""Row decoder of logarithmic codes: bit-accurate model of ``rtl/hws_decoder_log.sv``.

    log2:      steps = q,            mantissa = 1
    log-sqrt2: steps = ceil(q / 2),  mantissa = 128 if q is even, else 181 = round(128 * sqrt(2))
    shift = max_shift - steps;   mantissa and shift are 0 if q = 2**b - 1, or if steps > max_shift

Code q: b bits unsigned. Formats of FQ-ViT (log2), RepQ-ViT and ADFQ-ViT (log-sqrt2); that the code of all ones is zero
and that the shift has a largest value is our decision.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hwsim.formats import Logarithmic, Terms

SQRT_ONE = 128
SQRT_HALF = 181
"""``128 * sqrt(2)`` to nearest, for an odd code."""


def decode_log(codes: NDArray[np.uint8], fmt: Logarithmic) -> Terms:
    """Mantissas and shifts of an array of codes.

    Parameters
    ----------
    codes : uint8[...], each below ``2**fmt.bits``

    Returns
    -------
    mantissa int16[...] and shift uint8[...]
    """
    mantissa, shift = np.empty(codes.shape, np.int16), np.empty(codes.shape, np.uint8)
    flat = np.ascontiguousarray(codes).reshape(-1)
    is_sqrt = fmt.base == "sqrt_two"
    _decode(flat, fmt.zero_code, fmt.max_shift, is_sqrt, mantissa.reshape(-1), shift.reshape(-1))
    return Terms(mantissa, shift)


@njit(cache=True, nogil=True)
def _decode(codes: Any, zero_code: int, max_shift: int, is_sqrt: bool, mantissa: Any, shift: Any) -> None:
    for i in range(codes.shape[0]):
        code = np.int64(codes[i])
        steps = (code >> 1) + (code & 1) if is_sqrt else code
        if code == zero_code or steps > max_shift:
            mantissa[i], shift[i] = 0, 0
            continue
        shift[i] = max_shift - steps
        if not is_sqrt:
            mantissa[i] = 1
        else:
            mantissa[i] = SQRT_HALF if code & 1 else SQRT_ONE
