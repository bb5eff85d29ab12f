"""Tensors that lie in DRAM between two segments: stores of runs of rows, and loads in the order of windows or merging.

A row begins a beat, its rows lie in the order of the image. So a window's line of tokens is a run of rows, and
of two neighbouring lines of the grid each holds one half of the merged rows: pairs of tokens, side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hwsim.compiler.operations import Access, Buffer, Operation
from hwsim.compiler.plan import Placed, Plan
from hwsim.compiler.support import is_halfwords, refuse
from hwsim.isa import LOAD_TARGETS
from hwsim.network import Rearrange
from hwsim.rearrange import row_index


def stream_stores(plan: Plan, layer: str, tensor: str, stage: int) -> list[Operation]:
    """Stores of the rows of a band to the place of the whole tensor in DRAM, which the first one makes."""
    placed, (rows, channels) = plan.tensors[tensor], plan.network.tensor(tensor).shape
    row_bytes = _row_bytes(plan, tensor)
    if tensor not in plan.streams:
        plan.streams[tensor] = plan.section(tensor, np.zeros(rows * row_bytes, np.uint8))
    buffer, stores = placed.buffer, []
    for place, row, count in _runs(placed.rows or range(rows)):
        store = Operation(
            operation="store",
            layer=layer,
            stage=stage,
            fields={
                "beats": count * row_bytes // plan.config.beat_bytes, "halfwords": int(buffer.halfwords),
                "first_row": place, "row_bytes": channels * (2 if buffer.halfwords else 1), "rows": count,
            },
            places={"": buffer},
            accesses=[Access("read_dma", buffer, place, place + count, 0, channels)],
            section=plan.streams[tensor],
            offset=row * row_bytes,
        )  # fmt: skip
        stores.append(store)
    return stores


def stream_loads(plan: Plan, layer: str, tensor: str, stage: int) -> list[Operation]:
    """Load of a whole tensor, and its place."""
    rows, channels = plan.network.tensor(tensor).shape
    buffer = plan.place(tensor, rows, channels, is_halfwords(plan.network.tensor(tensor).format))
    return [_load(plan, layer, tensor, stage, buffer, 0, 0, rows)]


def window_loads(plan: Plan, layer: Rearrange, stage: int, rows: range) -> list[Operation]:
    """Loads of some rows in the order of windows; the buffer holds them as rows of the input too."""
    channels = plan.network.tensor(layer.input).shape[1]
    image_rows = tuple(row_index(layer)[rows.start : rows.stop, 0].tolist())
    halfwords = is_halfwords(plan.network.tensor(layer.input).format)
    buffer = plan.place(layer.output, len(rows), channels, halfwords, tuple(rows))
    plan.tensors[layer.input] = Placed(
        buffer=buffer, channels=np.arange(channels), depth=channels, rows=image_rows
    )  # fmt: skip
    return [
        _load(plan, layer.name, layer.input, stage, buffer, place, row, count)
        for place, row, count in _runs(image_rows)
    ]


def merge_loads(plan: Plan, layer: Rearrange, stage: int, grid_rows: range) -> list[Operation]:
    """Loads of some lines of the merged grid; the channels lie as the tokens do in DRAM, not as in the tensor.

    Raises
    ------
    HwsimError
        If a row of a token does not fill whole beats and words, so that two tokens are no row.
    """
    channels, across = plan.network.tensor(layer.input).shape[1], layer.width // 2
    halfwords = is_halfwords(plan.network.tensor(layer.input).format)
    part, element = 2 * channels, 2 if halfwords else 1
    whole = plan.config.word_bytes if halfwords else plan.config.beat_bytes
    if channels * element % plan.config.beat_bytes or part * element % whole:
        expected = f"whole beats of {plan.config.beat_bytes} bytes, and words of {whole} for two of them"
        refuse(plan.network, layer.name, f"merges rows of {channels * element} bytes", expected)
    group = np.argsort(np.argsort(row_index(layer)[0]))
    rows = tuple(range(grid_rows.start * across, grid_rows.stop * across))
    buffer = plan.buffer(layer.output, len(rows), 4 * channels, halfwords)
    plan.tensors[layer.output] = Placed(
        buffer=buffer,
        channels=(group[:, None] * channels + np.arange(channels)).reshape(-1),
        depth=4 * channels,
        rows=rows,
    )
    return [
        _load(
            plan,
            layer.name,
            layer.input,
            stage,
            buffer,
            place * across,
            line * layer.width,
            across,
            (half * part, part),
        )
        for place, down in enumerate(grid_rows)
        for half, line in enumerate((2 * down, 2 * down + 1))
    ]


def in_image_order(placed: Placed, layer: Rearrange) -> Placed:
    """The same rows under the numbers that they have after an ``unwindow``."""
    index = row_index(layer)[:, 0]
    image_row = np.empty_like(index)
    image_row[index] = np.arange(len(index))
    rows = image_row if placed.rows is None else image_row[list(placed.rows)]
    return Placed(
        buffer=placed.buffer, channels=placed.channels, depth=placed.depth, rows=tuple(rows.tolist()),
        parts=placed.parts,
    )  # fmt: skip


def _load(
    plan: Plan, layer: str, tensor: str, stage: int, buffer: Buffer, place: int, row: int, count: int,
    part: tuple[int, int] | None = None,
) -> Operation:  # fmt: skip
    """Load of rows of a tensor to the rows from ``place`` on.

    Parameters
    ----------
    part : first channel in the buffer, and channels; with it, so many rows as these channels are twice those of one
    """
    row_bytes, halfwords = _row_bytes(plan, tensor), buffer.halfwords
    first, channels = part or (0, plan.network.tensor(tensor).shape[1])
    line_bytes = 2 * row_bytes if part is not None else row_bytes
    beats = count * line_bytes // plan.config.beat_bytes
    if halfwords:
        fields = {"target": LOAD_TARGETS.index("halfwords"), "run_bytes": 2 * channels}
    else:
        fields = {
            "target": LOAD_TARGETS.index("codes"), "run_bytes": line_bytes, "runs": count, "lines": 1,
            "first_channel": first, "bytes": count * line_bytes,
        }  # fmt: skip
    end = first + (channels if halfwords else line_bytes)
    return Operation(
        operation="load",
        layer=layer,
        stage=stage,
        fields=fields | {"beats": beats, "first_row": place},
        places={"": buffer},
        place_words={"": 2 * first // plan.config.word_bytes} if halfwords else {},
        accesses=[Access("write_dma", buffer, place, place + count, first, end)],
        section=plan.streams[tensor],
        offset=row * row_bytes,
    )


def _row_bytes(plan: Plan, tensor: str) -> int:
    """Bytes from one row to the next in DRAM."""
    spec, beat = plan.network.tensor(tensor), plan.config.beat_bytes
    return -(-spec.shape[1] * (2 if is_halfwords(spec.format) else 1) // beat) * beat


def _runs(rows: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Place, row and length of each run of rows that follow each other."""
    place = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or rows[end] != rows[end - 1] + 1:
            yield place, rows[place], end - place
            place = end
