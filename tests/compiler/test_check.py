"""The static check of executables: it accepts what the compiler makes, and finds every token that is missing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from hwsim.compiler.check import check_executable, check_program, read_program
from hwsim.compiler.executable import compile_executable
from hwsim.config import load_preset
from hwsim.errors import HwsimError
from hwsim.isa import LOAD_TARGETS, QUEUES, Instruction, mask, queues_of
from hwsim.network import load_network
from tests.random_network import DEIT_TINY, random_network, vit_network

PRESETS = ["tiny", "edge", "large"]
SHIPPED = "hwsim/zoo/fashion_mnist_vit"


@pytest.mark.parametrize("preset", PRESETS)
def test_programs_of_random_networks_are_ordered(preset: str) -> None:
    for seed in range(6):
        for trace in (False, True):
            network = random_network(seed)
            check_executable(compile_executable(network, load_preset(preset), trace=trace))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("trace", [False, True])
def test_the_program_of_the_shipped_network_is_ordered(preset: str, trace: bool) -> None:
    check_executable(compile_executable(load_network(SHIPPED), load_preset(preset), trace=trace))


@pytest.mark.parametrize("preset", ["edge", "large"])
def test_the_program_of_deit_tiny_is_ordered(preset: str) -> None:
    check_executable(compile_executable(vit_network(DEIT_TINY, np.random.default_rng(0)), load_preset(preset)))


def test_a_small_buffer_is_used_again_and_again_and_stays_ordered() -> None:
    config = load_preset("tiny", ["activation_buffer_bytes=8192", "activation_banks=4"])
    for seed in range(12):
        network = random_network(seed)
        check_executable(compile_executable(network, config, trace=bool(seed % 2)))


def changed(program: list[Instruction], number: int, **fields: int) -> list[Instruction]:
    one = program[number]
    return [*program[:number], Instruction(one.operation, dict(one.fields) | fields), *program[number + 1 :]]


def tokens(program: list[Instruction]) -> Iterator[tuple[int, int, str, str]]:
    """Poster, taker, and the names of their queues, of each token."""
    posts: dict[tuple[str, str], deque[int]] = {(p, q): deque() for p in QUEUES for q in QUEUES}
    for number, one in enumerate(program):
        if one.queue is not None:
            for giver in queues_of(one["wait"]):
                yield posts[giver, one.queue].popleft(), number, giver, one.queue
            for taker in queues_of(one["post"]):
                posts[one.queue, taker].append(number)


@pytest.mark.parametrize(("preset", "seed", "overrides"), [
    ("tiny", 0, []), ("tiny", 1, []), ("edge", 3, []), ("large", 4, []),
    ("tiny", 1, ["activation_buffer_bytes=4096", "activation_banks=8"]), ("tiny", 1, ["activation_banks=2"]),
])  # fmt: skip
@pytest.mark.parametrize("trace", [False, True])
def test_every_token_and_fence_is_needed(preset: str, seed: int, overrides: list[str], trace: bool) -> None:
    config = load_preset(preset, overrides)
    executable = compile_executable(random_network(seed), config, trace=trace)
    program = read_program(executable)
    check_program(program, config)
    removed = 0
    for poster, taker, giver, queue in tokens(program):
        less = changed(program, poster, post=program[poster]["post"] & ~mask(queue))
        less = changed(less, taker, wait=program[taker]["wait"] & ~mask(giver))
        with pytest.raises(HwsimError, match=r"expected a (token|fence)"):
            check_program(less, config)
        removed += 1
    fences = [number for number, one in enumerate(program) if one["fence"]]
    for number in fences:
        with pytest.raises(HwsimError, match="expected a fence"):
            check_program(changed(program, number, fence=0), config)
    assert removed > 10
    assert fences or trace  # where a store follows every instruction, its token does a fence's work


def refused(match: str, position: int, operation: str, **fields: Any) -> None:
    """Expect a refusal where a field of the so-manieth instruction of an operation has another value."""
    executable = compile_executable(random_network(1), load_preset("edge"))
    program = read_program(executable)
    number = [number for number, one in enumerate(program) if one.operation == operation][position]
    with pytest.raises(HwsimError, match=match):
        check_program(changed(program, number, **fields), executable.config)


def test_a_wait_without_a_post_is_refused() -> None:
    refused("waits for a token of softmax", 0, "gemm", wait=mask("softmax", "dma"))


def test_a_post_without_a_wait_is_refused() -> None:
    refused("nobody takes its token", -1, "gemm", post=mask("dma", "softmax"))


def test_a_read_of_what_nothing_wrote_is_refused() -> None:
    refused("that nothing has written", 0, "layernorm", in_base=512)


def test_fewer_weights_than_steps_are_refused() -> None:
    executable = compile_executable(random_network(1), load_preset("edge"))
    program = read_program(executable)
    number = next(n for n, one in enumerate(program) if one.operation == "load" and one["steps"])
    beats = executable.config.step_beats + executable.config.array_columns
    with pytest.raises(HwsimError, match="are loaded"):
        check_program(changed(program, number, steps=1, beats=beats), executable.config)


@pytest.mark.parametrize("narrow_weights", [False, True])
def test_beats_that_are_not_those_of_the_steps_are_refused(narrow_weights: bool) -> None:
    executable = compile_executable(random_network(1, narrow_weights=narrow_weights), load_preset("edge"))
    program = read_program(executable)
    loads = [n for n, one in enumerate(program) if one["steps"] and one["packed"] == narrow_weights]
    number = next(n for n in loads if program[n].operation == "load")
    beats = program[number]["beats"]
    for change in ({"packed": int(not narrow_weights)}, {"beats": beats + 1}, {"steps": beats}):
        with pytest.raises(HwsimError, match=r"has [0-9]+ beats for [0-9]+ steps, expected [0-9]+"):
            check_program(changed(program, number, **change), executable.config)


def test_packed_is_for_weights_only() -> None:
    refused("is packed, expected weights, not", 0, "load", target=LOAD_TARGETS.index("table"), packed=1)


def test_a_tensor_beyond_the_buffer_is_refused() -> None:
    refused("reaches byte", 0, "gemm", out_base=(1 << 24) - 256)


def test_operands_in_one_bank_are_refused() -> None:
    executable = compile_executable(random_network(1), load_preset("edge"))
    program = read_program(executable)
    number = next(n for n, one in enumerate(program) if one["column_source"] == 1)
    with pytest.raises(HwsimError, match="another of its ports"):
        check_program(changed(program, number, column_base=program[number]["row_base"]), executable.config)


def test_a_result_over_its_own_operand_is_refused() -> None:
    executable = compile_executable(random_network(1), load_preset("edge"))
    program = read_program(executable)
    number = next(n for n, one in enumerate(program) if one.operation == "gemm")
    with pytest.raises(HwsimError, match="share bytes"):
        check_program(changed(program, number, out_base=program[number]["row_base"]), executable.config)
