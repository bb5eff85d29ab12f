"""The mean of tokens as operations: a row of ones times LayerNorm's codes, which feed the columns as values do."""

from __future__ import annotations

import numpy as np

from hwsim.compiler.attention import parameter_tile
from hwsim.compiler.lower import Pass
from hwsim.compiler.operations import Access, Operation, Result
from hwsim.compiler.plan import Plan
from hwsim.compiler.support import refuse_format, requantizer_fields
from hwsim.formats import Uniform
from hwsim.isa import COLUMN_SOURCES, LOAD_TARGETS, OPERAND_KINDS
from hwsim.network import TokenMean


def add_token_mean(plan: Plan, one: Pass, stage: int) -> None:
    """Add the load of the ones and the product, column tile by column tile."""
    layer, config = one.main, plan.config
    assert isinstance(layer, TokenMean)
    source = plan.placed(layer.name, layer.input)
    if not isinstance(plan.network.tensor(layer.input).format, Uniform):
        refuse_format(plan.network, layer.name, layer.input, "columns of uniform codes of at most 8 bits")
    tokens, channels = plan.network.tensor(layer.input).shape
    ones = plan.buffer(f"{layer.name}.ones", 1, tokens, False)
    beats = -(-tokens // config.beat_bytes)
    plan.add(
        Operation(
            operation="load",
            layer=layer.name,
            stage=stage,
            fields={
                "target": LOAD_TARGETS.index("codes"), "beats": beats, "run_bytes": tokens, "runs": 1, "lines": 1,
                "bytes": tokens,
            },
            places={"": ones},
            accesses=[Access("write_dma", ones, 0, 1, 0, tokens)],
            section=plan.parameters(f"{layer.name} ones", np.ones(tokens, np.uint8)),
        )
    )  # fmt: skip
    out = plan.place(layer.output, 1, channels, False)
    fixed = requantizer_fields(plan.network, layer.name, layer.output) | {
        "operand_kind": OPERAND_KINDS.index("uniform"), "operand_bits": 8, "rows": 1, "steps": tokens,
        "column_source": COLUMN_SOURCES.index("rows"),
    }  # fmt: skip
    for first in range(0, channels, config.array_columns):
        count = min(config.array_columns, channels - first)
        padded = -(-count // config.drain_lanes) * config.drain_lanes
        mult, shift = (plan.network.arrays[f"{layer.name}.{name}"][first : first + count] for name in ("mult", "shift"))
        plan.add(
            Operation(
                operation="gemm",
                layer=layer.name,
                stage=stage,
                fields=fixed | {"columns": count, "column_first": first, "out_channel": first},
                places={"row": ones, "column": source.buffer, "out": out},
                accesses=[
                    Access("read_row", ones, 0, 1, 0, tokens),
                    Access("read_column", source.buffer, 0, tokens, first, first + count),
                    Access("write_drain", out, 0, 1, first, first + padded),
                ],
                tile=parameter_tile(plan, layer.name, mult, shift),
                result=Result(
                    tensor=layer.output, head=None, first_row=0, rows=1, first_channel=first, channels=count,
                    buffer=out, buffer_row=0, buffer_channel=first,
                ),
            )
        )  # fmt: skip
