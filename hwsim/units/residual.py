"""Residual adder of the drain with its encoder: bit-accurate model of ``rtl/hws_residual.sv``.

    stream = round_shift((q << sh_c) * M, s), or the embedding's constant
    y      = clamp(stream + branch, -2**15, 2**15 - 1)
    code   = clamp(round_shift(y, g + sh'_c), lo, hi)

``q``: old residual code with its channel's shift ``sh_c``, 0..7; ``M / 2**s`` moves it to the new tensor's grid with
``g`` guard bits, on which the 16-bit branch arrives; ``sh'_c`` is the new tensor's. In a stream of 11 to 16 bits
nothing is rescaled: M is 1 and every shift is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hwsim.formats import ChannelScaled, Uniform, storage_dtype
from hwsim.units.round_saturate import clamp, round_shift

SUM_MIN, SUM_MAX = -(1 << 15), (1 << 15) - 1


def rescale(
    codes: NDArray[np.int8] | NDArray[np.int16], shifts: NDArray[np.uint8], mult: int, shift: int
) -> NDArray[np.int32]:
    """Old residual stream on the guarded grid of the new tensor.

    Parameters
    ----------
    codes : int8[T, D], or int16[T, D] where the shifts and ``s`` are 0 and ``M`` is 1
    shifts : uint8[D] of the old tensor, 0..7
    mult, shift : ``M`` in 0..2**15-1 and ``s`` in 0..47

    Returns
    -------
    int32[T, D]; ``127 << 7`` times ``M`` has 30 bits
    """
    out = np.empty(codes.shape, np.int32)
    _rescale(codes, shifts, mult, shift, out)
    return out


def add_encode(
    stream: NDArray[np.integer[Any]],
    branch: NDArray[np.int16],
    guard_bits: int,
    shifts: NDArray[np.uint8],
    fmt: ChannelScaled | Uniform,
) -> NDArray[np.integer[Any]]:
    """Add the branch to the stream and encode the new residual tensor.

    Parameters
    ----------
    stream : int32[T, D] rescaled stream or int16[T, D] constant
    branch : int16[T, D]
    guard_bits : 0..7
    shifts : uint8[D] of the new tensor, 0..7
    fmt : of the new tensor, signed

    Returns
    -------
    codes[T, D] in the format's storage dtype, int8 or int16
    """
    if stream.shape != branch.shape:
        raise ValueError(f"stream and branch must have one shape, not {stream.shape} and {branch.shape}")
    out = np.empty(branch.shape, storage_dtype(fmt))
    _add_encode(stream, branch, shifts + np.uint8(guard_bits), fmt.minimum, fmt.maximum, out)
    return out


@njit(cache=True, nogil=True)
def _rescale(codes: Any, channel_shift: Any, mult: int, shift: int, out: Any) -> None:
    for t in range(codes.shape[0]):
        for c in range(codes.shape[1]):
            value = np.int64(codes[t, c]) << np.int64(channel_shift[c])
            out[t, c] = round_shift(value * mult, shift)


@njit(cache=True, nogil=True)
def _add_encode(stream: Any, branch: Any, channel_shift: Any, lo: int, hi: int, out: Any) -> None:
    for t in range(branch.shape[0]):
        for c in range(branch.shape[1]):
            total = clamp(np.int64(stream[t, c]) + np.int64(branch[t, c]), SUM_MIN, SUM_MAX)
            out[t, c] = clamp(round_shift(total, np.int64(channel_shift[c])), lo, hi)
