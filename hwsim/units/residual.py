"""Residual adder of the drain with its encoder: bit-accurate model of ``rtl/hws_residual.sv``.

    stream = round_shift((q << (r * o_c)) * M, s), or the embedding's constant
    y      = clamp(stream + branch, -2**15, 2**15 - 1)
    code   = clamp(round_shift(y, g + r' * o'_c), lo, hi), or in a stream of 16 bits: y

``q``: old residual code, channel two-scale (O-2SF) with exponent r and flags o; ``M / 2**s`` moves it to the new
tensor's grid with ``g`` guard bits, on which the 16-bit branch arrives; r', o' are the new tensor's. A stream of
16 bits takes the constant's place: it has one scale, on which the branch arrives.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hwsim.formats import ChannelTwoScale
from hwsim.units.round_saturate import clamp, round_shift

SUM_MIN, SUM_MAX = -(1 << 15), (1 << 15) - 1


def rescale(
    codes: NDArray[np.int8], flags: NDArray[np.uint8], fmt: ChannelTwoScale, mult: int, shift: int
) -> NDArray[np.int32]:
    """Old residual stream on the guarded grid of the new tensor.

    Parameters
    ----------
    codes : int8[T, D] of ``fmt``
    flags : uint8[D] of the old tensor
    mult, shift : ``M`` in 0..2**15-1 and ``s`` in 0..47

    Returns
    -------
    int32[T, D]; ``127 << 7`` times ``M`` has 30 bits
    """
    out = np.empty(codes.shape, np.int32)
    _rescale(codes, flags * np.uint8(fmt.exponent), mult, shift, out)
    return out


def add_encode(
    stream: NDArray[np.integer[Any]],
    branch: NDArray[np.int16],
    guard_bits: int,
    flags: NDArray[np.uint8],
    fmt: ChannelTwoScale,
) -> NDArray[np.int8]:
    """Add the branch to the stream and encode the new residual tensor.

    Parameters
    ----------
    stream : int32[T, D] rescaled stream or int16[T, D] constant
    branch : int16[T, D]
    guard_bits : 0..7
    flags : uint8[D] of the new tensor
    fmt : of the new tensor
    """
    _require_one_shape(stream, branch)
    out = np.empty(branch.shape, np.int8)
    channel_shift = flags * np.uint8(fmt.exponent) + np.uint8(guard_bits)
    _add_encode(stream, branch, channel_shift, fmt.minimum, fmt.maximum, out)
    return out


def add_wide(stream: NDArray[np.int16], branch: NDArray[np.int16]) -> NDArray[np.int16]:
    """Add the branch to a residual stream of 16 bits.

    Parameters
    ----------
    stream : int16[T, D] old stream, or the constant
    branch : int16[T, D]
    """
    _require_one_shape(stream, branch)
    total: NDArray[np.int32] = np.clip(stream.astype(np.int32) + branch, SUM_MIN, SUM_MAX)
    return total.astype(np.int16)


def _require_one_shape(stream: NDArray[Any], branch: NDArray[Any]) -> None:
    if stream.shape != branch.shape:
        raise ValueError(f"stream and branch must have one shape, not {stream.shape} and {branch.shape}")


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
