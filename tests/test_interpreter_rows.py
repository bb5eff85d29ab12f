"""Softmax and LayerNorm of the interpreter against the oracle, on random bytes, element by element."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError
from hwsim.formats import Format, Logarithmic, TwoScale, Uniform
from hwsim.interpreter import execute
from hwsim.interpreter.rows import EXP2_TABLE
from hwsim.isa import ENCODER_KINDS, Instruction, decode, encode
from hwsim.rtl import exp2_entries
from tests import oracle
from tests.codebooks import random_codebook
from tests.interpreter_model import PRESETS, Memory, instruction, random_state
from tests.test_interpreter_gemm import EXAMPLES, TABLE, blocks, configs, seeds


def test_exponential_table_is_the_hardwares() -> None:
    assert EXP2_TABLE.tolist() == exp2_entries() == TABLE


@given(
    config=configs, seed=seeds, rows=st.integers(1, 20), columns=st.integers(1, 45), in_row=st.integers(0, 20),
    out_row=st.integers(0, 20), encoder=st.sampled_from(ENCODER_KINDS), bits=st.integers(2, 8),
    exponent=st.integers(0, 8), spread=st.integers(2, 15),
)  # fmt: skip
@EXAMPLES
def test_softmax_is_the_oracle_on_every_byte_of_the_buffer(
    config: AcceleratorConfig, seed: int, rows: int, columns: int, in_row: int, out_row: int, encoder: str, bits: int,
    exponent: int, spread: int,
) -> None:  # fmt: skip
    state = random_state(config, seed)
    width, lanes = config.word_bytes, config.softmax_lanes
    in_stride, out_stride, out_base = -(-2 * columns // width) + 1, blocks(columns + lanes, width), 64 * width
    expected = Memory(state.activation.words)
    rng = np.random.default_rng(seed)
    for r in range(rows):
        scores = rng.integers(-(1 << spread), 1 << spread, columns).tolist()
        for c, score in enumerate(scores):
            expected.put_halfword(out_base * 4, in_stride, in_row + r, c, score)
    state.activation.words[:] = expected.words
    fmt: Format
    if encoder == "two_scale":
        fmt = TwoScale(bits=bits, exponent=exponent, small_signed=False)
    elif encoder == "uniform":
        fmt = Uniform(bits=bits, signed=False)
    elif encoder == "codebook":
        fmt = random_codebook(random.Random(seed), bits)
        state.thresholds[: len(fmt.thresholds)] = fmt.thresholds
    else:
        fmt = Logarithmic(bits=bits, base="two" if encoder == "log2" else "sqrt_two", max_shift=exponent)
    before = Memory(expected.words)
    for r in range(rows):
        scores = [before.get_halfword(out_base * 4, in_stride, in_row + r, c) for c in range(columns)]
        for c, p in enumerate(oracle.softmax_row(scores, TABLE)):
            expected.put(out_base, out_stride, out_row + r, c, oracle.encode_probability(p, fmt))
        for c in range(columns, lanes * -(-columns // lanes)):
            expected.put(out_base, out_stride, out_row + r, c, 0)
    one = instruction(
        "softmax", in_base=out_base * 4, in_stride=in_stride, in_row=in_row, rows=rows, columns=columns,
        out_base=out_base, out_stride=out_stride, out_row=out_row, encoder=ENCODER_KINDS.index(encoder), bits=bits,
        exponent=exponent,
    )  # fmt: skip
    assert execute(decode(encode(one)), state) is None
    assert (state.activation.words == expected.words).all()


@given(
    config=configs, seed=seeds, rows=st.integers(1, 40), channels=st.integers(1, 70), in_row=st.integers(0, 20),
    out_row=st.integers(0, 20), shift=st.integers(0, 31),
    epsilon=st.integers(0, (1 << 30) - 1), bounds=st.lists(st.integers(-128, 255), min_size=2, max_size=2),
)  # fmt: skip
@EXAMPLES
def test_layernorm_is_the_oracle_on_every_byte_of_the_buffer(
    config: AcceleratorConfig, seed: int, rows: int, channels: int, in_row: int, out_row: int, shift: int,
    epsilon: int, bounds: list[int],
) -> None:  # fmt: skip
    state = random_state(config, seed)
    width, lanes = config.word_bytes, config.layernorm_lanes
    stride, out_base = blocks(channels + lanes, width), 60 * width
    lo, hi = sorted(bounds)
    expected, affine = Memory(state.activation.words), state.affine
    before = Memory(expected.words)
    for r in range(rows):
        codes = [before.get(0, stride, in_row + r, c, signed=True) for c in range(channels)]
        values = [code << int(channel) for code, channel in zip(codes, affine.shift, strict=False)]
        for c, n in enumerate(oracle.layernorm_normalise(values, epsilon)):
            scaled = n * int(affine.gamma[c]) + int(affine.beta[c])
            expected.put(out_base, stride, out_row + r, c, oracle.clamp(oracle.round_shift(scaled, shift), lo, hi))
        for c in range(channels, lanes * -(-channels // lanes)):
            expected.put(out_base, stride, out_row + r, c, 0)
    one = instruction(
        "layernorm", in_stride=stride, in_row=in_row, rows=rows, channels=channels, out_base=out_base,
        out_stride=stride, out_row=out_row, shift=shift, lo=lo, hi=hi, epsilon=epsilon,
    )  # fmt: skip
    assert execute(decode(encode(one)), state) is None
    assert (state.activation.words == expected.words).all()


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (instruction("softmax", columns=4), "softmax: rows is 0, expected 1 or more"),
        (instruction("softmax", rows=4, columns=1025), "softmax: columns is 1025, expected 1 to 1024"),
        (instruction("softmax", rows=1, columns=4, bits=8, encoder=5), "softmax: encoder is 5, expected 0 to 4"),
        (instruction("softmax", rows=1, columns=4, bits=1), "softmax: encoder two_scale: bits"),
        (instruction("softmax", rows=1, columns=4, bits=8, exponent=10), "softmax: encoder two_scale: the fine step"),
        (instruction("layernorm", rows=1, channels=129), "layernorm: channels is 129, expected 1 to 128"),
        (instruction("layernorm", rows=1, channels=9, in_base=16376), "the rows of a layernorm reaches word 16384"),
    ],
)  # fmt: skip
def test_row_units_refuse_what_the_hardware_cannot_do(one: Instruction, message: str) -> None:
    with pytest.raises(HwsimError, match=message):
        execute(one, random_state(PRESETS["tiny"], 0))
