"""Encoder from Q0.16 to codebook codes after softmax: bit-accurate model of ``rtl/hws_encoder_codebook.sv``.

    code = number of thresholds t_1 <= t_2 <= ... that are at most p                  2**b - 1 thresholds

It is found by binary search, a bit of the code a step: with the bits above already known, bit j is 1 if the threshold
of the smallest code that has this bit is at most p.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hwsim.formats import Codebook


def encode_codebook(probabilities: NDArray[np.int32], fmt: Codebook) -> NDArray[np.uint8]:
    """Encode each probability.

    Parameters
    ----------
    probabilities : int32[...], 0..65536 for 0 to 1
    fmt : with thresholds
    """
    if not fmt.thresholds:
        raise ValueError("a codebook of probabilities needs its thresholds")
    out = np.empty(probabilities.shape, np.uint8)
    flat = np.ascontiguousarray(probabilities).reshape(-1)
    _encode(flat, np.array(fmt.thresholds, np.int32), fmt.bits, out.reshape(-1))
    return out


@njit(cache=True, nogil=True)
def _encode(probabilities: Any, thresholds: Any, bits: int, out: Any) -> None:
    for i in range(probabilities.shape[0]):
        code = 0
        for bit in range(bits - 1, -1, -1):
            candidate = code | (1 << bit)
            if thresholds[candidate - 1] <= probabilities[i]:
                code = candidate
        out[i] = code
