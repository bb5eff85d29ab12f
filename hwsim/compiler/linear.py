"""Linear layers as operations: a GEMM for each column tile, all row tiles inside, or by chunks of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hwsim.compiler.codebook import add_codebook
from hwsim.compiler.drain import add_drain, constant_load
from hwsim.compiler.image import fits_packed, parameter_entries, weight_tile_bytes
from hwsim.compiler.layernorm import layernorm_chunks
from hwsim.compiler.lower import Pass
from hwsim.compiler.operations import Access, Buffer, Operation, Result, WeightTile
from hwsim.compiler.plan import Placed, Plan, source_chunks, tile_order
from hwsim.compiler.row_scales import row_scales
from hwsim.compiler.support import (
    is_halfwords,
    operand_fields,
    refuse,
    requantizer_fields,
)
from hwsim.isa import COLUMN_SOURCES
from hwsim.network import Im2col, Linear, Rearrange, Residual
from hwsim.units.timing import drain_cycles, layernorm_cycles

FIRST_TILES = 2
"""Column tiles that take turns by chunks where LayerNorm makes the rows: as many as there are banks of weights."""


@dataclass(frozen=True, kw_only=True)
class ColumnTile:
    """Columns of a linear layer that the array computes at a time, and where they go."""

    first: int
    count: int
    buffer: Buffer
    channel: int
    """Channel of the buffer for the first column."""
    scores_of: int | None = None
    """Head whose keys are complete with the tile before, so that its scores need no fence after this one."""


@dataclass(frozen=True, kw_only=True)
class Readers:
    """Who reads the result of a linear layer while it is made."""

    heads: int | None = None
    """Heads of the attention that splits it, where one does."""
    add_scores: Callable[[int], None] | None = None
    """Adds the scores of a head whose keys are complete."""
    norm: Pass | None = None
    """LayerNorm of its rows."""


def add_linear(plan: Plan, one: Pass, stage: int, rows_by_chunks: bool, readers: Readers) -> None:
    """Add a linear layer with its drain, and what its readers begin before it ends.

    Parameters
    ----------
    rows_by_chunks : a LayerNorm makes the row operand
    """
    layer, network, norm = one.main, plan.network, readers.norm
    assert isinstance(layer, Linear)
    source = plan.placed(layer.name, layer.input)
    rows = source.parts[-1][1] if source.parts is not None else source.buffer.rows
    depth = source.depth
    if not plan.config.holds_steps(depth):
        expected = f"at most weight_buffer_bytes = {plan.config.weight_buffer_bytes} for both banks"
        refuse(network, layer.name, f"needs {depth} steps of {plan.config.array_columns} weights in a bank", expected)
    tiles = _column_tiles(plan, one, readers.heads, source)
    drain = add_drain(plan, one, stage, source)
    _, decoder_reads = add_codebook(plan, layer.name, layer.input, stage)
    weights = np.zeros((network.tensor(layer.output).shape[1], depth), np.int8)
    weights[:, source.channels] = _columns_of_pixels(plan, one.load, network.arrays[f"{layer.name}.weight"])
    rows_of_their_own = row_scales(plan, layer)
    fixed = drain.fields | operand_fields(network, layer.name, layer.input) | rows_of_their_own.fields
    fixed |= requantizer_fields(network, layer.name, layer.output) | {"steps": depth}
    packed = fits_packed(weights)
    weight_tiles = [
        WeightTile(
            section=plan.parameters(f"{layer.name} weights", _tile_data(plan, one, tile, weights, packed)),
            steps=depth, packed=packed,
        )
        for tile in tiles
    ]  # fmt: skip
    chunks = source_chunks(source, plan)
    norm_chunks = layernorm_chunks(plan, norm, stage + 1, chunks) if norm is not None else iter(())
    last_tiles = _last_tiles(plan, norm, rows, depth) if norm is not None else 0
    first_tiles = FIRST_TILES if rows_by_chunks else 1 if drain.constant is not None else 0
    whole = source.parts is None
    for index, (row, row_end) in tile_order(len(tiles), chunks, first_tiles, last_tiles, whole):
        if index == 0 and drain.constant is not None:
            plan.add(constant_load(plan, drain.constant, drain.skip, stage, row, row_end))
        tile = tiles[index]
        padded = -(-tile.count // plan.config.drain_lanes) * plan.config.drain_lanes
        out, order = (row, row_end, tile.channel, tile.channel + padded), source.order(row, row_end)
        places = {"row": source.buffer, "out": tile.buffer}
        accesses = [
            Access("read_row", source.buffer, row, row_end, 0, depth),
            Access("write_drain", tile.buffer, *out),
            *drain.accesses,
            *decoder_reads,
            *rows_of_their_own.accesses(row, row_end),
        ]
        if drain.skip is not None:
            places["skip"] = drain.skip
            accesses.append(Access("read_skip", drain.skip, *out))
        plan.add(
            Operation(
                operation="gemm",
                layer=layer.name,
                stage=stage,
                fields=fixed | {
                    "row_first": row, "rows": row_end - row, "column_source": COLUMN_SOURCES.index("weights"),
                    "columns": tile.count, "out_channel": tile.channel, "out_row": row,
                    "out_halfwords": int(tile.buffer.halfwords),
                },
                places=places,
                planes=rows_of_their_own.planes,
                accesses=accesses,
                tile=weight_tiles[index],
                result=Result(
                    tensor=one.output, head=None, first_row=row if order is None else order[0], rows=row_end - row,
                    first_channel=tile.first, channels=tile.count, buffer=tile.buffer, buffer_row=row,
                    buffer_channel=tile.channel, order=order,
                ),
            )
        )  # fmt: skip
        if index == len(tiles) - 1 and (following := next(norm_chunks, None)) is not None:
            plan.add(following)
        if tile.scores_of is not None and row_end == rows and readers.add_scores is not None:
            readers.add_scores(tile.scores_of)


def _last_tiles(plan: Plan, norm: Pass, rows: int, depth: int) -> int:
    """Column tiles that take turns by chunks so that LayerNorm can begin early enough.

    While it works, the array has the last tile of its input and the first two of its result; where that is too little,
    the last two tiles take turns, at the price of weights that come later.
    """
    channels = plan.network.tensor(norm.output).shape[1]
    row_tiles = -(-rows // plan.config.array_rows)
    drain = drain_cycles(plan.config)
    beside = row_tiles * (max(depth, drain) + FIRST_TILES * max(channels, drain))
    return 2 if layernorm_cycles(rows, channels, plan.config) > beside else 1


# The columns


def _column_tiles(plan: Plan, one: Pass, heads: int | None, source: Placed) -> list[ColumnTile]:
    name, lanes = one.output, plan.config.array_columns
    rows, columns = source.buffer.rows, plan.network.tensor(name).shape[1]
    halfwords = is_halfwords(plan.network.tensor(name).format)
    if heads is None:
        buffer = plan.place(name, rows, columns, halfwords, source.rows)
        return [
            ColumnTile(first=first, count=min(lanes, columns - first), buffer=buffer, channel=first)
            for first in range(0, columns, lanes)
        ]
    width = columns // (3 * heads)
    parts: list[list[Buffer]] = [
        [plan.buffer(f"{name}.{part}{head}", rows, width, False) for part in "qkv"] for head in range(heads)
    ]
    plan.heads[name] = [(query, key, value) for query, key, value in parts]
    # the values come last: nobody needs them before softmax has begun
    order = [(part, head) for head in range(heads) for part in (0, 1)] + [(2, head) for head in range(heads)]
    places = [(part, head, first) for part, head in order for first in range(0, width, lanes)]
    before = [None, *(head if part == 1 and first + lanes >= width else None for part, head, first in places)]
    return [
        ColumnTile(
            first=(part * heads + head) * width + first, count=min(lanes, width - first), buffer=parts[head][part],
            channel=first, scores_of=scores_of,
        )
        for (part, head, first), scores_of in zip(places, before[:-1], strict=True)
    ]  # fmt: skip


def _columns_of_pixels(plan: Plan, load: Im2col | Rearrange | None, weights: np.ndarray) -> np.ndarray:
    """Weights of the patch embedding in the order of the pixels in memory: y, x, channel."""
    if not isinstance(load, Im2col):
        return weights
    channels = plan.network.tensor(plan.network.manifest.input).shape[2]
    by_channel = weights.reshape(len(weights), channels, load.patch, load.patch)
    return by_channel.transpose(0, 2, 3, 1).reshape(len(weights), -1)


def _tile_data(plan: Plan, one: Pass, tile: ColumnTile, weights: np.ndarray, packed: bool) -> np.ndarray:
    arrays, mine = plan.network.arrays, slice(tile.first, tile.first + tile.count)
    channel_shifts = [np.zeros(tile.count, np.uint8)] * 2
    if isinstance(one.drain, Residual):
        if one.drain.skip is not None:
            channel_shifts[0] = plan.network.shifts(one.drain.skip)[mine]
        channel_shifts[1] = plan.network.shifts(one.drain.output)[mine]
    bias, mult, shift = (arrays[f"{one.main.name}.{key}"][mine] for key in ("bias", "mult", "shift"))
    entries = parameter_entries(bias, mult, shift, *channel_shifts)
    return weight_tile_bytes(weights[mine], entries, plan.config, packed)
