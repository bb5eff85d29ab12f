"""What follows the requantiser in the drain of a linear layer: a table, or the residual adder, and what they read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwsim.compiler.image import TABLE_BYTES, constant_rows
from hwsim.compiler.lower import Pass
from hwsim.compiler.operations import Access, Buffer, Operation
from hwsim.compiler.plan import EarlyLoad, Plan
from hwsim.compiler.support import check_table
from hwsim.formats import ChannelTwoScale
from hwsim.isa import DRAIN_OPERATIONS, LOAD_TARGETS
from hwsim.network import Residual, Table

TABLE_STAGES_BEFORE = 5
"""From the first layer of a block's MLP back to the scores, during which the DMA has the least to load."""


@dataclass(frozen=True, kw_only=True)
class Drain:
    """What a drain adds to each GEMM of its layer."""

    fields: dict[str, int]
    skip: Buffer | None
    accesses: list[Access]


def add_drain(plan: Plan, one: Pass, stage: int) -> Drain:
    """Fields and operands of the drain of a linear layer; adds the loads of its table or constant."""
    layer = one.drain
    if isinstance(layer, Table):
        check_table(plan.network, layer.name, layer.input)
        _load_table(plan, layer, stage)
        fields = {"drain": DRAIN_OPERATIONS.index("table")}
        return Drain(fields=fields, skip=None, accesses=[Access("read_inside", plan.table_buffer)])
    if isinstance(layer, Residual):
        return _residual(plan, layer, stage)
    return Drain(fields={}, skip=None, accesses=[])


def _residual(plan: Plan, layer: Residual, stage: int) -> Drain:
    new = plan.network.tensor(layer.output).format
    assert isinstance(new, ChannelTwoScale), "the network check lets only a residual tensor here"
    fields = {
        "new_exponent": new.exponent, "guard": layer.guard_bits, "code_lo": new.minimum, "code_hi": new.maximum,
    }  # fmt: skip
    if layer.skip is None:
        skip = _load_constant(plan, layer, stage)
        return Drain(fields=fields | {"drain": DRAIN_OPERATIONS.index("constant")}, skip=skip, accesses=[])
    old = plan.network.tensor(layer.skip).format
    assert isinstance(old, ChannelTwoScale), "the network check lets only a residual tensor here"
    fields |= {
        "drain": DRAIN_OPERATIONS.index("residual"), "old_exponent": old.exponent, "multiplier": layer.mult,
        "shift": layer.shift,
    }  # fmt: skip
    return Drain(fields=fields, skip=plan.placed(layer.name, layer.skip).buffer, accesses=[])


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
        section=plan.section(f"{layer.name} table", entries),
    )
    plan.early_loads.append(EarlyLoad(load=load, stages_before=TABLE_STAGES_BEFORE))


def _load_constant(plan: Plan, layer: Residual, stage: int) -> Buffer:
    constant = plan.network.arrays[f"{layer.name}.constant"]
    data = constant_rows(constant, plan.config)
    rows, row_bytes = len(constant), len(data) // len(constant)
    buffer = plan.buffer(f"{layer.name}.constant", rows, row_bytes // 2, True)
    plan.add(
        Operation(
            operation="load",
            layer=layer.name,
            stage=stage,
            fields={
                "target": LOAD_TARGETS.index("halfwords"), "beats": len(data) // plan.config.beat_bytes,
                "run_bytes": row_bytes,
            },
            places={"": buffer},
            accesses=[Access("write_dma", buffer, 0, rows, 0, row_bytes // 2)],
            section=plan.section(f"{layer.name} constant", data),
        )
    )  # fmt: skip
    return buffer
