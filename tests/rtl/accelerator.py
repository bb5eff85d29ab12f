"""Programs on the model and on the Verilog, many to a simulator process: every byte, every cycle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler.executable import compile_executable
from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError
from hwsim.interpreter import run_program
from hwsim.simulators.run import Job, run_jobs
from hwsim.simulators.toolchain import Simulator
from hwsim.timing.dram import DramModel
from hwsim.timing.schedule import schedule
from tests.random_network import random_images, random_network
from tests.random_program import random_program


@dataclass(frozen=True, kw_only=True)
class Case:
    """One random program, or one random network, and one DRAM."""

    kind: Literal["program", "network"]
    seed: int
    chains: int
    trace: bool
    latency: int
    stall: int
    dram_seed: int
    row_scales: bool = False
    """A network whose rows have scales of their own, and outliers."""
    wide_stream: bool = False
    """A network whose residual stream has 16 bits."""
    narrow_weights: bool = False
    """A network most of whose weights have 4 bits."""

    @property
    def model(self) -> DramModel:
        """Its DRAM."""
        return DramModel(latency=self.latency, stall=self.stall, seed=self.dram_seed)

    def memory(self, config: AcceleratorConfig) -> NDArray[np.uint8]:
        """DRAM before the run; a network that the compiler refuses becomes a program of the same seed."""
        if self.kind == "network":
            shifts = config.pe_style == "shift"
            network = random_network(
                self.seed, many_shifts=shifts, row_scales=self.row_scales and shifts, wide_stream=self.wide_stream,
                narrow_weights=self.narrow_weights,
            )  # fmt: skip
            try:
                executable = compile_executable(network, config, trace=self.trace)
            except HwsimError:
                return random_program(self.seed, config, self.chains)
            return executable.with_image(random_images(network, 1, self.seed)[0])
        return random_program(self.seed, config, self.chains)


def check_cases(cases: Sequence[Case], config: AcceleratorConfig, simulator: Simulator) -> int:
    """Run cases in one simulator process and return the cycles that all of them took.

    Raises
    ------
    AssertionError
        At the first byte, cycle or busy cycle that differs.
    """
    jobs = [Job(dram=case.memory(config), model=case.model) for case in cases]
    results = run_jobs(jobs, config, simulator)
    for case, job, found in zip(cases, jobs, results, strict=True):
        expected = run_program(job.dram, config)
        timeline = schedule(expected.instructions, config, case.model, expected.tile_steps)
        assert found.error == "none", f"{case}: error {found.error} of {found.error_queue}, tag {found.error_tag}"
        different = np.flatnonzero(expected.dram != found.dram)
        assert different.size == 0, f"{case}: {different.size} bytes differ, the first at {int(different[0]):#x}"
        assert found.cycles == timeline.cycles, f"{case}: {found.cycles} cycles, the model says {timeline.cycles}"
        assert found.busy_cycles == timeline.busy_cycles, f"{case}: busy cycles"
    return sum(found.cycles for found in results)
