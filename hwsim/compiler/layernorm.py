"""LayerNorm as operations, by chunks of rows."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from hwsim.compiler.image import entry_beats, layernorm_entries
from hwsim.compiler.lower import Pass
from hwsim.compiler.operations import Access, Operation, Result
from hwsim.compiler.plan import EarlyLoad, Plan, row_chunks
from hwsim.compiler.row_scales import row_encoder
from hwsim.compiler.support import is_halfwords, refuse_format
from hwsim.formats import RowUniform, Uniform
from hwsim.isa import LOAD_TARGETS
from hwsim.network import LayerNorm


def add_layernorm(plan: Plan, one: Pass, stage: int) -> None:
    """Add a LayerNorm that does not follow a linear layer directly."""
    rows = plan.network.tensor(one.output).shape[0]
    for chunk in layernorm_chunks(plan, one, stage, row_chunks(rows, plan.options.stream_tiles, plan.config)):
        plan.add(chunk)


def layernorm_chunks(plan: Plan, one: Pass, stage: int, chunks: list[tuple[int, int]]) -> Iterator[Operation]:
    """Place the result of a LayerNorm and make its operations, chunk by chunk of rows."""
    layer, network, config = one.main, plan.network, plan.config
    assert isinstance(layer, LayerNorm)
    source = plan.placed(layer.name, layer.input).buffer
    channels = prod(network.tensor(layer.output).shape[1:])
    old, new = network.tensor(layer.input).format, network.tensor(layer.output).format
    if not isinstance(new, Uniform | RowUniform) or is_halfwords(new):
        refuse_format(network, layer.name, layer.output, "a result of uniform codes of at most 8 bits")
    gamma, beta = (network.arrays[f"{layer.name}.{name}"] for name in ("gamma", "beta"))
    entries = layernorm_entries(gamma, beta, network.shifts(layer.input))
    load = Operation(
        operation="load",
        layer=layer.name,
        stage=stage,
        fields={"target": LOAD_TARGETS.index("layernorm"), "beats": channels},
        accesses=[Access("write_inside", plan.layernorm_buffer)],
        section=plan.section(f"{layer.name} parameters", entry_beats(entries, channels, config)),
    )
    plan.early_loads.append(EarlyLoad(load=load, stages_before=1))
    out = plan.place(layer.output, layer.tokens, channels, False)
    padded = -(-channels // config.layernorm_lanes) * config.layernorm_lanes
    rows = row_encoder(plan, layer, stage, padded)
    fixed = rows.fields | {
        "channels": channels, "shift": layer.shift, "lo": new.minimum, "hi": new.maximum, "epsilon": layer.epsilon,
        "in_halfwords": int(is_halfwords(old)),
    }  # fmt: skip

    def chunk(row: int, end: int) -> Operation:
        return Operation(
            operation="layernorm",
            layer=layer.name,
            stage=stage,
            fields=fixed | {"in_row": row, "rows": end - row, "out_row": row},
            places={"in": source, "out": out},
            planes=rows.planes,
            accesses=[
                Access("read_layernorm", source, row, end, 0, channels),
                Access("write_layernorm", out, row, end, 0, padded),
                Access("read_inside", plan.layernorm_buffer),
                *rows.accesses(row, end),
            ],
            result=Result(
                tensor=layer.output, head=None, first_row=row, rows=end - row, first_channel=0, channels=channels,
                buffer=out, buffer_row=row, buffer_channel=0,
            ),
        )  # fmt: skip

    return (chunk(row, min(end, layer.tokens)) for row, end in chunks if row < layer.tokens)
