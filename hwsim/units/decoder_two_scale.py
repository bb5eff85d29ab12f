"""Row decoder of two-scale codes (V-2SF): bit-accurate model of ``rtl/hws_decoder_two_scale.sv``.

    flag 0:  mantissa = payload, two's complement if small_signed, else unsigned;  shift = 0
    flag 1:  mantissa = payload, unsigned;                                         shift = exponent

Code: b bits unsigned, the top one is the flag, the payload is the other n = b - 1. The decoder is a multiplexer of
the payload's sign bit and of the shift. Format of TSPTQ-ViT (arXiv 2305.12901), reconstructed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hwsim.formats import Terms, TwoScale


def decode_two_scale(codes: NDArray[np.uint8], fmt: TwoScale) -> Terms:
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
    _decode(flat, fmt.payload_bits, fmt.exponent, fmt.small_signed, mantissa.reshape(-1), shift.reshape(-1))
    return Terms(mantissa, shift)


@njit(cache=True, nogil=True)
def _decode(codes: Any, payload_bits: int, exponent: int, small_signed: bool, mantissa: Any, shift: Any) -> None:
    sign_bit = np.int64(1) << (payload_bits - 1) if small_signed else np.int64(0)
    payload_mask = (np.int64(1) << payload_bits) - 1
    for i in range(codes.shape[0]):
        code = np.int64(codes[i])
        flag = code >> payload_bits
        payload = code & payload_mask
        negative = payload & sign_bit & (flag - 1)  # flag - 1 is all ones where the flag is 0
        mantissa[i] = payload - 2 * negative
        shift[i] = exponent * flag
