"""Energy of each pass by component: action counts times the energies of one table, in whole attojoules.

A zero row operand is gated (our decision): the decoder sees a mantissa of zero and holds the inputs and the clock of
that row's multipliers, shifters, adders and accumulators for the step. So it saves the multiplication, the shift, the
addition and the registers of every column, and nothing else: its code is still read and decoded.
"""

from __future__ import annotations

from typing import Literal, get_args

from hwsim.compiler.program import OperandCounts, PassSummary, Program
from hwsim.cost.datapath import Datapath
from hwsim.cost.energy_table import DramLevel, EnergyTable
from hwsim.cost.traffic import Traffic
from hwsim.formats import RowUniform, Uniform
from hwsim.network import (
    AttentionScores,
    AttentionValues,
    Im2col,
    Layer,
    Linear,
    Rearrange,
    Residual,
    Table,
    TokenMean,
)

Component = Literal[
    "multiply_zero",
    "multiply_small",
    "multiply_large",
    "shift",
    "accumulate",
    "pe_registers",
    "decode",
    "requantize",
    "table",
    "softmax",
    "layernorm",
    "residual",
    "activation_buffer",
    "weight_buffer",
    "dram",
]
COMPONENTS: tuple[Component, ...] = get_args(Component)

ONES = Uniform(bits=8, signed=False)
"""Row operand of the mean of tokens."""

EnergyByComponent = dict[Component, int]
"""Attojoules, with every component present."""


def pass_energy(
    summary: PassSummary,
    program: Program,
    traffic: Traffic,
    counts: OperandCounts | None,
    image_count: int,
    table: EnergyTable,
    dram_level: DramLevel = "typical",
) -> EnergyByComponent:
    """Energy of one pass over all images, in attojoules.

    Parameters
    ----------
    traffic : what it moves for one image
    counts : row operands that a GEMM fed to the array, summed over the images
    dram_level : which end of the table's DRAM band
    """
    path = Datapath(config=program.config, table=table)
    energy: EnergyByComponent = dict.fromkeys(COMPONENTS, 0)
    if summary.gemm is not None:
        if counts is None:
            raise ValueError(f"{summary.name}: operand counts are missing")
        operands = counts.zero + counts.small + counts.large
        expected = image_count * summary.gemm.macs // summary.gemm.columns
        if operands < expected or (operands > expected and not _has_outliers(summary, program)):
            raise ValueError(f"{summary.name}: operand counts must add up to {expected}, not {operands}")
        energy |= _array_energy(summary, program, counts, path)
        energy |= _drain_energy(summary, program, image_count, path)
    elements = summary.rows * summary.channels
    if summary.unit == "softmax":
        energy["softmax"] = image_count * (elements * path.softmax_element() + summary.rows * path.softmax_row())
    if summary.unit == "layernorm":
        row = summary.rows * path.layernorm_row()
        encoded = isinstance(program.network.tensor(layers_of(summary, program)[-1].output).format, RowUniform)
        element = path.layernorm_element() + (path.encode_row() if encoded else 0)
        energy["layernorm"] = image_count * (elements * element + row)
    return energy | memory_energy(traffic, image_count, path, dram_level)


def _array_energy(summary: PassSummary, program: Program, counts: OperandCounts, path: Datapath) -> EnergyByComponent:
    gemm = summary.gemm
    assert gemm is not None
    active = (counts.small + counts.large) * gemm.columns
    column_tiles = -(-gemm.columns // program.config.array_columns)
    decoded = (counts.zero + counts.small + counts.large) * column_tiles
    return {
        "multiply_zero": 0,
        "multiply_small": counts.small * gemm.columns * path.multiply(),
        "multiply_large": counts.large * gemm.columns * path.multiply(),
        "shift": active * path.shift(),
        "accumulate": active * path.accumulate(),
        "pe_registers": active * path.pe_registers(),
        "decode": decoded * path.decode(_row_operand_format(summary, program)),
    }


def _drain_energy(summary: PassSummary, program: Program, image_count: int, path: Datapath) -> EnergyByComponent:
    """Energy of what happens to each accumulator on its way out of the array."""
    gemm = summary.gemm
    assert gemm is not None
    outputs = image_count * gemm.copies * gemm.rows * gemm.columns
    rows_of_their_own = isinstance(_row_operand_format(summary, program), RowUniform)
    requantize = path.requantize() + (path.scale_row() if rows_of_their_own else 0)
    energy: EnergyByComponent = {"requantize": outputs * requantize, "table": 0, "residual": 0}
    for layer in layers_of(summary, program):
        if isinstance(layer, Table):
            fmt = program.network.tensor(layer.input).format
            energy["table"] += outputs * path.look_up(fmt.bits)
        elif isinstance(layer, Residual) or (isinstance(layer, AttentionScores) and layer.biased):
            energy["residual"] += outputs * path.add_residual()
    return energy


def memory_energy(traffic: Traffic, image_count: int, path: Datapath, dram_level: DramLevel) -> EnergyByComponent:
    """Energy of what moves for each of the images; only the components of memories are present."""
    table, config = path.table, path.config
    activation_bytes, weight_bytes = config.activation_buffer_bytes, config.weight_buffer_bytes
    return {
        "activation_buffer": image_count
        * (
            traffic.activation_read_bits * table.sram_read_bit_aj(activation_bytes)
            + traffic.activation_write_bits * table.sram_write_bit_aj(activation_bytes)
        ),
        "weight_buffer": image_count
        * (
            traffic.weight_read_bits * table.sram_read_bit_aj(weight_bytes)
            + traffic.weight_write_bits * table.sram_write_bit_aj(weight_bytes)
        ),
        "dram": image_count * (traffic.dram_read_bits + traffic.dram_write_bits) * table.dram_bit_aj(dram_level),
    }


def layers_of(summary: PassSummary, program: Program) -> list[Layer]:
    """Network layers that a pass performs, in order."""
    by_name = {layer.name: layer for layer in program.network.layers}
    return [by_name[name] for name in summary.layers]


def _has_outliers(summary: PassSummary, program: Program) -> bool:
    fmt = _row_operand_format(summary, program)
    return isinstance(fmt, RowUniform) and fmt.outliers


def _row_operand_format(summary: PassSummary, program: Program) -> object:
    """Format of the tensor whose codes the row decoders read."""
    for layer in layers_of(summary, program):
        if isinstance(layer, Linear | AttentionScores):
            return program.network.tensor(layer.input).format
        if isinstance(layer, AttentionValues):
            return program.network.tensor(layer.probabilities).format
        if isinstance(layer, TokenMean):
            return ONES
        assert isinstance(layer, Im2col | Rearrange), f"{summary.name}: {layer.op} cannot come before the product"
    raise ValueError(f"{summary.name}: has no layer that multiplies")
