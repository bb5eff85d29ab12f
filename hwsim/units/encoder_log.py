"""Encoder from Q0.16 to logarithmic codes after softmax: bit-accurate model of ``rtl/hws_encoder_log.sv``.

    k = position of the leading one of p,  f = p << (16 - k)                  2**16 <= f < 2**17
    log2:      q = 16 - k - [f >= 92682]                                      = round(-log2(p / 2**16))
    log-sqrt2: q = 32 - 2 k - [f >= 77936] - [f >= 110218]                    = round(-2 log2(p / 2**16))
    code = q, or 2**b - 1 (zero) if p = 0 or q is beyond the largest code that is emitted

92682, 77936 and 110218 are ``2**16.5``, ``2**16.25`` and ``2**16.75`` rounded up, so the comparisons are exact: f is an
integer and the powers are irrational, which also means that there are no ties. The largest code emitted is
``min(2**b - 2, max_shift)``, or ``min(2**b - 2, 2 max_shift)`` for sqrt(2). Formats of FQ-ViT, RepQ-ViT and ADFQ-ViT.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hwsim.formats import Logarithmic
from hwsim.units.encoder_two_scale import PROBABILITY_BITS
from hwsim.units.reciprocal import bit_length

HALF_POWER = 92682
QUARTER_POWER = 77936
THREE_QUARTER_POWER = 110218


def encode_log(probabilities: NDArray[np.int32], fmt: Logarithmic) -> NDArray[np.uint8]:
    """Encode each probability.

    Parameters
    ----------
    probabilities : int32[...], 0..65536 for 0 to 1
    """
    out = np.empty(probabilities.shape, np.uint8)
    flat = np.ascontiguousarray(probabilities).reshape(-1)
    _encode(flat, fmt.base == "sqrt_two", fmt.largest_code, fmt.zero_code, out.reshape(-1))
    return out


@njit(cache=True, nogil=True)
def _encode(probabilities: Any, is_sqrt: bool, largest_code: int, zero_code: int, out: Any) -> None:
    for i in range(probabilities.shape[0]):
        p = np.int64(probabilities[i])
        if p == 0:
            out[i] = zero_code
            continue
        leading = bit_length(p) - 1
        normal = p << (PROBABILITY_BITS - leading)
        if is_sqrt:
            code = 2 * (PROBABILITY_BITS - leading) - (normal >= QUARTER_POWER) - (normal >= THREE_QUARTER_POWER)
        else:
            code = PROBABILITY_BITS - leading - (normal >= HALF_POWER)
        out[i] = code if code <= largest_code else zero_code
