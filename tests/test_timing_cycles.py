"""``hwsim.timing.cycles`` says the cycles of ``hwsim.timing.schedule``, difference 0, for any program."""

from __future__ import annotations

import numpy as np
import pytest

from hwsim.compiler.executable import compile_executable
from hwsim.config import load_preset, preset_names
from hwsim.errors import HwsimError
from hwsim.flows.shipped import network_path
from hwsim.interpreter import run_program
from hwsim.isa import Instruction
from hwsim.network import load_network
from hwsim.timing.cycles import program_cycles, skeleton
from hwsim.timing.dram import DramModel
from hwsim.timing.schedule import schedule
from tests.random_network import random_images, random_network

LANES, KEYS = (1, 2, 4, 8), ("drain_lanes", "softmax_lanes", "layernorm_lanes")


@pytest.mark.parametrize("preset", preset_names())
def test_the_shipped_network_on_every_preset(preset: str) -> None:
    config = load_preset(preset)
    program = compile_executable(load_network(network_path(None)), config).program
    for latency in (0, 20, 100):
        expected = schedule(program, config, DramModel(latency=latency)).cycles
        assert program_cycles(skeleton(program, config), config, latency) == expected


@pytest.mark.parametrize("seed", range(10))
def test_random_networks_on_random_configurations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    overrides = [f"{key}={rng.choice(LANES)}" for key in KEYS]
    overrides += [f"array_rows={rng.choice([2, 4, 8, 16])}", f"array_columns={rng.choice([8, 16])}"]
    overrides += [f"dram_bits_per_cycle={rng.choice([64, 128])}", f"queue_depth={rng.integers(2, 6)}"]
    overrides += [f"segment_instructions={rng.choice([8, 16, 64])}", f"burst_beats={rng.choice([16, 64])}"]
    overrides += [f"dma_outstanding={rng.integers(1, 5)}", f"activation_banks={rng.choice([16, 32])}"]
    config = load_preset("edge", overrides)
    network = random_network(seed, row_scales=bool(seed % 2), narrow_weights=seed % 3 == 0)
    executable = compile_executable(network, config)
    steps = {}
    if any(one["outliers"] for one in executable.program if one.operation == "gemm"):
        steps = run_program(executable.with_image(random_images(network, 1, seed)[0]), config).tile_steps
    latency = int(rng.integers(60))
    expected = schedule(executable.program, config, DramModel(latency=latency), steps).cycles
    assert program_cycles(skeleton(executable.program, config), config, latency, steps) == expected


def test_programs_that_cannot_run_are_refused() -> None:
    config = load_preset("tiny")
    with pytest.raises(HwsimError, match="the program has 0 instructions and no end"):
        skeleton([], config)
    load = Instruction("load", {"beats": 1})
    wait = Instruction("load", {"beats": 1, "wait": 2})
    program = skeleton([load, wait, Instruction("end", {})], config)
    with pytest.raises(HwsimError, match="instruction 1 waits for a token that no instruction before it posts"):
        program_cycles(program, config)
