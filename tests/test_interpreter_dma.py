"""Loads and stores of the interpreter, byte by byte."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.config import AcceleratorConfig, load_preset
from hwsim.errors import HwsimError
from hwsim.interpreter import State, execute
from hwsim.isa import Instruction
from hwsim.units.im2col import im2col
from tests.interpreter_model import DRAM_BYTES, PRESETS, Memory, instruction, load, random_state

BURST = 1024
TINY = PRESETS["tiny"]
WIDE_BEATS = ["dram_bits_per_cycle=128", "array_columns=8"]
configs = st.sampled_from([*PRESETS.values(), load_preset("tiny", WIDE_BEATS)])
seeds = st.integers(0, 1 << 32)
EXAMPLES = settings(max_examples=60, deadline=None)


@given(
    config=configs, seed=seeds, run_bytes=st.integers(1, 40), runs=st.integers(1, 9), lines=st.integers(1, 5),
    first_row=st.integers(0, 40), first_channel=st.integers(0, 40), share=st.floats(0, 1), groups=st.integers(1, 3),
)  # fmt: skip
@EXAMPLES
def test_codes_go_run_by_run(
    config: AcceleratorConfig, seed: int, run_bytes: int, runs: int, lines: int, first_row: int, first_channel: int,
    share: float, groups: int,
) -> None:  # fmt: skip
    state = random_state(config, seed)
    count = max(1, round(share * run_bytes * runs * lines * groups))
    stride = config.word_bytes * -(-(first_channel + lines * run_bytes) // config.word_bytes)
    expected = Memory(state.activation.words)
    source, position = iter(state.dram[BURST : BURST + count].tolist()), 0
    while position < count:
        for line in range(lines):
            for run in range(runs):
                for offset in range(run_bytes):
                    if position < count:
                        row = first_row + position // (lines * runs * run_bytes) * runs + run
                        channel = first_channel + line * run_bytes + offset
                        expected.put(32, stride, row, channel, next(source))
                        position += 1
    one = load(
        "codes", address=BURST, beats=-(-count // config.beat_bytes), base=32, stride=stride, first_row=first_row,
        run_bytes=run_bytes, runs=runs, lines=lines, first_channel=first_channel, bytes=count,
    )  # fmt: skip
    execute(one, state)
    assert (state.activation.words == expected.words).all()


@pytest.mark.parametrize("class_token", [False, True])
def test_runs_make_patches_of_an_image_whose_channels_are_planes(class_token: bool) -> None:
    patch, size, channels = 3, 12, 3
    image = np.random.default_rng(0).integers(0, 256, (size, size, channels)).astype(np.uint8)
    state, area = random_state(TINY, 0), patch * patch
    for channel in range(channels):
        state.dram[BURST * channel : BURST * channel + size * size] = image[:, :, channel].reshape(-1)
        one = load(
            "codes", address=BURST * channel, beats=size * size // 8, stride=32, first_row=class_token,
            run_bytes=patch, runs=size // patch, lines=patch, first_channel=channel * area, bytes=size * size,
        )  # fmt: skip
        execute(one, state)
    memory, expected = Memory(state.activation.words), im2col(image, patch, None)
    found = [[memory.get(0, 32, row + class_token, c) for c in range(channels * area)] for row in range(len(expected))]
    assert found == expected.tolist()


@given(
    config=configs, seed=seeds, rows=st.integers(1, 20), columns=st.integers(1, 40), first_row=st.integers(0, 9),
    gap=st.integers(0, 2),
)  # fmt: skip
@EXAMPLES
def test_halfwords_go_row_by_row(
    config: AcceleratorConfig, seed: int, rows: int, columns: int, first_row: int, gap: int
) -> None:
    state = random_state(config, seed)
    beat, stride = config.beat_bytes, -(-2 * columns // config.word_bytes) + gap
    row_beats = -(-2 * columns // beat)
    expected = Memory(state.activation.words)
    for row in range(rows):
        for column in range(columns):
            at = row * row_beats * beat + 2 * column
            value = int.from_bytes(state.dram[at : at + 2].tobytes(), "little")
            expected.put_halfword(5, stride, first_row + row, column, value)
    one = load(
        "halfwords", beats=rows * row_beats, base=5, stride=stride, first_row=first_row, run_bytes=2 * columns
    )  # fmt: skip
    execute(one, state)
    assert (state.activation.words == expected.words).all()


@given(
    config=configs, seed=seeds, halfwords=st.booleans(), rows=st.integers(1, 20), columns=st.integers(1, 40),
    first_row=st.integers(0, 20), beats_before=st.integers(0, 3),
)  # fmt: skip
@EXAMPLES
def test_store_writes_what_the_strobes_let_through(
    config: AcceleratorConfig, seed: int, halfwords: bool, rows: int, columns: int, first_row: int, beats_before: int
) -> None:
    state = random_state(config, seed)
    beat, element = config.beat_bytes, 2 if halfwords else 1
    first_channel, row_bytes = beats_before * beat // element, element * columns
    row_beats = -(-row_bytes // beat)
    stride = -(-2 * (first_channel + columns) // config.word_bytes) * (1 if halfwords else config.word_bytes)
    memory, expected, base = Memory(state.activation.words), state.dram.copy(), 2 * config.word_bytes
    for row in range(rows):
        for column in range(columns):
            at, place = row * row_beats * beat + element * column, (first_row + row, first_channel + column)
            if halfwords:
                value = memory.get_halfword(base, stride, *place) & 0xFFFF
                expected[at], expected[at + 1] = value & 255, value >> 8
            else:
                expected[at] = memory.get(base, stride, *place)
    one = instruction(
        "store", beats=rows * row_beats, halfwords=halfwords, base=base, stride=stride, first_row=first_row,
        row_bytes=row_bytes, rows=rows, first_channel=first_channel,
    )  # fmt: skip
    execute(one, state)
    assert (state.dram == expected).all()
    assert (state.activation.words == memory.words).all()


@given(
    config=configs, seed=seeds, bank=st.integers(0, 1), steps=st.integers(0, 40), entries=st.integers(0, 4),
    packed=st.booleans(),
)  # fmt: skip
@EXAMPLES
def test_weights_and_parameters_of_a_bank(
    config: AcceleratorConfig, seed: int, bank: int, steps: int, entries: int, packed: bool
) -> None:
    state, before = random_state(config, seed), random_state(config, seed)
    columns, beat = config.array_columns, config.beat_bytes
    step_bytes = max(columns, beat)
    weight_beats = steps * step_bytes // beat
    if packed:
        weight_beats = math.ceil(weight_beats / 2)
    execute(load("weights", beats=max(1, weight_beats + entries), bank=bank, steps=steps, packed=packed), state)
    entries = max(1, weight_beats + entries) - weight_beats
    for step in range(steps):
        first = step * step_bytes
        expected_weights = [
            signed(int(before.dram[i // 2]), 4 * (i % 2), 4) if packed else signed(int(before.dram[i]), 0, 8)
            for i in range(first, first + columns)
        ]
        assert state.weights[bank, step].tolist() == expected_weights
    assert (state.weights[bank, steps:] == before.weights[bank, steps:]).all()
    assert (state.weights[1 - bank] == before.weights[1 - bank]).all()
    for column in range(columns):
        if column < entries:
            at = (weight_beats + column) * beat
            word = int.from_bytes(before.dram[at : at + 8].tobytes(), "little")
            expected = (
                signed(word, 0, 32), signed(word, 32, 16), word >> 48 & 63, word >> 54 & 7, word >> 57 & 7,
            )  # fmt: skip
        else:
            expected = parameters(before, bank, column)
        assert parameters(state, bank, column) == expected
        assert parameters(state, 1 - bank, column) == parameters(before, 1 - bank, column)


def parameters(state: State, bank: int, column: int) -> tuple[int, ...]:
    of = state.parameters
    arrays = of.bias, of.multiplier, of.shift, of.old_shift, of.new_shift
    return tuple(int(array[bank, column]) for array in arrays)


def signed(word: int, lsb: int, width: int) -> int:
    value = word >> lsb & ((1 << width) - 1)
    return value - (1 << width) if value >> (width - 1) else value


@pytest.mark.parametrize("config", [TINY, load_preset("tiny", WIDE_BEATS)])
def test_small_memories_fill_from_their_start(config: AcceleratorConfig) -> None:
    state, before, beat = random_state(config, 3), random_state(config, 3), config.beat_bytes
    execute(load("table", address=BURST * 2, beats=48 // beat), state)
    assert (state.table[:48] == before.dram[BURST * 2 : BURST * 2 + 48]).all()
    assert (state.table[48:] == before.table[48:]).all()
    execute(load("layernorm", beats=7), state)
    execute(load("codebook", beats=9), state)
    words = [int.from_bytes(before.dram[beat * i : beat * i + 8].tobytes(), "little") for i in range(9)]
    assert state.affine.gamma[:7].tolist() == [signed(word, 0, 16) for word in words[:7]]
    assert state.affine.beta[:7].tolist() == [signed(word, 16, 32) for word in words[:7]]
    assert state.affine.shift[:7].tolist() == [word >> 48 & 7 for word in words[:7]]
    assert (state.affine.gamma[7:] == before.affine.gamma[7:]).all()
    assert state.codebook.mantissa[:9].tolist() == [signed(word, 0, 16) for word in words]
    assert state.codebook.shift[:9].tolist() == [word >> 16 & 31 for word in words]
    assert not state.codebook.mantissa[9:].any()
    assert not state.thresholds.any()
    execute(load("codebook", address=BURST, beats=260), state)
    words = [int.from_bytes(before.dram[BURST + beat * i :][:8].tobytes(), "little") for i in range(260)]
    assert state.codebook.mantissa.tolist() == [signed(word, 0, 16) for word in words[:256]]
    # entry 256 would be the threshold of code 0
    assert state.thresholds[:3].tolist() == [word % (1 << 17) for word in words[257:]]
    assert not state.thresholds[3:].any()
    execute(load("program", address=BURST, beats=128 // beat, bank=1), state)
    assert state.program[1, :2].tobytes() == before.dram[BURST : BURST + 128].tobytes()
    assert not state.program[0].any()


STORE = {"beats": 2, "stride": 8, "row_bytes": 9, "rows": 1}


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (load("table", address=4, beats=1), "load: address is 4, expected a multiple of 8"),
        (load("table", address=DRAM_BYTES - BURST, beats=129), "load: bytes 0x1fc00 to 0x20007 .*0x20000 bytes"),
        (load("table"), "load: beats is 0, expected 1 or more"),
        (load("table", beats=129), "load: 1032 table entries, expected at most 1024"),
        (instruction("load", target=8, beats=1), "load: target is 8, expected one of weights, codes"),
        (load("weights", beats=2, steps=3), "load: steps is 3, expected at most 2"),
        (load("weights", beats=1030, steps=1025), "load: steps is 1025, expected at most 1024"),
        (load("weights", beats=7, steps=2), "load: 5 parameter entries, expected at most 4"),
        (load("weights", beats=2, steps=5, packed=1), "load: steps is 5, expected at most 4"),
        (load("weights", beats=7, steps=3, packed=1), "load: 5 parameter entries, expected at most 4"),
        (load("table", beats=2, packed=1), "load: packed is 1 and target table, expected weights or packed 0"),
        (load("layernorm", beats=129), "load: 129 channels of LayerNorm, expected at most 128"),
        (load("codebook", beats=513), "load: 513 entries and thresholds of the codebook, expected at most 512"),
        (load("program", beats=9), "load: 72 bytes of program, expected instructions, at most 16"),
        (load("program", beats=136), "load: 1088 bytes of program, expected instructions, at most 16"),
        (load("codes", beats=1, bytes=8, run_bytes=8, runs=1), "load: lines is 0, expected 1 or more"),
        (load("codes", beats=1, bytes=9, run_bytes=8, runs=1, lines=1), "load: bytes is 9, expected at most 8"),
        (load("codes", beats=1, base=4, bytes=8, run_bytes=8, runs=1, lines=1), "load: base is 4, expected a multiple"),
        (
            load("codes", beats=1, base=16376, bytes=8, run_bytes=1, runs=8, lines=1, stride=8, first_row=8),
            "the tensor of a load reaches word 16384 of the activation buffer, expected at most 16383",
        ),
        (load("halfwords", beats=3, run_bytes=10), "load: beats is 3, expected a multiple of 2"),
        (load("halfwords", beats=2, run_bytes=9), "load: run_bytes is 9, expected a multiple of 2"),
        (load("halfwords", beats=2, run_bytes=16, base=16383), "the tensor of a load reaches word 16384"),
        (instruction("store", **{**STORE, "rows": 2}), "store: beats is 2, expected 4"),
        (instruction("store", **{**STORE, "rows": 0}), "store: rows is 0, expected 1 or more"),
        (instruction("store", **STORE, first_channel=4), "store: first_channel is 4, expected a multiple of 8"),
        (instruction("store", **STORE, halfwords=1), "store: row_bytes is 9, expected a multiple of 2"),
        (instruction("store", **STORE, base=16384), "the tensor of a store reaches word"),
    ],
)  # fmt: skip
def test_what_the_hardware_cannot_do_is_refused(one: Instruction, message: str) -> None:
    with pytest.raises(HwsimError, match=message):
        execute(one, random_state(TINY, 0))
