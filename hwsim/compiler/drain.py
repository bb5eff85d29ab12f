"""What follows the requantiser in the drain of a linear layer: a table, or the residual adder, and what they read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwsim.compiler.image import TABLE_BYTES, constant_rows
from hwsim.compiler.lower import Pass
from hwsim.compiler.operations import Access, Buffer, Operation
from hwsim.compiler.plan import EarlyLoad, Placed, Plan
from hwsim.compiler.support import check_table, refuse
from hwsim.formats import ChannelScaled, Uniform
from hwsim.isa import DRAIN_OPERATIONS, LOAD_TARGETS
from hwsim.network import Residual, Table

TABLE_STAGES_BEFORE = 6
"""From the first layer of a block's MLP back to q, k and v, whose rows the array waits for: the DMA has time then."""


@dataclass(frozen=True, kw_only=True)
class Drain:
    """What a drain adds to each GEMM of its layer."""

    fields: dict[str, int]
    skip: Buffer | None = None
    constant: Residual | None = None
    """Layer whose constant is the skip; its rows are loaded as the first column tile needs them."""
    accesses: list[Access]


def add_drain(plan: Plan, one: Pass, stage: int, source: Placed) -> Drain:
    """Fields and operands of the drain of a linear layer; adds the loads of its table or constant.

    Raises
    ------
    HwsimError
        If the old stream lies in another order of rows than the row operand ``source``.
    """
    layer = one.drain
    if isinstance(layer, Table):
        check_table(plan.network, layer.name, layer.input)
        _load_table(plan, layer, stage)
        fields = {"drain": DRAIN_OPERATIONS.index("table")}
        return Drain(fields=fields, accesses=[Access("read_inside", plan.table_buffer)])
    if isinstance(layer, Residual):
        return _residual(plan, layer, source)
    return Drain(fields={}, accesses=[])


def _residual(plan: Plan, layer: Residual, source: Placed) -> Drain:
    new = plan.network.tensor(layer.output).format
    assert isinstance(new, ChannelScaled | Uniform), "the network check lets only a residual tensor here"
    fields = {"guard": layer.guard_bits, "code_lo": new.minimum, "code_hi": new.maximum}
    if layer.skip is None:
        rows = len(plan.network.arrays[f"{layer.name}.constant"])
        lanes = max(plan.config.drain_lanes, plan.config.beat_bytes // 2)
        channels = -(-plan.network.tensor(layer.output).shape[1] // lanes) * lanes
        skip = plan.buffer(f"{layer.name}.constant", rows, channels, True)
        fields |= {"drain": DRAIN_OPERATIONS.index("constant")}
        return Drain(fields=fields, skip=skip, constant=layer, accesses=[])
    old, stream = plan.network.tensor(layer.skip).format, plan.placed(layer.name, layer.skip)
    if stream.rows != source.rows or stream.parts != source.parts:
        refuse(plan.network, layer.name, f"adds {layer.skip} in another order of rows", "that of what it is added to")
    skip = stream.buffer
    if isinstance(old, Uniform):  # added as a constant is, and kept as halfwords
        return Drain(fields=fields | {"drain": DRAIN_OPERATIONS.index("constant")}, skip=skip, accesses=[])
    fields |= {"drain": DRAIN_OPERATIONS.index("residual"), "multiplier": layer.mult, "shift": layer.shift}
    return Drain(fields=fields, skip=skip, accesses=[])


def _load_table(plan: Plan, layer: Table, stage: int) -> None:
    entries = np.zeros(TABLE_BYTES, np.uint8)
    table = plan.network.arrays[f"{layer.name}.table"]
    entries[: len(table)] = table
    load = Operation(
        operation="load",
        layer=layer.name,
        stage=stage,
        fields={"target": LOAD_TARGETS.index("table"), "beats": TABLE_BYTES // plan.config.beat_bytes},
        accesses=[Access("write_inside", plan.table_buffer)],
        section=plan.parameters(f"{layer.name} table", entries),
    )
    plan.early_loads.append(EarlyLoad(load=load, stages_before=TABLE_STAGES_BEFORE))


def constant_load(plan: Plan, layer: Residual, buffer: Buffer | None, stage: int, row: int, row_end: int) -> Operation:
    """Load of some rows of a constant, which the drain adds."""
    assert buffer is not None
    data = constant_rows(plan.network.arrays[f"{layer.name}.constant"][row:row_end], plan.config)
    return Operation(
        operation="load",
        layer=layer.name,
        stage=stage,
        fields={
            "target": LOAD_TARGETS.index("halfwords"), "beats": len(data) // plan.config.beat_bytes, "first_row": row,
            "run_bytes": 2 * buffer.channels,
        },
        places={"": buffer},
        accesses=[Access("write_dma", buffer, row, row_end, 0, buffer.channels)],
        section=plan.parameters(f"{layer.name} constant", data),
    )  # fmt: skip
