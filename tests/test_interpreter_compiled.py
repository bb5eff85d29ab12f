"""Compiled programs, run from their bytes, against the machine: every traced result, in every order of the queues."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

import hwsim
from hwsim.compiler.compile import compile_network
from hwsim.compiler.executable import Executable, compile_executable
from hwsim.config import AcceleratorConfig, load_preset
from hwsim.interpreter import ProgramResult, run_program
from hwsim.isa import QUEUES
from hwsim.machine import Machine, RunResult
from hwsim.network import Network, Softmax, load_network
from tests.random_network import DEIT_TINY, random_images, random_network, vit_network

ZOO = Path(hwsim.__file__).parent / "zoo" / "fashion_mnist_vit"


def run_both(
    network: Network, config: AcceleratorConfig, seed: int = 0, trace: bool = True
) -> tuple[Executable, ProgramResult, RunResult]:
    """Program of a network with a random image, its result, and the machine's."""
    executable = compile_executable(network, config, trace=trace)
    images = random_images(network, 1, seed)
    expected = Machine(compile_network(network, config)).run(images, trace=True)
    dram = executable.with_image(images[0])
    return executable, run_program(dram, config, executable.program_address), expected


def assert_same(executable: Executable, result: ProgramResult, expected: RunResult) -> None:
    assert executable.logits(result.dram).tolist() == expected.logits[0].tolist()
    for one in executable.results:
        found, wanted = one.codes(result.dram), one.expected(expected.trace[one.tensor][0])
        assert found.shape == wanted.shape, one
        assert (found == wanted).all(), (one, np.argwhere(found != wanted)[:5].tolist())


def traced_elements(executable: Executable) -> dict[str, int]:
    """Elements of each tensor that the trace holds."""
    elements: dict[str, int] = {}
    for one in executable.results:
        elements[one.tensor] = elements.get(one.tensor, 0) + one.rows * one.channels
    return elements


def active_multiplications(executable: Executable, result: ProgramResult) -> dict[str, int]:
    """Multiplications of each GEMM layer by a row operand that is not zero."""
    layers = {one.instruction: one.layer for one in executable.results}
    sums: dict[str, int] = {}
    for one in result.executions:
        if one.operand_counts is not None:
            used = (one.operand_counts.small + one.operand_counts.large) * one.instruction["columns"]
            sums[layers[one.index]] = sums.get(layers[one.index], 0) + used
    return sums


def assert_complete(executable: Executable, result: ProgramResult, expected: RunResult) -> None:
    """The trace holds every element of every pass once, and each GEMM's multiplications are the machine's."""
    passes = compile_network(executable.network, executable.config).passes
    outputs = {layer.name: layer.output for layer in executable.network.layers}
    assert traced_elements(executable) == {outputs[one.layers[-1]]: one.rows * one.channels for one in passes}
    columns = {one.name: one.gemm.columns for one in passes if one.gemm is not None}
    counts = {name: (one.small + one.large) * columns[name] for name, one in expected.operand_counts.items()}
    assert active_multiplications(executable, result) == counts


@pytest.mark.parametrize("preset", ["tiny", "edge"])
@pytest.mark.parametrize("seed", range(6))
def test_random_networks_are_the_machines_on_every_word(preset: str, seed: int) -> None:
    executable, result, expected = run_both(random_network(seed, many_shifts=False), load_preset(preset), seed)
    assert_same(executable, result, expected)
    assert_complete(executable, result, expected)


@pytest.mark.parametrize("preset", ["tiny", "edge"])
@pytest.mark.parametrize("seed", range(6))
def test_rows_with_scales_and_wide_streams_are_the_machines_on_every_word(preset: str, seed: int) -> None:
    network = random_network(seed, row_scales=True, wide_stream=bool(seed % 2), narrow_weights=seed % 3 == 0)
    executable, result, expected = run_both(network, load_preset(preset), seed)
    assert_same(executable, result, expected)
    assert_complete(executable, result, expected)


def test_deit_tiny_with_outliers_and_a_wide_stream_is_the_machines_on_every_word() -> None:
    network = vit_network(DEIT_TINY, np.random.default_rng(0), row_scales=True, wide_stream=True)
    executable = compile_executable(network, load_preset("edge"), trace=True)
    images = random_images(network, 1, 0)
    expected = Machine(compile_network(network, executable.config)).run(images, trace=True)
    result = run_program(executable.with_image(images[0]), executable.config)
    assert_same(executable, result, expected)
    steps = [(result.instructions[n]["steps"], taken) for n, taken in result.tile_steps.items()]
    assert any((taken > planned).any() for planned, taken in steps)


def logarithmic_network() -> Network:
    """The first random network with logarithmic probabilities and without a codebook."""
    for seed in range(1000):
        network = random_network(seed)
        kinds = {spec.format.kind for spec in network.manifest.tensors.values()}
        probabilities = {network.tensor(one.output).format.kind for one in network.layers if isinstance(one, Softmax)}
        if "logarithmic" in probabilities and "codebook" not in kinds:
            return network
    raise AssertionError("no such network")


@pytest.mark.parametrize("preset", ["tiny", "edge"])
def test_logarithmic_probabilities_are_the_machines_on_every_word(preset: str) -> None:
    executable, result, expected = run_both(logarithmic_network(), load_preset(preset))
    assert_same(executable, result, expected)
    assert_complete(executable, result, expected)


def test_the_shipped_network_is_the_machines_on_every_word() -> None:
    executable, result, expected = run_both(load_network(ZOO), load_preset("edge"))
    assert_same(executable, result, expected)
    assert_complete(executable, result, expected)


@pytest.mark.parametrize("trace", [False, True])
def test_tokens_make_every_order_of_the_queues_the_same(trace: bool) -> None:
    network, config = random_network(1, many_shifts=False), load_preset("tiny")
    executable, result, expected = run_both(network, config, trace=trace)
    assert executable.logits(result.dram).tolist() == expected.logits[0].tolist()
    dram = executable.with_image(random_images(network, 1, 0)[0])
    for order in permutations(QUEUES):
        found = run_program(dram, config, executable.program_address, order)
        assert (found.dram == result.dram).all(), order


def test_deit_tiny_is_the_machines_on_every_word() -> None:
    network = vit_network(DEIT_TINY, np.random.default_rng(0))
    executable, result, expected = run_both(network, load_preset("edge"))
    assert_same(executable, result, expected)
