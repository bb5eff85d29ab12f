"""Rows with scales of their own: the row table, the planes of outliers and the outlier map, as operations use them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hwsim.compiler.image import entry_beats, row_entries
from hwsim.compiler.operations import Access, Buffer, Operation, Port
from hwsim.compiler.plan import EarlyLoad, Placed, Plan
from hwsim.compiler.support import refuse
from hwsim.formats import RowUniform
from hwsim.isa import LOAD_TARGETS
from hwsim.network import LayerNorm, Linear

PLANES: dict[str, Port] = {"outlier_high": "write_outlier_high", "outlier_low": "write_outlier_low"}
"""Fields that take the bases of the two planes, and the ports through which LayerNorm writes them."""


@dataclass(frozen=True, kw_only=True)
class RowScales:
    """What an instruction on such rows has beside others; nothing where rows have no scales."""

    fields: dict[str, int] = field(default_factory=dict)
    planes: dict[str, Buffer] = field(default_factory=dict)
    table: Buffer | None = None
    outlier_map: Buffer | None = None
    channels: int = 0
    """Of the planes that an instruction touches."""
    writes: bool = False

    def accesses(self, row: int, row_end: int) -> list[Access]:
        """What an instruction on some rows reads and writes: whole row tiles of the map."""
        if self.table is None:
            return []
        found = [Access("read_inside", self.table)]
        for name, buffer in self.planes.items():
            found.append(Access(PLANES[name] if self.writes else "read_row", buffer, row, row_end, 0, self.channels))
        if self.outlier_map is not None:
            found.append(Access("write_inside" if self.writes else "read_inside", self.outlier_map, row, row_end))
        return found


def row_scales(plan: Plan, layer: Linear) -> RowScales:
    """What the products of a linear layer have, where its rows have scales.

    Raises
    ------
    HwsimError
        If another LayerNorm has filled the row table since.
    """
    fmt = plan.network.tensor(layer.input).format
    if not isinstance(fmt, RowUniform):
        return RowScales()
    if plan.row_tensor != layer.input:
        found = f"reads {layer.input} after the row table and the outlier map have been filled for {plan.row_tensor}"
        refuse(plan.network, layer.name, found, "all readers of rows with scales before the next LayerNorm makes such")
    return RowScales(
        fields={"row_scales": 1, "outliers": int(fmt.outliers)},
        planes=plan.planes.get(layer.input, {}),
        table=plan.row_buffer,
        outlier_map=plan.outlier_buffer if fmt.outliers else None,
        channels=plan.placed(layer.name, layer.input).depth,
    )


def row_encoder(plan: Plan, layer: LayerNorm, stage: int, out: Placed, padded: int) -> RowScales:
    """What a LayerNorm has that makes such rows; adds the load of the row table, and the planes.

    Parameters
    ----------
    out : where the rows go
    padded : channels of a row in whole beats of LayerNorm
    """
    network, name = plan.network, layer.output
    fmt = network.tensor(name).format
    if not isinstance(fmt, RowUniform):
        return RowScales()
    assert layer.encode_shift is not None, "the network check asks for it"
    rows, channels = out.buffer.rows, out.buffer.channels
    entries = row_entries(network.row_arrays(name))
    held = np.arange(rows) if out.rows is None else np.array(out.rows)
    load = Operation(
        operation="load",
        layer=layer.name,
        stage=stage,
        fields={"target": LOAD_TARGETS.index("row_multipliers"), "beats": rows},
        accesses=[Access("write_inside", plan.row_buffer)],
        section=plan.parameters(
            f"{layer.name} rows", entry_beats(np.where(held >= 0, entries[held], np.uint64(0)), rows, plan.config)
        ),
    )
    plan.early_loads.append(EarlyLoad(load=load, stages_before=1))
    plan.row_tensor = name
    fields = {"row_encode": 1, "encode_shift": layer.encode_shift}
    if not fmt.outliers:
        return RowScales(fields=fields, table=plan.row_buffer)
    assert layer.threshold is not None, "the network check asks for it"
    fields |= {"outliers": 1, "outlier_exponent": fmt.exponent, "threshold": layer.threshold}
    plan.planes[name] = {plane: plan.buffer(f"{name}.{plane}", rows, channels, False) for plane in PLANES}
    return RowScales(
        fields=fields,
        planes=plan.planes[name],
        table=plan.row_buffer,
        outlier_map=plan.outlier_buffer,
        channels=padded,
        writes=True,
    )


def keeps_row_table(plan: Plan, linear: Linear, norm: LayerNorm) -> bool:
    """Whether a LayerNorm may begin before the linear layer in front of it ends: both would need the row table."""
    formats = [plan.network.tensor(name).format for name in (linear.input, norm.output)]
    return not all(isinstance(fmt, RowUniform) for fmt in formats)
