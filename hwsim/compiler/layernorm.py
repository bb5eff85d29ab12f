"""LayerNorm as operations, by chunks of rows; those of windows go to whole rows of blocks each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from hwsim.compiler.image import entry_beats, layernorm_entries
from hwsim.compiler.lower import Pass
from hwsim.compiler.operations import Access, Operation, Result
from hwsim.compiler.plan import EarlyLoad, Placed, Plan, source_chunks
from hwsim.compiler.row_scales import row_encoder
from hwsim.compiler.support import is_halfwords, refuse_format
from hwsim.formats import RowUniform, Uniform
from hwsim.isa import LOAD_TARGETS
from hwsim.network import LayerNorm

Chunks = Sequence[tuple[int, int]]
"""First row and end of each chunk."""


def add_layernorm(plan: Plan, one: Pass, stage: int) -> None:
    """Add a LayerNorm that does not follow a linear layer directly."""
    source = plan.placed(one.main.name, _input(one))
    for chunk in layernorm_chunks(plan, one, stage, source_chunks(source, plan)):
        plan.add(chunk)


def layernorm_chunks(
    plan: Plan, one: Pass, stage: int, chunks: Chunks, parts: Chunks | None = None
) -> Iterator[Operation]:
    """Place the result of a LayerNorm and make its operations, chunk by chunk of rows.

    Parameters
    ----------
    parts : rows of the result for each chunk, where they are other ones
    """
    layer, network, config = one.main, plan.network, plan.config
    assert isinstance(layer, LayerNorm)
    source = plan.placed(layer.name, _input(one))
    channels = prod(network.tensor(layer.output).shape[1:])
    old, new = network.tensor(layer.input).format, network.tensor(layer.output).format
    if not isinstance(new, Uniform | RowUniform) or is_halfwords(new):
        refuse_format(network, layer.name, layer.output, "a result of uniform codes of at most 8 bits")
    channel_order = np.argsort(source.channels)
    gamma, beta = (network.arrays[f"{layer.name}.{name}"][channel_order] for name in ("gamma", "beta"))
    entries = layernorm_entries(gamma, beta, network.shifts(layer.input)[channel_order])
    load = Operation(
        operation="load",
        layer=layer.name,
        stage=stage,
        fields={"target": LOAD_TARGETS.index("layernorm"), "beats": channels},
        accesses=[Access("write_inside", plan.layernorm_buffer)],
        section=plan.parameters(f"{layer.name} parameters", entry_beats(entries, channels, config)),
    )
    plan.early_loads.append(EarlyLoad(load=load, stages_before=1))
    here = [(row, min(end, layer.tokens)) for row, end in chunks if row < layer.tokens]
    placed = _place(plan, layer, source, here, parts)
    out = placed.buffer
    padded = -(-channels // config.layernorm_lanes) * config.layernorm_lanes
    rows = row_encoder(plan, layer, stage, placed, padded)
    fixed = rows.fields | {
        "channels": channels, "shift": layer.shift, "lo": new.minimum, "hi": new.maximum, "epsilon": layer.epsilon,
        "in_halfwords": int(is_halfwords(old)),
    }  # fmt: skip
    in_order = bool((source.channels == np.arange(channels)).all())

    def chunk(row: int, end: int, out_row: int) -> Operation:
        out_end, order = out_row + end - row, placed.order(out_row, out_row + end - row)
        return Operation(
            operation="layernorm",
            layer=layer.name,
            stage=stage,
            fields=fixed | {"in_row": row, "rows": end - row, "out_row": out_row},
            places={"in": source.buffer, "out": out},
            planes=rows.planes,
            accesses=[
                Access("read_layernorm", source.buffer, row, end, 0, channels),
                Access("write_layernorm", out, out_row, out_end, 0, padded),
                Access("read_inside", plan.layernorm_buffer),
                *rows.accesses(out_row, out_end),
            ],
            result=Result(
                tensor=layer.output, head=None, first_row=row if order is None else order[0], rows=end - row,
                first_channel=0, channels=channels, buffer=out, buffer_row=out_row, buffer_channel=0, order=order,
                channel_order=None if in_order else tuple(channel_order.tolist()),
            ),
        )  # fmt: skip

    return (chunk(row, end, out_row) for (row, end), (out_row, _) in zip(here, parts or here, strict=True))


def _input(one: Pass) -> str:
    assert isinstance(one.main, LayerNorm)
    return one.main.input


def _place(plan: Plan, layer: LayerNorm, source: Placed, chunks: Chunks, parts: Chunks | None) -> Placed:
    """Buffer of the result; rows between the parts hold nothing."""
    rows, held = chunks[-1][1], source.rows
    if parts is not None:
        rows = parts[-1][1]
        of_part = {
            out_row: source.order(row, end) or tuple(range(row, end))
            for (row, end), (out_row, _) in zip(chunks, parts, strict=True)
        }
        held = tuple(
            row
            for (begin, end), (following, _) in zip(parts, [*parts[1:], (rows, rows)], strict=True)
            for row in (*of_part[begin], *[-1] * (following - end))
        )
    elif held is not None:
        held = held[:rows]
    buffer = plan.buffer(layer.output, rows, len(source.channels), False)
    plan.tensors[layer.output] = Placed(
        buffer=buffer, channels=source.channels, depth=len(source.channels), rows=held,
        parts=tuple(parts) if parts is not None else None,
    )  # fmt: skip
    return plan.tensors[layer.output]
