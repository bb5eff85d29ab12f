"""Base-2 softmax of score rows: bit-accurate model of ``rtl/hws_softmax.sv``.

    d_j = max(s) - s_j                                                   0 .. 65535
    e_j = round_shift(E[d_j & 255], d_j >> 8), 0 if d_j >> 8 > 17        E[i] = floor(2**(16 - i/256) + 1/2)
    S   = sum e_j,  z = bit_length(S),  R = floor(2**(z + 15) / S)
    p_j = round_shift(e_j * R, z - 1)                                    Q0.16, 0 .. 65536

Scores: 16 bits signed, unit 2**-8 in the log2 domain (the requantiser before folds log2(e) and the scales). The
encoder of the chosen format follows: ``encoder_two_scale`` or ``encode_uniform`` below.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hwsim.formats import Uniform
from hwsim.units.encoder_two_scale import PROBABILITY_BITS
from hwsim.units.reciprocal import bit_length, reciprocal_step
from hwsim.units.round_saturate import clamp, round_shift

SCORE_FRACTION_BITS = 8
EXP2_ENTRIES = 1 << SCORE_FRACTION_BITS
WHOLE_MAX = 17
"""2**-18 of the row's largest is below half a unit of Q0.16, so the exponential is 0."""


def softmax(scores: NDArray[np.int16], exp2_table: NDArray[np.uint32]) -> NDArray[np.int32]:
    """Probabilities of each row.

    Parameters
    ----------
    scores : int16[rows, T]
    exp2_table : uint32[256], the table E

    Returns
    -------
    int32[rows, T], 0..65536 for 0 to 1
    """
    if exp2_table.shape != (EXP2_ENTRIES,):
        raise ValueError(f"exp2_table must have shape ({EXP2_ENTRIES},), not {exp2_table.shape}")
    out = np.empty(scores.shape, np.int32)
    _softmax(scores, exp2_table, out)
    return out


def encode_uniform(probabilities: NDArray[np.int32], fmt: Uniform) -> NDArray[np.uint8]:
    """``min(round_shift(p, 16 - b), 2**b - 1)`` of each probability.

    probabilities : int32[...], 0..65536 for 0 to 1
    fmt : unsigned, zero point 0, at most 8 bits
    """
    if fmt.signed or fmt.zero_point or fmt.bits > 8:
        raise ValueError(f"probabilities take unsigned codes of at most 8 bits, zero point 0, not {fmt!r}")
    out = np.empty(probabilities.shape, np.uint8)
    flat = np.ascontiguousarray(probabilities).reshape(-1)
    _encode_uniform(flat, PROBABILITY_BITS - fmt.bits, fmt.maximum, out.reshape(-1))
    return out


@njit(cache=True, nogil=True)
def _softmax(scores: Any, exp2_table: Any, out: Any) -> None:
    for t in range(scores.shape[0]):
        top = np.int64(scores[t, 0])
        for j in range(scores.shape[1]):
            top = max(top, np.int64(scores[t, j]))
        total = np.int64(0)
        for j in range(scores.shape[1]):
            distance = top - np.int64(scores[t, j])
            whole = distance >> SCORE_FRACTION_BITS
            exponential = round_shift(exp2_table[distance & (EXP2_ENTRIES - 1)], min(whole, WHOLE_MAX + 1))
            exponential = np.int64(0) if whole > WHOLE_MAX else exponential
            out[t, j] = exponential
            total += exponential
        bits = bit_length(total)
        inverse = reciprocal_step(total, bits)
        for j in range(scores.shape[1]):
            out[t, j] = round_shift(np.int64(out[t, j]) * inverse, bits - 1)


@njit(cache=True, nogil=True)
def _encode_uniform(probabilities: Any, shift: int, hi: int, out: Any) -> None:
    for i in range(probabilities.shape[0]):
        out[i] = clamp(round_shift(probabilities[i], shift), 0, hi)
