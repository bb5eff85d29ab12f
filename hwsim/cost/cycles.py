"""Cycles of each instruction, from the formulas that the RTL benches assert (``hwsim/units/timing.py``).

This version runs one instruction after another. Within an instruction the DMA fills one bank of the weight buffer while
the array works from the other, so an instruction takes the longer of its unit and its DMA. The pixels of an image are
loaded by the DMA of the instruction that reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from hwsim.compiler.program import Instruction, Program
from hwsim.config import AcceleratorConfig
from hwsim.network import Layer, Residual, Table
from hwsim.units.timing import RESIDUAL_STAGES, TABLE_STAGES, gemm_cycles, layernorm_cycles, softmax_cycles


@dataclass(frozen=True, kw_only=True)
class InstructionCycles:
    """When one instruction runs and what it waits for, in cycles since the image began."""

    start: int
    unit: int
    """Cycles of the array, the softmax unit or the LayerNorm unit."""
    dma: int
    """Cycles of the DMA that run beside them."""

    @property
    def total(self) -> int:
        """Cycles until the next instruction starts."""
        return max(self.unit, self.dma)

    @property
    def end(self) -> int:
        """First cycle of the next instruction."""
        return self.start + self.total


def schedule(program: Program) -> list[InstructionCycles]:
    """Cycles of every instruction of a program, in order."""
    cycles: list[InstructionCycles] = []
    start = 0
    for instruction in program.instructions:
        cycles.append(
            InstructionCycles(
                start=start,
                unit=unit_cycles(instruction, program),
                dma=dma_cycles(instruction, program.config),
            )
        )
        start = cycles[-1].end
    return cycles


def unit_cycles(instruction: Instruction, program: Program) -> int:
    """Cycles of the unit that performs an instruction; what follows the requantiser adds its pipeline stages."""
    gemm, config = instruction.gemm, program.config
    if gemm is not None:
        product = gemm_cycles(gemm.rows, gemm.columns, gemm.depth, gemm.copies, config)
        return product + sum(_drain_stages(layer) for layer in layers_of(instruction, program))
    if instruction.unit == "softmax":
        return softmax_cycles(instruction.rows, instruction.channels, config)
    return layernorm_cycles(instruction.rows, instruction.channels, config)


def layers_of(instruction: Instruction, program: Program) -> list[Layer]:
    """Network layers that an instruction performs, in order."""
    by_name = {layer.name: layer for layer in program.network.layers}
    return [by_name[name] for name in instruction.layers]


def _drain_stages(layer: Layer) -> int:
    if isinstance(layer, Table):
        return TABLE_STAGES
    return RESIDUAL_STAGES if isinstance(layer, Residual) else 0


def dma_cycles(instruction: Instruction, config: AcceleratorConfig) -> int:
    """Cycles that the DRAM port is busy, at one word of ``dram_bits_per_cycle`` a cycle."""
    traffic = instruction.traffic
    return -(-(traffic.dram_read_bits + traffic.dram_write_bits) // config.dram_bits_per_cycle)


def utilization(macs: int, cycles: int, config: AcceleratorConfig) -> Fraction:
    """Share of the array's multipliers that do wanted work: ``macs / (rows * columns * cycles)``."""
    return Fraction(macs, config.array_rows * config.array_columns * cycles) if cycles else Fraction(0)
