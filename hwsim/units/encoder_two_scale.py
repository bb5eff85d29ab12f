"""Encoder from Q0.16 to two-scale codes after softmax: bit-accurate model of ``rtl/hws_encoder_two_scale.sv``.

    u = round_shift(p, 16 - n - m);  if u < 2**n: flag 0, payload u
    else: flag 1, payload = min(round_shift(p, 16 - n), 2**n - 1)             n = b - 1

The coarse payload is rounded from ``p``, not from ``u``: no double rounding. The fine region is unsigned.
Format of TSPTQ-ViT (arXiv 2305.12901), reconstructed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hwsim.formats import TwoScale
from hwsim.units.round_saturate import round_shift

PROBABILITY_BITS = 16


def encode_two_scale(probabilities: NDArray[np.int32], fmt: TwoScale) -> NDArray[np.uint8]:
    """Encode each probability.

    Parameters
    ----------
    probabilities : int32[...], 0..65536 for 0 to 1
    fmt : unsigned in both regions, ``16 - n - m >= 0``
    """
    if fmt.small_signed:
        raise ValueError("probabilities take an unsigned fine region, not small_signed")
    fine_shift = PROBABILITY_BITS - fmt.payload_bits - fmt.exponent
    if fine_shift < 0:
        raise ValueError(f"the fine step must be at least 2**-16, not 2**-{PROBABILITY_BITS - fine_shift}")
    out = np.empty(probabilities.shape, np.uint8)
    flat = np.ascontiguousarray(probabilities).reshape(-1)
    _encode(flat, fmt.payload_bits, fine_shift, out.reshape(-1))
    return out


@njit(cache=True, nogil=True)
def _encode(probabilities: Any, payload_bits: int, fine_shift: int, out: Any) -> None:
    payload_count = np.int64(1) << payload_bits
    for i in range(probabilities.shape[0]):
        fine = round_shift(probabilities[i], fine_shift)
        coarse = min(round_shift(probabilities[i], PROBABILITY_BITS - payload_bits), payload_count - 1)
        out[i] = fine if fine < payload_count else payload_count + coarse
