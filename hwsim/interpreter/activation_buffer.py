"""The activation buffer: codes in skewed blocks and halfwords in rows, read and written as whole matrices.

Where an element lies is said by ``hwsim.compiler.layout`` alone. Its indices are computed once for each shape, from a
block's corner, and kept: tensors of one network have few shapes and many places.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler.layout import HALFWORD_BYTES, Region, byte_index
from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError

INDEX_ARRAYS_MAX = 512
"""Index arrays that are kept; the largest of DeiT-Tiny has 1.2 MB."""


class Matrix(NamedTuple):
    """Rows and channels of a tensor in the buffer."""

    base: int
    """First word of the tensor."""
    stride: int
    """Words of a row of blocks, or of a row of halfwords."""
    first_row: int
    first_channel: int
    rows: int
    channels: int
    halfwords: bool = False


class Place(NamedTuple):
    """Bytes of a matrix: ``first + offsets``, none of them beyond ``last``."""

    first: int
    last: int
    offsets: NDArray[np.int64]


class ActivationBuffer:
    """Bytes of the buffer as the hardware holds them: ``words[word, sub-bank]``."""

    def __init__(self, config: AcceleratorConfig) -> None:
        self.word_bytes = config.word_bytes
        self.words = np.zeros((config.buffer_words, config.word_bytes), np.uint8)
        self.writes: list[tuple[int, int]] = []
        """First and last byte of every write since somebody emptied this list."""
        self._bytes = self.words.reshape(-1)

    def place(self, matrix: Matrix, name: str) -> Place:
        """Where the bytes of a matrix lie.

        Parameters
        ----------
        name : what the matrix is, for the message

        Raises
        ------
        HwsimError
            If it does not fit the buffer, or holds codes and does not begin at a multiple of the word's bytes.
        """
        width = self.word_bytes
        if matrix.halfwords:
            word = matrix.base + matrix.first_row * matrix.stride
            origin = word * width + HALFWORD_BYTES * matrix.first_channel
            offsets, last = _halfword_index(matrix.rows, matrix.channels, matrix.stride, width)
        else:
            if matrix.base % width:
                raise HwsimError(f"{name} begins at word {matrix.base}, expected a multiple of {width}")
            word = matrix.base + matrix.first_row // width * matrix.stride + matrix.first_channel // width * width
            origin = word * width
            corner = matrix.first_row % width, matrix.first_channel % width
            offsets, last = _code_index(matrix.rows, matrix.channels, *corner, matrix.stride, width)
        self._check(origin + last, name)
        return Place(origin, origin + last, offsets)

    def read(self, matrix: Matrix, name: str) -> NDArray[Any]:
        """Raw codes uint8[rows, channels], or halfwords int16[rows, channels]."""
        place = self.place(matrix, name)
        data = self._bytes[place.first :].take(place.offsets)
        return data.view("<i2") if matrix.halfwords else data

    def write(self, matrix: Matrix, values: NDArray[Any], name: str) -> None:
        """Write the low byte of each value, or the low halfword."""
        place = self.place(matrix, name)
        data = values.astype("<i2", copy=False).view(np.uint8) if matrix.halfwords else values.astype(np.uint8)
        self._bytes[place.first :][place.offsets] = data
        self.writes.append((place.first, place.last))

    def write_bytes(self, index: NDArray[np.int64], values: NDArray[np.uint8], name: str) -> None:
        """Write single bytes, byte ``word * word_bytes + sub-bank`` each."""
        if index.size == 0:
            return
        first, last = int(index.min()), int(index.max())
        self._check(last, name)
        self._bytes[index] = values
        self.writes.append((first, last))

    def _check(self, last: int, name: str) -> None:
        if last >= self._bytes.size:
            raise HwsimError(
                f"{name} reaches word {last // self.word_bytes} of the activation buffer, "
                f"expected at most {self.words.shape[0] - 1}"
            )


@lru_cache(maxsize=INDEX_ARRAYS_MAX)
def _code_index(
    rows: int, channels: int, first_row: int, first_channel: int, stride: int, word_bytes: int
) -> tuple[NDArray[np.int64], int]:
    region = Region(base=0, stride=stride, halfwords=False, word_bytes=word_bytes)
    row = first_row + np.arange(rows, dtype=np.int64)[:, None]
    channel = first_channel + np.arange(channels, dtype=np.int64)[None, :]
    return _frozen(byte_index(region, row, channel))


@lru_cache(maxsize=INDEX_ARRAYS_MAX)
def _halfword_index(rows: int, channels: int, stride: int, word_bytes: int) -> tuple[NDArray[np.int64], int]:
    region = Region(base=0, stride=stride, halfwords=True, word_bytes=word_bytes)
    row, channel = np.arange(rows, dtype=np.int64)[:, None], np.arange(channels, dtype=np.int64)[None, :]
    low = byte_index(region, row, channel)
    return _frozen(np.stack([low, low + 1], axis=-1).reshape(rows, HALFWORD_BYTES * channels))


def _frozen(offsets: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    offsets.flags.writeable = False
    return offsets, int(offsets.max())
