"""A point of an exploration: cycles, energy and gates of one network on one configuration.

What most points share is computed once (``explore_memo``): the network's operand counts, its program, its traffic.
Cycles and energy are those of ``hwsim run``, to the cycle and to the attojoule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler import compile_network
from hwsim.compiler.executable import Executable, compile_passes
from hwsim.compiler.lower import lower
from hwsim.compiler.program import OperandCounts, Program
from hwsim.compiler.support import check_config
from hwsim.config import AcceleratorConfig
from hwsim.cost.area_estimate import AreaEstimate, estimate_area
from hwsim.cost.datapath import Datapath
from hwsim.cost.energy import memory_energy, pass_energy
from hwsim.cost.energy_table import EnergyTable, load_energy_table
from hwsim.cost.estimate import AJ_PER_UJ
from hwsim.cost.traffic import Traffic, add_traffic, boot_traffic, instruction_traffic
from hwsim.errors import HwsimError
from hwsim.flows.explore_memo import Memo
from hwsim.interpreter import run_program
from hwsim.machine import Machine
from hwsim.network import Network
from hwsim.report.exploration import Figures
from hwsim.timing.cycles import Skeleton, program_cycles, skeleton

NO_TRAFFIC = Traffic(
    activation_read_bits=0, activation_write_bits=0, weight_write_bits=0, weight_read_bits=0, dram_read_bits=0,
    dram_write_bits=0,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Compiled:
    """What is left of a program."""

    skeleton: Skeleton
    traffic: Traffic
    """Of one image; all instructions and the load of segment 0."""
    tile_steps: Mapping[int, NDArray[np.int64]]


class _Counted(NamedTuple):
    energy_aj: int
    """Of all images, memories left out."""
    table: EnergyTable


class Evaluator:
    """Evaluates one network on many configurations.

    Parameters
    ----------
    pixels : uint8[images, height, width, channels]; None counts no energy
    """

    def __init__(self, network: Network, pixels: NDArray[np.uint8] | None) -> None:
        self.network, self.pixels = network, pixels
        self.passes = lower(network)
        self.checked = Memo(self._check)
        self.compiled = Memo(self._compile)
        self.cycles = Memo(self._cycles)
        self.counts = Memo(self._count_operands)
        self.computing = Memo(self._energy_of_computing)
        self.energy = Memo(self._energy)
        self.area = Memo(estimate_area)

    def figures(self, config: AcceleratorConfig) -> Figures:
        """What an image costs, and the accelerator.

        Raises
        ------
        HwsimError
            If the compiler refuses the network on this configuration.
        """
        self.checked(config)
        cycles = self.cycles(config)
        area: AreaEstimate = self.area(config)
        return Figures(
            cycles=cycles,
            latency_ms=cycles / (config.freq_mhz * 1e3),
            energy_uj=None if self.pixels is None else self.energy(config) / (len(self.pixels) * AJ_PER_UJ),
            gates_nand2=area.gates_nand2,
            memory_bits=area.memory_bits,
            area_nand2=area.area_nand2,
        )

    def _check(self, config: AcceleratorConfig) -> Program:
        check_config(config)
        return compile_network(self.network, config)

    def _compile(self, config: AcceleratorConfig) -> _Compiled:
        executable = compile_passes(self.network, self.passes, config)
        steps = self._tile_steps(executable)
        parts = [instruction_traffic(one, config, steps.get(index)) for index, one in enumerate(executable.program)]
        return _Compiled(
            skeleton=skeleton(executable.program, config),
            traffic=add_traffic(*parts, boot_traffic(config)),
            tile_steps=steps,
        )  # fmt: skip

    def _tile_steps(self, executable: Executable) -> Mapping[int, NDArray[np.int64]]:
        """Steps of each tile in the first image, where rows have outliers."""
        if not any(one.operation == "gemm" and one["outliers"] for one in executable.program):
            return {}
        if self.pixels is None:
            raise HwsimError(
                f"network {self.network.name}: its rows have outliers, which add cycles, so its cycles need an image"
                " (expected --images 1 or more)"
            )
        return run_program(executable.with_image(self.pixels[0]), executable.config).tile_steps

    def _cycles(self, config: AcceleratorConfig) -> int:
        compiled = self.compiled(config)
        return program_cycles(compiled.skeleton, config, tile_steps=compiled.tile_steps)

    def _count_operands(self, config: AcceleratorConfig) -> Mapping[str, OperandCounts]:
        assert self.pixels is not None
        program = replace(self.checked(config), config=config)
        return Machine(program).run(self.pixels).operand_counts

    def _energy_of_computing(self, config: AcceleratorConfig) -> _Counted:
        assert self.pixels is not None
        program, counts = replace(self.checked(config), config=config), self.counts(config)
        table, images = load_energy_table(config.energy_table), len(self.pixels)
        energy = sum(
            sum(pass_energy(one, program, NO_TRAFFIC, counts.get(one.name), images, table).values())
            for one in program.passes
        )
        return _Counted(energy, table)

    def _energy(self, config: AcceleratorConfig) -> int:
        """Attojoules of all images."""
        assert self.pixels is not None
        computing = self.computing(config)
        path = Datapath(config=config, table=computing.table)
        memories = memory_energy(self.compiled(config).traffic, len(self.pixels), path, "typical")
        return computing.energy_aj + sum(memories.values())
