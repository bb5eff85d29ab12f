"""Cost of a whole run: every layer's cycles and energy, and totals that equal the sums of their parts exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

from hwsim.compiler.program import Instruction, OperandCounts, Program, Unit
from hwsim.config import AcceleratorConfig
from hwsim.cost.cycles import InstructionCycles, schedule, utilization
from hwsim.cost.energy import COMPONENTS, EnergyByComponent, instruction_energy
from hwsim.cost.energy_table import DRAM_LEVELS, DramLevel, EnergyTable, energy_table_names, load_energy_table

AJ_PER_UJ = 10**12


Region = Literal["zero", "small", "large"]
REGIONS: tuple[Region, ...] = get_args(Region)


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """Cost of one instruction: cycles for one image, energy for all images of the run."""

    name: str
    layers: tuple[str, ...]
    unit: Unit
    macs: int
    cycles: InstructionCycles
    utilization: float
    multiplications: dict[Region, int]
    """Of all images, by region of the row operand."""
    energy_aj: EnergyByComponent

    @property
    def total_aj(self) -> int:
        """Energy of all components, in attojoules."""
        return sum(self.energy_aj.values())


@dataclass(frozen=True, kw_only=True)
class EnergyBound:
    """One end of the band that the shipped tables and their DRAM figures span."""

    table: str
    dram: DramLevel
    energy_aj: int


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Cost of a run of ``image_count`` images."""

    config: AcceleratorConfig
    image_count: int
    table: EnergyTable
    layers: tuple[LayerCost, ...]
    low: EnergyBound
    high: EnergyBound

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def cycles_per_image(self) -> int:
        """Cycles from the first instruction's start to the last one's end."""
        return self.layers[-1].cycles.end

    @property
    def latency_ms(self) -> float:
        """Time of one image at the preset's clock."""
        return self.cycles_per_image / (self.config.freq_mhz * 1e3)

    @property
    def frames_per_second(self) -> float:
        """Images a second, one after another."""
        return 1e3 / self.latency_ms

    @property
    def utilization(self) -> float:
        """Share of the array's multipliers that do wanted work, over all cycles."""
        return float(utilization(self.macs, self.cycles_per_image, self.config))

    @property
    def multiplications(self) -> dict[Region, int]:
        """Multiplications of all images by region of the row operand."""
        return {region: sum(layer.multiplications[region] for layer in self.layers) for region in REGIONS}

    @property
    def energy_aj(self) -> EnergyByComponent:
        """Energy of all images by component."""
        return {name: sum(layer.energy_aj[name] for layer in self.layers) for name in COMPONENTS}

    @property
    def total_aj(self) -> int:
        """Energy of all images."""
        return sum(layer.total_aj for layer in self.layers)

    def per_image_uj(self, energy_aj: int) -> float:
        """Microjoules an image, from attojoules of the whole run."""
        return float(Fraction(energy_aj, self.image_count * AJ_PER_UJ))


def estimate(program: Program, counts: Mapping[str, OperandCounts], image_count: int) -> Cost:
    """Cycles and energy of a run.

    Parameters
    ----------
    counts : for each GEMM instruction, the row operands it fed to the array, summed over the images
    """
    table = load_energy_table(program.config.energy_table)
    cycles = schedule(program)
    layers = tuple(
        LayerCost(
            name=instruction.name,
            layers=instruction.layers,
            unit=instruction.unit,
            macs=(macs := instruction.gemm.macs if instruction.gemm else 0),
            cycles=took,
            utilization=float(utilization(macs, took.total, program.config)),
            multiplications=_multiplications(instruction, counts),
            energy_aj=instruction_energy(instruction, program, counts.get(instruction.name), image_count, table),
        )
        for instruction, took in zip(program.instructions, cycles, strict=True)
    )
    low, high = _band(program, counts, image_count, table)
    return Cost(config=program.config, image_count=image_count, table=table, layers=layers, low=low, high=high)


def _multiplications(instruction: Instruction, counts: Mapping[str, OperandCounts]) -> dict[Region, int]:
    operands = counts.get(instruction.name)
    if instruction.gemm is None or operands is None:
        return dict.fromkeys(REGIONS, 0)
    columns = instruction.gemm.columns
    return {"zero": operands.zero * columns, "small": operands.small * columns, "large": operands.large * columns}


def _band(
    program: Program, counts: Mapping[str, OperandCounts], image_count: int, chosen: EnergyTable
) -> tuple[EnergyBound, EnergyBound]:
    """Lowest and highest energy over the chosen and all shipped tables, at each end of their DRAM figures."""
    tables = {name: load_energy_table(name) for name in energy_table_names()} | {chosen.name: chosen}
    bounds = [
        EnergyBound(table=name, dram=level, energy_aj=_total(program, counts, image_count, table, level))
        for name, table in tables.items()
        for level in DRAM_LEVELS
    ]
    return min(bounds, key=lambda bound: bound.energy_aj), max(bounds, key=lambda bound: bound.energy_aj)


def _total(
    program: Program, counts: Mapping[str, OperandCounts], image_count: int, table: EnergyTable, level: DramLevel
) -> int:
    return sum(
        sum(instruction_energy(one, program, counts.get(one.name), image_count, table, level).values())
        for one in program.instructions
    )
