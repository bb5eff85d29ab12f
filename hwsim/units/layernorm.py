"""LayerNorm of residual rows: bit-accurate model of ``rtl/hws_layernorm.sv``.

    y_c = q_c << sh_c, or q_c in a residual stream of more than 8 bits
    S1  = sum y_c,  S2 = sum y_c**2
    V   = max(1, D * S2 - S1**2 + epsilon),  sd = isqrt(V),  z = bit_length(sd),  R = floor(2**(z + 15) / sd)
    n_c = clamp(round_shift((D * y_c - S1) * R, z + 5), -2**15, 2**15 - 1)            10 fraction bits
    out = clamp(round_shift(n_c * G_c + B_c, t), lo, hi)

``q``: codes of at most 8 bits with a shift ``sh_c`` of 0..7 for each channel, or of at most 16 bits with one scale; D
at most 2,048: y 16 bits, S1 27, S2 42 unsigned, V 48 unsigned (the compiler proves it), R 17, the product 45. The
Verilog has rows of up to 1,024 channels so far, with a bit less for both sums and the product.
``G`` int16, ``B`` int32, ``t`` 0..31.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hwsim.formats import Uniform, storage_dtype
from hwsim.units.isqrt import isqrt_step
from hwsim.units.reciprocal import FRACTION_BITS, bit_length, reciprocal_step
from hwsim.units.round_saturate import clamp, round_shift

CHANNELS_MAX = 2048
NORMAL_FRACTION_BITS = 10
NORMAL_MIN, NORMAL_MAX = -(1 << 15), (1 << 15) - 1


def layernorm(
    codes: NDArray[np.int8] | NDArray[np.int16],
    shifts: NDArray[np.uint8],
    gamma: NDArray[np.int16],
    beta: NDArray[np.int32],
    shift: int,
    epsilon: int,
    out_fmt: Uniform,
) -> NDArray[np.integer[Any]]:
    """Normalise each row and apply the affine.

    Parameters
    ----------
    codes : int8[rows, D] residual codes, or int16[rows, D], which the shifts do not reach
    shifts : uint8[D], 0..7
    gamma, beta : int16[D] and int32[D], output scale and zero point folded in, on the grid 2**-shift
    shift : 0..31
    epsilon : ``round(eps * D**2 / scale**2)``, below 2**47
    out_fmt : uniform

    Returns
    -------
    codes[rows, D] in the output format's storage dtype
    """
    channels = codes.shape[1]
    if channels > CHANNELS_MAX:
        raise ValueError(f"a row has at most {CHANNELS_MAX} channels, not {channels}")
    for name, array in (("shifts", shifts), ("gamma", gamma), ("beta", beta)):
        if array.shape != (channels,):
            raise ValueError(f"{name} must have shape ({channels},), not {array.shape}")
    out = np.empty(codes.shape, storage_dtype(out_fmt))
    channel_shift = np.zeros_like(shifts) if codes.dtype == np.int16 else shifts
    _layernorm(codes, channel_shift, gamma, beta, shift, epsilon, out_fmt.minimum, out_fmt.maximum, out)
    return out


@njit(cache=True, nogil=True)
def _layernorm(
    codes: Any, channel_shift: Any, gamma: Any, beta: Any, shift: int, epsilon: int, lo: int, hi: int, out: Any
) -> None:
    channels = codes.shape[1]
    values = np.empty(channels, np.int64)
    for t in range(codes.shape[0]):
        total, squares = np.int64(0), np.int64(0)
        for c in range(channels):
            value = np.int64(codes[t, c]) << np.int64(channel_shift[c])
            values[c] = value
            total += value
            squares += value * value
        deviation = isqrt_step(max(np.int64(1), channels * squares - total * total + epsilon))
        bits = bit_length(deviation)
        inverse = reciprocal_step(deviation, bits)
        normal_shift = bits + FRACTION_BITS - NORMAL_FRACTION_BITS
        for c in range(channels):
            centred = channels * values[c] - total
            normal = clamp(round_shift(centred * inverse, normal_shift), NORMAL_MIN, NORMAL_MAX)
            scaled = normal * np.int64(gamma[c]) + np.int64(beta[c])
            out[t, c] = clamp(round_shift(scaled, shift), lo, hi)
