"""Operations: instructions without addresses and tokens yet, with what each reads and writes through which port."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler.layout import Region, row_stride, words_of
from hwsim.isa import QUEUE_OF, QUEUES

Space = Literal["activations", "weights", "table", "layernorm", "codebook", "rows", "outliers"]
"""Which memory a buffer lies in; only activations have addresses and banks."""

Port = Literal[
    "read_row", "read_column", "read_skip", "read_softmax", "read_layernorm", "read_dma",
    "write_drain", "write_softmax", "write_layernorm", "write_outlier_high", "write_outlier_low", "write_dma",
    "read_inside", "write_inside",
]  # fmt: skip
"""Port of the activation buffer; ``inside`` is a memory of its own, which no bank serves."""


@dataclass(eq=False, kw_only=True)
class Buffer:
    """A tensor, or a part of one, in a memory of the accelerator; ``base`` alone changes, when it gets a place."""

    name: str
    rows: int = 1
    channels: int = 1
    halfwords: bool = False
    space: Space = "activations"
    word_bytes: int = 1
    base: int = -1

    @cached_property
    def stride(self) -> int:
        """Words of a row of blocks, or of a row of halfwords."""
        return row_stride(self.channels, self.halfwords, self.word_bytes)

    @cached_property
    def words(self) -> int:
        """Words that it occupies, whole blocks."""
        words = words_of(self.rows, self.channels, self.halfwords, self.word_bytes)
        return -(-words // self.word_bytes) * self.word_bytes

    @property
    def region(self) -> Region:
        """Its place."""
        return Region(base=self.base, stride=self.stride, halfwords=self.halfwords, word_bytes=self.word_bytes)

    def word_range(self, access: Access) -> tuple[int, int]:
        """First word and end of the words that an access can touch."""
        if self.halfwords:
            return self.base + access.row * self.stride, self.base + access.row_end * self.stride
        first, last = access.row // self.word_bytes, (access.row_end - 1) // self.word_bytes
        if first == last:
            start = self.base + first * self.stride
            return start + access.channel, start + access.channel_end
        return self.base + first * self.stride, self.base + (last + 1) * self.stride


class Access(NamedTuple):
    """Rows and channels of a buffer that an operation reads or writes through one port."""

    port: Port
    buffer: Buffer
    row: int = 0
    row_end: int = 1
    channel: int = 0
    channel_end: int = 1

    @property
    def writes(self) -> bool:
        """Whether it writes."""
        return self.port.startswith("write")

    def overlaps(self, other: Access) -> bool:
        """Whether two accesses of one buffer share an element."""
        return (
            self.row < other.row_end
            and other.row < self.row_end
            and self.channel < other.channel_end
            and other.channel < self.channel_end
        )


@dataclass(eq=False, kw_only=True)
class Section:
    """A piece of DRAM; it gets its address when all pieces are known."""

    name: str
    data: NDArray[np.uint8]
    address: int = -1


@dataclass(eq=False, kw_only=True)
class WeightTile:
    """Weights and parameters of one column tile, which one load brings into a bank of the weight buffer."""

    section: Section
    steps: int
    packed: bool = False
    bank: int = -1


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a compute operation makes, in the coordinates of the network's tensor."""

    tensor: str
    head: int | None
    first_row: int
    rows: int
    first_channel: int
    channels: int
    buffer: Buffer
    buffer_row: int
    """Row of the buffer that ``first_row`` is in."""
    buffer_channel: int
    """Channel of the buffer that ``first_channel`` is in."""
    order: tuple[int, ...] | None = None
    """Rows of the tensor, where they do not follow each other; ``first_row`` is the first of them."""
    channel_order: tuple[int, ...] | None = None
    """Channels of the tensor, where they do not follow each other."""


@dataclass(eq=False, kw_only=True)
class Operation:
    """One instruction in the making."""

    operation: str
    layer: str
    """Layer that it works for: a load works for the one that uses what it brings, a store for the one that made it."""
    stage: int
    """Number of its pass, or of the first of an attention's passes."""
    fields: dict[str, int]
    head: int | None = None
    """Head of attention that it works for, None where it works for no head or for all of them."""
    places: dict[str, Buffer] = field(default_factory=dict)
    """Buffers whose base and stride become fields, by the prefix of those fields."""
    place_words: dict[str, int] = field(default_factory=dict)
    """Words from the begin of such a buffer to the base, where it is not 0."""
    planes: dict[str, Buffer] = field(default_factory=dict)
    """Buffers of outliers, by the field that takes their base."""
    accesses: list[Access] = field(default_factory=list)
    section: Section | None = None
    """Piece of DRAM that a load or store is of."""
    offset: int = 0
    """Byte of the section at which it begins."""
    tile: WeightTile | None = None
    """Weights and parameters that a GEMM uses, or that a load brings."""
    result: Result | None = None
    """What a compute operation makes, or a store brings to DRAM."""
    made_by: Operation | None = None
    """Compute operation whose result a store of the trace brings to DRAM."""

    @property
    def queue(self) -> int:
        """Number of the queue that executes it."""
        return QUEUES.index(QUEUE_OF[self.operation])
