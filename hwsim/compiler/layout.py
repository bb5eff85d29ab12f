"""Where the elements of a tensor lie in the activation buffer: codes in skewed blocks, halfwords in rows.

With words of W bytes, a byte's index is ``word * W + sub-bank``:

    codes      word = base + (r / W) * stride + c,        sub-bank = (r + c) mod W
    halfwords  word = base + r * stride + 2 c / W,        sub-bank = 2 c mod W and the one after it

so a column of a block is one word and a row of a block is one byte of each of W words, and both are read in one cycle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

HALFWORD_BYTES = 2


@dataclass(frozen=True, kw_only=True)
class Region:
    """A tensor in the activation buffer."""

    base: int
    """First word; of codes, a multiple of ``word_bytes``."""
    stride: int
    """Words of a row of blocks, or of a row of halfwords."""
    halfwords: bool
    word_bytes: int


def row_stride(channels: int, halfwords: bool, word_bytes: int) -> int:
    """Words of a row of blocks of codes, or of a row of halfwords."""
    if halfwords:
        return -(-HALFWORD_BYTES * channels // word_bytes)
    return word_bytes * -(-channels // word_bytes)


def words_of(rows: int, channels: int, halfwords: bool, word_bytes: int) -> int:
    """Words that a tensor occupies."""
    count = rows if halfwords else -(-rows // word_bytes)
    return count * row_stride(channels, halfwords, word_bytes)


def byte_index(region: Region, rows: NDArray[np.int64], channels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index of the (first) byte of elements; the arrays broadcast."""
    width = region.word_bytes
    if region.halfwords:
        return (region.base + rows * region.stride) * width + HALFWORD_BYTES * channels
    word = region.base + rows // width * region.stride + channels
    return word * width + (rows + channels) % width


def write_region(
    memory: NDArray[np.uint8], region: Region, codes: NDArray[Any], first_row: int = 0, first_channel: int = 0
) -> None:
    """Put codes[rows, channels] into the bytes of the activation buffer.

    Parameters
    ----------
    memory : uint8[words * word_bytes]
    codes : integers of 8 bits, or of 16 bits where the region holds halfwords; signed ones as two's complement
    """
    rows = first_row + np.arange(codes.shape[0], dtype=np.int64)[:, None]
    channels = first_channel + np.arange(codes.shape[1], dtype=np.int64)[None, :]
    index = byte_index(region, rows, channels)
    values = codes.astype(np.int64)
    memory[index] = (values & 255).astype(np.uint8)
    if region.halfwords:
        memory[index + 1] = (values >> 8 & 255).astype(np.uint8)


def read_region(
    memory: NDArray[np.uint8], region: Region, shape: tuple[int, int], first_row: int = 0, first_channel: int = 0
) -> NDArray[np.unsignedinteger[Any]]:
    """Raw codes of a tensor: uint8[rows, channels], or uint16 where the region holds halfwords."""
    rows = first_row + np.arange(shape[0], dtype=np.int64)[:, None]
    channels = first_channel + np.arange(shape[1], dtype=np.int64)[None, :]
    index = byte_index(region, rows, channels)
    if not region.halfwords:
        return memory[index]
    return memory[index].astype(np.uint16) | memory[index + 1].astype(np.uint16) << np.uint16(8)
