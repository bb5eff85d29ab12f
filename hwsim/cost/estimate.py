"""Cost of a whole run: every layer's cycles and energy, and totals that equal the sums of their parts exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

from hwsim.compiler.program import OperandCounts, PassSummary, Program, Unit
from hwsim.config import AcceleratorConfig
from hwsim.cost.cycles import LayerCycles, Profile, utilization
from hwsim.cost.datapath import Datapath
from hwsim.cost.energy import COMPONENTS, EnergyByComponent, memory_energy, pass_energy
from hwsim.cost.energy_table import DRAM_LEVELS, DramLevel, EnergyTable, energy_table_names, load_energy_table
from hwsim.cost.waits import REASONS, Reason

AJ_PER_UJ = 10**12


Region = Literal["zero", "small", "large"]
REGIONS: tuple[Region, ...] = get_args(Region)
PROGRAM = "(program)"
"""Row of what no layer is charged for: the program itself is loaded and dispatched."""


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """Cost of one layer with what its drain does: cycles for one image, energy for all images of the run."""

    name: str
    layers: tuple[str, ...]
    unit: Unit | Literal["controller"]
    macs: int
    cycles: LayerCycles
    utilization: float
    """Wanted products / (multipliers x cycles that go to it)."""
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
    profile: Profile
    layers: tuple[LayerCost, ...]
    low: EnergyBound
    high: EnergyBound

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def cycles_per_image(self) -> int:
        """Cycles of the whole program, as the accelerator's own counter reads afterwards."""
        return self.profile.timeline.cycles

    @property
    def spent(self) -> dict[Reason, int]:
        """Cycles of one image by what the array does or waits for; they add up to all cycles."""
        return {reason: sum(layer.cycles.spent[reason] for layer in self.layers) for reason in REASONS}

    @property
    def array_cycles(self) -> int:
        """Cycles that go to products: from a product's first operand to the next one's, less other units' time."""
        return sum(layer.cycles.total for layer in self.layers if layer.unit == "pe_array")

    @property
    def array_utilization(self) -> float:
        """Share of the array's multipliers that do wanted work, over the cycles that go to products."""
        return float(utilization(self.macs, self.array_cycles, self.config))

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


def estimate(program: Program, profile: Profile, counts: Mapping[str, OperandCounts], image_count: int) -> Cost:
    """Cycles and energy of a run.

    Parameters
    ----------
    profile : of the same network's executable
    counts : for each product, the row operands it fed to the array, summed over the images
    """
    table = load_energy_table(program.config.energy_table)
    layers = tuple(
        LayerCost(
            name=one.name,
            layers=one.layers,
            unit=one.unit,
            macs=(macs := one.gemm.macs if one.gemm else 0),
            cycles=profile.cycles[one.name],
            utilization=float(utilization(macs, profile.cycles[one.name].total, program.config)),
            multiplications=_multiplications(one, counts),
            energy_aj=pass_energy(one, program, profile.traffic[one.name], counts.get(one.name), image_count, table),
        )
        for one in program.passes
    )
    load = LayerCost(
        name=PROGRAM,
        layers=(),
        unit="controller",
        macs=0,
        cycles=profile.cycles[None],
        utilization=0.0,
        multiplications=dict.fromkeys(REGIONS, 0),
        energy_aj=_program_energy(program, profile, image_count, table),
    )
    low, high = _band(program, profile, counts, image_count, table)
    return Cost(
        config=program.config, image_count=image_count, table=table, profile=profile, layers=(load, *layers), low=low,
        high=high,
    )  # fmt: skip


def _program_energy(
    program: Program, profile: Profile, image_count: int, table: EnergyTable, dram_level: DramLevel = "typical"
) -> EnergyByComponent:
    path = Datapath(config=program.config, table=table)
    return dict.fromkeys(COMPONENTS, 0) | memory_energy(profile.traffic[None], image_count, path, dram_level)


def _multiplications(summary: PassSummary, counts: Mapping[str, OperandCounts]) -> dict[Region, int]:
    operands = counts.get(summary.name)
    if summary.gemm is None or operands is None:
        return dict.fromkeys(REGIONS, 0)
    columns = summary.gemm.columns
    return {"zero": operands.zero * columns, "small": operands.small * columns, "large": operands.large * columns}


def _band(
    program: Program, profile: Profile, counts: Mapping[str, OperandCounts], image_count: int, chosen: EnergyTable
) -> tuple[EnergyBound, EnergyBound]:
    """Lowest and highest energy over the chosen and all shipped tables, at each end of their DRAM figures."""
    tables = {name: load_energy_table(name) for name in energy_table_names()} | {chosen.name: chosen}
    bounds = [
        EnergyBound(table=name, dram=level, energy_aj=_total(program, profile, counts, image_count, table, level))
        for name, table in tables.items()
        for level in DRAM_LEVELS
    ]
    return min(bounds, key=lambda bound: bound.energy_aj), max(bounds, key=lambda bound: bound.energy_aj)


def _total(
    program: Program,
    profile: Profile,
    counts: Mapping[str, OperandCounts],
    image_count: int,
    table: EnergyTable,
    level: DramLevel,
) -> int:
    of_layers = sum(
        sum(
            pass_energy(
                one, program, profile.traffic[one.name], counts.get(one.name), image_count, table, level
            ).values()
        )
        for one in program.passes
    )
    return of_layers + sum(_program_energy(program, profile, image_count, table, level).values())
