"""The plan of a program: operations, buffers and DRAM sections as the passes add them, one pass after another."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler.operations import Access, Buffer, Operation, Result, Section
from hwsim.compiler.support import refuse
from hwsim.config import AcceleratorConfig
from hwsim.network import Network

BACKGROUND_CYCLES = 256
"""Of a product, for each operation of another band that follows it: about what a load of some rows takes."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How much of the activation buffer the plan spends so that units work at the same time."""

    score_slots: int
    """Chunks of scores in the buffer at a time."""
    heads_ahead: int
    """Heads whose scores are computed before the values of the first of them."""
    score_tiles: int
    """Row tiles of a chunk of scores, at most."""
    stream_tiles: int
    """Row tiles of a chunk of the residual stream, at most."""
    band_share: float = 0.5
    """Part of the activation buffer for the tensors of a band, where the stream lies in DRAM."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A tensor of the network in a buffer."""

    buffer: Buffer
    channels: NDArray[np.int64]
    """Channel of the buffer that holds each channel of the tensor."""
    depth: int
    """Channels of the buffer that a reduction over the tensor walks."""
    rows: tuple[int, ...] | None = None
    """Row of the tensor in each row of the buffer, -1 where there is none; None: all rows, in order."""
    parts: tuple[tuple[int, int], ...] | None = None
    """First row and end of each window in the buffer, where windows begin a row of blocks each."""

    def order(self, row: int, row_end: int) -> tuple[int, ...] | None:
        """Rows of the tensor in some rows of the buffer, None where they are the same."""
        return None if self.rows is None else self.rows[row:row_end]


@dataclass(kw_only=True)
class EarlyLoad:
    """A load of a table, a codebook, LayerNorm parameters or scales of rows; it goes as early as its memory is free."""

    load: Operation
    stages_before: int
    """It may go to the begin of the pass so many passes before its own."""


