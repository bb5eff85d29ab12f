"""A tiny Swin on the whole accelerator: windows, shift, mask, merging, mean; bytes and cycles are the model's."""

from __future__ import annotations

import numpy as np
import pytest

from hwsim.compiler.executable import compile_executable
from hwsim.config import load_preset
from hwsim.interpreter import run_program
from hwsim.simulators.run import Job, run_jobs
from hwsim.simulators.toolchain import Simulator
from hwsim.timing.dram import DramModel
from hwsim.timing.schedule import schedule
from tests.compiler.test_swin import FEW_ROWS, METHODS, SHIFTED, swin
from tests.random_network import random_images

SLOW = DramModel(latency=9, stall=60, seed=2)


def check(
    overrides: tuple[str, ...], simulator: Simulator, methods: list[tuple[str, int]], trace: bool
) -> dict[str, int]:
    """Run networks in one simulator process; stored elements of each tensor that the trace holds."""
    config = load_preset(overrides[0], list(overrides[1:]))
    executables = [compile_executable(swin(*method), config, trace=trace) for method in methods]
    jobs = [
        Job(dram=one.with_image(random_images(one.network, 1, index)[0]), model=SLOW)
        for index, one in enumerate(executables)
    ]
    elements: dict[str, int] = {}
    for executable, job, found in zip(executables, jobs, run_jobs(jobs, config, simulator), strict=True):
        expected = run_program(job.dram, config)
        timeline = schedule(expected.instructions, config, SLOW, expected.tile_steps)
        assert found.error == "none"
        assert np.count_nonzero(expected.dram != found.dram) == 0
        assert found.cycles == timeline.cycles
        assert found.busy_cycles == timeline.busy_cycles
        for one in executable.results:
            elements[one.tensor] = elements.get(one.tensor, 0) + one.rows * one.channels
    return elements


def test_every_tensor_of_every_format_by_bands_of_a_window() -> None:
    elements = check(("tiny", *FEW_ROWS), "verilator", METHODS, trace=True)
    # the shifted block, for each of the networks: scores of 4 windows and 2 heads, each of 16 x 16, and its streams
    assert elements[f"{SHIFTED}.scores"] == len(METHODS) * 4 * 2 * 256
    assert elements[f"{SHIFTED}.values"] == elements[f"{SHIFTED}.add"] == len(METHODS) * 64 * 16


@pytest.mark.parametrize("preset", ["tiny", "edge"])
def test_programs_without_a_trace(preset: str) -> None:
    check((preset,), "verilator", METHODS, trace=False)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_icarus_knows_every_bit() -> None:
    check(("tiny",), "icarus", METHODS[:2], trace=False)
