"""Programs of the interpreter: segments, tokens, every legal order, errors, and a small network by hand."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from hwsim.errors import HwsimError
from hwsim.interpreter import ProgramResult, run_program
from hwsim.isa import INSTRUCTION_BYTES, QUEUES, Instruction, encode
from tests.interpreter_model import PRESETS, instruction, load, program_image

TINY = PRESETS["tiny"]
SEGMENT = TINY.segment_instructions
DATA = 1 << 13
"""Address of the data behind the program."""
RESULT = DATA + 4096


def run(*instructions: Instruction, data: bytes = b"", **options: Any) -> ProgramResult:
    program = program_image(instructions, TINY)
    assert len(program) <= DATA
    dram = np.zeros(RESULT + 4096, np.uint8)
    dram[: len(program)] = program
    dram[DATA : DATA + len(data)] = np.frombuffer(data, np.uint8)
    return run_program(dram, TINY, **options)


def copy(count: int) -> list[Instruction]:
    """Loads and stores that carry ``count`` bytes to the result, eight a time, each through the same word."""
    return [
        one
        for i in range(count)
        for one in (
            load("codes", address=DATA + 512 * (i % 8), beats=1, stride=8, run_bytes=8, runs=1, lines=1, bytes=8),
            instruction("store", address=RESULT + 512 * (i % 8), beats=1, stride=8, row_bytes=8, rows=1),
        )
    ]


@pytest.mark.parametrize("count", [0, 1, SEGMENT // 2 - 1, SEGMENT // 2, SEGMENT, 3 * SEGMENT])
def test_segments_come_one_after_the_other(count: int) -> None:
    body = copy(count)
    result = run(*body, data=bytes(range(256)) * 16)
    loads_of_segments = [one for one in result.instructions if one["target"] == 5 and one.operation == "load"]
    assert len(result.instructions) == len(body) + 1 + len(loads_of_segments)
    assert [one.index for one in result.executions] == list(range(len(result.executions)))
    own = [one for one in result.instructions if one not in loads_of_segments]
    assert [encode(one) for one in own] == [encode(one) for one in [*body, Instruction("end", {})]]
    for i in range(min(count, 8)):
        assert result.dram[RESULT + 512 * i : RESULT + 512 * i + 8].tolist() == [*range(8)]


def test_dram_of_the_caller_is_left_as_it_is() -> None:
    dram = np.zeros(RESULT + 4096, np.uint8)
    program = program_image(copy(1), TINY, address=512)
    dram[512 : 512 + len(program)] = program
    dram[DATA : DATA + 8] = 7
    before = dram.copy()
    result = run_program(dram, TINY, program_address=512)
    assert (dram == before).all()
    assert (result.dram[RESULT : RESULT + 8] == 7).all()


def pipeline(fence: bool = True, missing: str = "") -> list[Instruction]:
    """Load, LayerNorm, product, softmax, store, four times through the same places; ``missing`` leaves a token out."""

    def tokens(**masks: str) -> dict[str, str]:
        return {name: " ".join(q for q in text.split() if f"{name} {q}" != missing) for name, text in masks.items()}

    rounds: list[Instruction] = []
    for i in range(4):
        again = "" if i == 0 else " "
        rounds += [
            load(
                "codes", address=DATA + 512 * i, beats=8, stride=8, run_bytes=8, runs=8, lines=1, bytes=64,
                **tokens(wait="layernorm" if again else "", post="layernorm"),
            ),
            instruction(
                "layernorm", in_stride=8, rows=8, channels=8, out_base=64, out_stride=8, shift=14, lo=-128, hi=127,
                **tokens(wait="dma array" if again else "dma", post="dma array"),
            ),
            instruction(
                "gemm", row_base=64, row_stride=8, rows=8, steps=8, column_base=64, column_source=1, column_stride=8,
                columns=8, out_base=128, out_halfwords=1, out_stride=2, lo=-32768, hi=32767, operand_signed=1,
                **tokens(wait="layernorm softmax" if again else "layernorm", post="layernorm softmax"),
            ),
            instruction(
                "softmax", in_base=128, in_stride=2, rows=8, columns=8, out_base=192, out_stride=8, encoder=1, bits=8,
                **tokens(wait="array dma" if again else "array", post="array dma"),
            ),
            instruction(
                "store", address=RESULT + 512 * i, beats=8, base=192, stride=8, row_bytes=8, rows=8, fence=fence,
                **tokens(wait="softmax", post="softmax"),
            ),
        ]  # fmt: skip
    return rounds


def pipeline_data() -> tuple[list[Instruction], bytes]:
    """Loads of parameters at ``DATA + 2048`` and the data of ``pipeline``."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, 2048).astype(np.uint8).tobytes()
    entries = np.full(4, 1 << 14 << 32 | 14 << 48, np.uint64).tobytes()
    affine = np.full(8, 1 << 9, np.uint64).tobytes()
    first = [
        load("weights", address=DATA + 2048, beats=4, post="array"),
        load("layernorm", address=DATA + 2560, beats=8, post="layernorm"),
        instruction(
            "gemm", row_base=640, rows=1, steps=1, columns=1, row_stride=8, out_base=512, out_stride=8, wait="dma"
        ),
    ]
    wait = instruction(
        "layernorm", rows=1, channels=1, in_base=512, in_stride=8, out_base=576, out_stride=8, wait="dma"
    )  # fmt: skip
    return [*first, wait], codes + entries.ljust(512, b"\0") + affine


