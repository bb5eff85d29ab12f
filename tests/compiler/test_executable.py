"""Executables run by the interpreter: every instruction's result, and the logits, are those of the machine."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from hwsim.compiler import compile_network
from hwsim.compiler.check import check_executable
from hwsim.compiler.executable import Executable, compile_executable
from hwsim.config import load_preset
from hwsim.errors import HwsimError
from hwsim.interpreter import run_program
from hwsim.isa import INSTRUCTION_BYTES, LOAD_TARGETS, QUEUES, decode_program, encode
from hwsim.machine import Machine
from hwsim.network import Network, load_network
from tests.random_network import DEIT_TINY, random_images, random_network, vit_network

PRESETS = ["tiny", "edge", "large"]
COMPUTE = ("gemm", "softmax", "layernorm")
SHIPPED = "hwsim/zoo/fashion_mnist_vit"


def assert_equals_machine(network: Network, executable: Executable, orders: list[tuple[str, ...] | None]) -> None:
    images = random_images(network, 1, seed=1)
    expected = Machine(compile_network(network, executable.config)).run(images, trace=True)
    for order in orders:
        dram = run_program(executable.with_image(images[0]), executable.config, queue_order=order).dram
        for result in executable.results:
            equal = result.codes(dram) == result.expected(expected.trace[result.tensor][0])
            assert equal.all(), f"instruction {result.instruction}, {result.layer}, {result.tensor}, order {order}"
        assert (executable.logits(dram) == expected.logits[0]).all()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("seed", range(3))
def test_every_order_that_tokens_allow_gives_the_results_of_the_machine(preset: str, seed: int) -> None:
    network = random_network(seed)
    for trace in (True, False):
        executable = compile_executable(network, load_preset(preset), trace=trace)
        assert_equals_machine(network, executable, [None, *permutations(QUEUES)])


@pytest.mark.parametrize("overrides", [
    ["activation_banks=2"], ["activation_banks=4", "activation_buffer_bytes=2560"], ["segment_instructions=4"],
    ["dram_bits_per_cycle=512"], ["queue_depth=2", "segment_instructions=8", "burst_beats=16"],
])  # fmt: skip
def test_where_banks_and_memory_are_few_tokens_keep_instructions_apart(overrides: list[str]) -> None:
    for seed in (1, 4):
        network = random_network(seed)
        executable = compile_executable(network, load_preset("tiny", overrides), trace=seed == 1)
        check_executable(executable)
        assert_equals_machine(network, executable, [None, QUEUES, QUEUES[::-1]])
        assert (executable.bank_edges > 0) == (overrides[0].startswith("activation_banks") or seed == 1)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_shipped_network_gives_the_results_of_the_machine(preset: str) -> None:
    network = load_network(SHIPPED)
    executable = compile_executable(network, load_preset(preset), trace=True)
    assert_equals_machine(network, executable, [None, ("softmax", "layernorm", "array", "dma")])


def test_deit_tiny_fits_edge_and_gives_the_logits_of_the_machine() -> None:
    network = vit_network(DEIT_TINY, np.random.default_rng(0))
    executable = compile_executable(network, load_preset("edge"))
    assert executable.bank_edges == 0
    assert_equals_machine(network, executable, [None])


def test_every_compute_instruction_is_traced_and_every_element_once() -> None:
    network = random_network(1)
    executable = compile_executable(network, load_preset("tiny"), trace=True)
    traced = [result.instruction for result in executable.results]
    assert traced == [i for i, one in enumerate(executable.program) if one.operation in COMPUTE]
    seen = {name: np.zeros(spec.shape, int) for name, spec in network.manifest.tensors.items()}
    for result in executable.results:
        part = seen[result.tensor] if result.head is None else seen[result.tensor][result.head]
        rows, channels = slice(result.first_row, result.first_row + result.rows), result.first_channel
        part[rows, channels : channels + result.channels] += 1
    inside = [layer.input for layer in network.layers if layer.op == "table"]
    inside += [layer.branch for layer in network.layers if layer.op == "residual"]
    for layer in network.layers:
        if layer.op != "im2col":
            assert (seen[layer.output] == (layer.output not in inside)).all(), layer.output


@pytest.mark.parametrize("preset", PRESETS)
def test_the_program_is_cut_into_segments_that_load_each_other(preset: str) -> None:
    config = load_preset(preset)
    executable = compile_executable(load_network(SHIPPED), config)
    size, burst = config.segment_instructions, config.burst_beats * config.beat_bytes
    stride = -(-size * INSTRUCTION_BYTES // burst) * burst
    assert executable.program[-1].operation == "end"
    for segment, first in enumerate(range(0, len(executable.program), size)):
        mine, rest = executable.program[first : first + size], executable.program[first + size :]
        address = executable.program_address + segment * stride
        assert decode_program_bytes(executable, address, len(mine)) == [encode(one) for one in mine]
        if rest:
            load = mine[0]
            assert (load.operation, LOAD_TARGETS[load["target"]], load["bank"]) == (
                "load",
                "program",
                (segment + 1) % 2,
            )
            assert load["address"] == address + stride
            assert load["beats"] * config.beat_bytes == min(size, len(rest)) * INSTRUCTION_BYTES
    assert len(decode_program(executable.dram[:stride].tobytes() + encode(executable.program[-1]))) > 1


def decode_program_bytes(executable: Executable, address: int, count: int) -> list[bytes]:
    data = executable.dram[address : address + count * INSTRUCTION_BYTES].tobytes()
    return [data[i : i + INSTRUCTION_BYTES] for i in range(0, len(data), INSTRUCTION_BYTES)]


def test_addresses_in_dram_begin_at_bursts() -> None:
    config = load_preset("tiny")
    executable = compile_executable(random_network(0), config, trace=True)
    addresses = [one["address"] for one in executable.program if one.queue == "dma"]
    assert not [address for address in addresses if address % (config.burst_beats * config.beat_bytes)]
    assert max(addresses) < len(executable.dram)


def test_an_image_of_another_shape_is_refused() -> None:
    executable = compile_executable(random_network(0), load_preset("tiny"))
    with pytest.raises(HwsimError, match="expected uint8"):
        executable.with_image(np.zeros((3, 3), np.uint8))