@dataclass
class Plan:
    """What the passes have added so far."""

    network: Network
    config: AcceleratorConfig
    options: Options
    trace: bool
    operations: list[Operation] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    early_loads: list[EarlyLoad] = field(default_factory=list)
    tensors: dict[str, Placed] = field(default_factory=dict)
    heads: dict[str, list[tuple[Buffer, Buffer, Buffer]]] = field(default_factory=dict)
    """q, k, v of each head, by the tensor that holds them all."""
    planes: dict[str, dict[str, Buffer]] = field(default_factory=dict)
    """High and low limbs of outliers, by their tensor and the field that takes their base."""
    row_tensor: str = ""
    """Tensor whose rows the row table and the outlier map hold."""
    streams: dict[str, Section] = field(default_factory=dict)
    """Tensors that lie in DRAM, row after row, whole beats each."""
    background: deque[Operation] = field(default_factory=deque)
    """Operations of other bands, which go among those of the band that is planned."""

    def __post_init__(self) -> None:
        self.weight_buffer = Buffer(name="weights", rows=2, space="weights")
        self.table_buffer = Buffer(name="table", space="table")
        self.layernorm_buffer = Buffer(name="layernorm parameters", space="layernorm")
        self.codebook_buffer = Buffer(name="codebook", space="codebook")
        self.row_buffer = Buffer(name="row table", space="rows")
        self.outlier_buffer = Buffer(name="outlier map", space="outliers")
        self.threshold_buffer = Buffer(name="thresholds", space="codebook")
        self._parameters: dict[tuple[str, bytes], Section] = {}

    def buffer(self, name: str, rows: int, channels: int, halfwords: bool) -> Buffer:
        """Make a buffer in the activation buffer."""
        word = self.config.word_bytes
        return Buffer(name=name, rows=rows, channels=channels, halfwords=halfwords, word_bytes=word)

    def section(self, name: str, data: NDArray[np.uint8]) -> Section:
        """Add a piece of DRAM."""
        self.sections.append(Section(name=name, data=data))
        return self.sections[-1]

    def parameters(self, name: str, data: NDArray[np.uint8]) -> Section:
        """Add a piece of DRAM that is only read; every band finds the same one."""
        key = name, data.tobytes()
        if key not in self._parameters:
            self._parameters[key] = self.section(name, data)
        return self._parameters[key]

    def place(
        self, name: str, rows: int, channels: int, halfwords: bool, order: tuple[int, ...] | None = None
    ) -> Buffer:
        """Make the buffer of a tensor whose channels lie in order, and its rows, or those of an order."""
        buffer = self.buffer(name, rows, channels, halfwords)
        self.tensors[name] = Placed(buffer=buffer, channels=np.arange(channels), depth=channels, rows=order)
        return buffer

    def placed(self, layer: str, tensor: str) -> Placed:
        """Buffer of a tensor as a row operand or a residual stream."""
        if tensor not in self.tensors:
            refuse(
                self.network, layer, f"reads {tensor}", "a tensor of rows that the activation buffer holds as a whole"
            )
        return self.tensors[tensor]

    def add(self, operation: Operation) -> None:
        """Append an operation, and after a traced one the store of its result."""
        self._append(operation)
        if self.background and operation.operation == "gemm":
            for _ in range(min(len(self.background), 1 + self._steps(operation) // BACKGROUND_CYCLES)):
                self._append(self.background.popleft())

    def flush(self) -> None:
        """Append what is left in the background."""
        while self.background:
            self._append(self.background.popleft())

    def _steps(self, gemm: Operation) -> int:
        """Cycles for which the array multiplies."""
        rows, columns, steps = (gemm.fields[name] for name in ("rows", "columns", "steps"))
        return -(-rows // self.config.array_rows) * -(-columns // self.config.array_columns) * steps

    def _append(self, operation: Operation) -> None:
        self.operations.append(operation)
        if self.trace and operation.result is not None:
            name, layer = f"{operation.layer} result", operation.layer
            self.operations.append(self.store(name, layer, operation.stage, operation.result, operation))

    def store(
        self, section_name: str, layer: str, stage: int, result: Result, made_by: Operation | None = None
    ) -> Operation:
        """Store of a result to a section of its own; it begins at the beat that holds the result's first channel."""
        buffer, beat = result.buffer, self.config.beat_bytes
        element = 2 if buffer.halfwords else 1
        first = result.buffer_channel // (beat // element) * (beat // element)
        end = result.buffer_channel + result.channels
        row_beats = -(-(end - first) * element // beat)
        row, row_end = result.buffer_row, result.buffer_row + result.rows
        section = self.section(section_name, np.zeros(result.rows * row_beats * beat, np.uint8))
        return Operation(
            operation="store",
            layer=layer,
            head=made_by.head if made_by is not None else None,
            stage=stage,
            fields={
                "beats": result.rows * row_beats, "halfwords": int(buffer.halfwords), "first_row": row,
                "row_bytes": (end - first) * element, "rows": result.rows, "first_channel": first,
            },
            places={"": buffer},
            accesses=[Access("read_dma", buffer, row, row_end, first, end)],
            section=section,
            result=result,
            made_by=made_by,
        )  # fmt: skip


def row_chunks(rows: int, tiles_max: int, config: AcceleratorConfig) -> list[tuple[int, int]]:
    """First row and end of each chunk: whole row tiles, and two chunks at least where there are two row tiles."""
    row_tiles = -(-rows // config.array_rows)
    step = config.array_rows * max(1, min(tiles_max, row_tiles // 2))
    return list(pairwise([*range(0, rows, step), rows]))


def source_chunks(source: Placed, plan: Plan) -> list[tuple[int, int]]:
    """Chunks of the rows of an operand: its windows, where it has some."""
    if source.parts is not None:
        return list(source.parts)
    return row_chunks(source.buffer.rows, plan.options.stream_tiles, plan.config)


def tile_order(
    tiles: int, chunks: list[tuple[int, int]], first_tiles: int, last_tiles: int, whole: bool = True
) -> list[tuple[int, tuple[int, int]]]:
    """Column tile and rows of each instruction of a product.

    The first tiles take turns by chunks where the rows arrive by chunks, the last ones where a unit waits for the rows
    of the result; the others take all rows at once. Two tiles that take turns fill both banks of weights.

    Parameters
    ----------
    whole : the chunks touch each other, so that one instruction can take them all
    """
    all_rows = [(chunks[0][0], chunks[-1][1])] if whole else chunks
    begin = min(first_tiles, tiles)
    end = max(begin, tiles - last_tiles)
    order = [(tile, chunk) for chunk in chunks for tile in range(begin)]
    order += [(tile, rows) for tile in range(begin, end) for rows in all_rows]
    return order + [(tile, chunk) for chunk in chunks for tile in range(end, tiles)]