@pytest.mark.parametrize("order", list(permutations(QUEUES)))
def test_every_order_of_the_queues_has_the_result_of_the_program_order(order: tuple[str, ...]) -> None:
    setup, data = pipeline_data()
    expected = run(*setup, *pipeline(), data=data)
    stored = expected.dram[RESULT:]
    assert len(set(stored.tolist())) > 10
    found = run(*setup, *pipeline(), data=data, queue_order=order)
    assert (found.dram == expected.dram).all()
    assert (found.state.activation.words == expected.state.activation.words).all()
    assert found.executions == expected.executions


def test_an_order_of_the_queues_shows_a_missing_token() -> None:
    setup, data = pipeline_data()
    program = [*setup, *pipeline(missing="wait softmax")]
    expected = run(*setup, *pipeline(), data=data)
    assert (run(*program, data=data).dram[RESULT:] == expected.dram[RESULT:]).all()
    found = [run(*program, data=data, queue_order=order).dram[RESULT:] for order in permutations(QUEUES)]
    assert any((dram != expected.dram[RESULT:]).any() for dram in found)


def test_a_token_that_nobody_posted_is_named() -> None:
    body = [load("table", address=DATA, beats=1), load("table", address=DATA, beats=1, wait="array softmax", tag=77)]
    with pytest.raises(HwsimError, match=r"instruction 1 \(load, tag 77\): waits for a token of array, softmax"):
        run(*body)
    with pytest.raises(HwsimError, match=r"instruction 1 \(load, tag 77\): waits for a token, and nothing"):
        run(*body, queue_order=QUEUES)


@pytest.mark.parametrize("ahead", [TINY.queue_depth, TINY.queue_depth + 1])
def test_a_full_queue_holds_the_instructions_behind_it_back(ahead: int) -> None:
    wait = instruction("softmax", in_stride=1, rows=1, columns=1, bits=8, out_stride=8, encoder=1, wait="dma")
    body = [*[wait] * ahead, *[load("table", address=DATA, beats=1, post="softmax")] * ahead]
    if ahead == TINY.queue_depth:
        assert len(run(*body, queue_order=QUEUES).instructions) == 2 * ahead + 1
        return
    with pytest.raises(HwsimError, match=r"instruction 0 \(softmax, tag 0\): waits for a token, and nothing"):
        run(*body, queue_order=QUEUES)


def test_a_token_is_taken_once() -> None:
    wait = instruction("softmax", in_stride=1, rows=1, columns=1, bits=8, out_stride=8, encoder=1, wait="dma")
    with pytest.raises(HwsimError, match=r"instruction 2 \(softmax, tag 0\): waits for a token of dma"):
        run(load("table", address=DATA, beats=1, post="softmax array"), wait, wait)


def test_too_many_tokens_are_refused() -> None:
    dram = np.zeros(1 << 17, np.uint8)
    program = program_image([load("table", beats=1, post="array")] * 256, TINY)
    dram[: len(program)] = program
    with pytest.raises(HwsimError, match="dma has posted 256 tokens for array, expected at most 255"):
        run_program(dram, TINY)


def test_an_instruction_that_fails_is_named() -> None:
    with pytest.raises(HwsimError, match=r"instruction 1 \(load, tag 5\): load: beats is 0, expected 1 or more"):
        run(load("table", address=DATA, beats=1), load("table", tag=5))


@pytest.mark.parametrize("order", [None, QUEUES])
def test_an_illegal_opcode_and_a_segment_nobody_loaded_are_named(order: tuple[str, ...] | None) -> None:
    dram = np.zeros(1 << 17, np.uint8)
    with pytest.raises(HwsimError, match="instruction 0: opcode is 0, expected one of load"):
        run_program(dram, TINY, queue_order=order)
    many = encode(load("table", beats=1)) * SEGMENT
    dram[: len(many)] = np.frombuffer(many, np.uint8)
    with pytest.raises(HwsimError, match="instruction 16: its segment has not been loaded into the instruction buffer"):
        run_program(dram, TINY, queue_order=order)


def test_a_program_outside_of_dram_and_an_order_of_other_queues_are_refused() -> None:
    with pytest.raises(HwsimError, match="load: bytes 0x200 to 0x5ff are read or written, expected 0x400 bytes"):
        run_program(np.zeros(1024, np.uint8), TINY, program_address=512)
    with pytest.raises(
        HwsimError, match="queue_order is dma, dma, expected each of dma, array, softmax, layernorm once"
    ):
        run(queue_order=["dma", "dma"])


def test_the_second_half_is_not_run_twice() -> None:
    # segment 1 does not load segment 2: the half that is left must not be executed again
    dram = np.zeros(1 << 17, np.uint8)
    program = program_image([load("table", beats=1)] * (2 * SEGMENT), TINY)
    program[SEGMENT * INSTRUCTION_BYTES :][:INSTRUCTION_BYTES] = np.frombuffer(encode(load("table", beats=1)), np.uint8)
    dram[: len(program)] = program
    with pytest.raises(HwsimError, match="instruction 32: its segment has not been loaded"):
        run_program(dram, TINY)
