"""The interpreter's rows with scales of their own, and halfwords through LayerNorm, against the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError
from hwsim.interpreter import State, execute
from hwsim.isa import Instruction, decode, encode
from tests import oracle
from tests.interpreter_model import PRESETS, Memory, instruction, load, random_state

EXAMPLES = settings(max_examples=80, deadline=None)


def blocks(channels: int, width: int) -> int:
    return width * -(-channels // width)


@st.composite
def layernorms(draw: Any, config: AcceleratorConfig) -> Instruction:
    """A LayerNorm whose rows, result and planes lie in four quarters of the buffer."""
    width, quarter = config.word_bytes, config.buffer_words // 4
    channels, halfwords = draw(st.integers(1, 40)), draw(st.booleans())
    lo, hi = draw(st.sampled_from([(-128, 127), (0, 255), (-8, 7), (0, 3)]))
    in_channels = channels + config.layernorm_lanes
    return instruction(
        "layernorm",
        in_base=width * draw(st.integers(0, 2)),
        in_stride=-(-2 * in_channels // width) + 1 if halfwords else blocks(in_channels, width),
        in_row=draw(st.integers(0, 20)),
        rows=draw(st.integers(1, 40)),
        channels=channels,
        out_base=quarter,
        out_stride=blocks(in_channels, width),
        out_row=draw(st.integers(0, 20)),
        exponent=0 if halfwords else draw(st.integers(0, 7)),
        shift=draw(st.integers(8, 31)),
        in_halfwords=halfwords,
        row_encode=draw(st.booleans()),
        encode_shift=draw(st.integers(7, 31)),
        outliers=draw(st.booleans()),
        outlier_exponent=draw(st.integers(0, 7)),
        lo=lo,
        hi=hi,
        epsilon=draw(st.integers(0, 1 << 20)),
        threshold=draw(st.sampled_from([0, 1, 100, 5000, 32767, 32768, 65535])),
        outlier_high=2 * quarter,
        outlier_low=3 * quarter,
    )


def random_rows(config: AcceleratorConfig, one: Instruction, seed: int) -> State:
    """Full memories; zero points are codes."""
    state, rng = random_state(config, seed), np.random.default_rng(seed)
    state.affine.flag[:] *= not one["in_halfwords"]
    state.rows.encode_multipliers[:] = rng.integers(0, 1 << 15, 1024)
    state.rows.zero_points[:] = rng.integers(one["lo"], one["hi"] + 1, 1024)
    state.outliers.bits[:] = rng.random(state.outliers.bits.shape) < 0.5
    return state


def residual_values(before: Memory, state: State, one: Instruction, r: int) -> list[int]:
    """Decoded row of the residual stream."""
    place, channels = (one["in_base"], one["in_stride"], one["in_row"] + r), range(one["channels"])
    if one["in_halfwords"]:
        return [before.get_halfword(*place, c) for c in channels]
    return [before.get(*place, c, signed=True) << one["exponent"] * int(state.affine.flag[c]) for c in channels]


def expected_layernorm(state: State, one: Instruction) -> tuple[Memory, list[list[bool]]]:
    """Buffer after a LayerNorm, and the outlier map."""
    expected, affine, lanes = Memory(state.activation.words), state.affine, state.config.layernorm_lanes
    before, outliers = Memory(expected.words), state.outliers.bits.tolist()
    for r in range(one["rows"]):
        row, channels = one["out_row"] + r, one["channels"]
        normal = oracle.layernorm_normalise(residual_values(before, state, one, r), one["epsilon"])
        bits = outliers[row // state.config.array_rows]
        for c in range(lanes * -(-channels // lanes)):
            code = high = low = 0
            if c < channels:
                scaled = oracle.round_shift(normal[c] * int(affine.gamma[c]) + int(affine.beta[c]), one["shift"])
                code = oracle.clamp(scaled, one["lo"], one["hi"])
            if c < channels and one["row_encode"]:
                scale, zero = int(state.rows.encode_multipliers[row]), int(state.rows.zero_points[row])
                threshold = one["threshold"] if one["outliers"] else None
                how = one["encode_shift"], one["outlier_exponent"], threshold, one["lo"], one["hi"]
                value = oracle.clamp(scaled, -(2**15), 2**15 - 1)
                code, high, low, is_outlier = oracle.encode_row(value, scale, zero, *how)
                if one["outliers"]:
                    bits[c] = is_outlier or (bits[c] and row % state.config.array_rows != 0)
            expected.put(one["out_base"], one["out_stride"], row, c, code)
            if one["row_encode"] and one["outliers"]:
                expected.put(one["outlier_high"], one["out_stride"], row, c, high)
                expected.put(one["outlier_low"], one["out_stride"], row, c, low)
    return expected, outliers


@given(data=st.data(), preset=st.sampled_from(sorted(PRESETS)), seed=st.integers(0, 1 << 32))
@EXAMPLES
def test_layernorm_is_the_oracle_on_every_byte_and_in_the_outlier_map(data: Any, preset: str, seed: int) -> None:
    config = PRESETS[preset]
    one = decode(encode(data.draw(layernorms(config))))
    state = random_rows(config, one, seed)
    expected, outliers = expected_layernorm(state, one)
    assert execute(one, state) is None
    assert (state.activation.words == expected.words).all()
    assert state.outliers.bits.tolist() == outliers


def test_row_table_holds_the_fields_of_each_beat() -> None:
    state = random_state(PRESETS["tiny"], 3)
    m, e, z = 1 << 15, (1 << 15) - 1, -200
    entry = (m | e << 16 | (z % 512) << 32 | 5 << 41).to_bytes(8, "little")
    state.dram[:16] = np.frombuffer(bytes(8) + entry, np.uint8)
    state.rows.multipliers[2] = 77
    execute(load("row_multipliers", beats=2), state)
    assert state.rows.multipliers[:3].tolist() == [0, m, 77]
    assert state.rows.encode_multipliers[:2].tolist() == [0, e]
    assert state.rows.zero_points[:2].tolist() == [0, z]


ENCODED = {"rows": 1, "channels": 4, "row_encode": 1, "out_base": 64, "out_stride": 8, "in_base": 128}


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (load("row_multipliers", beats=1025), "load: 1025 rows of the row table, expected at most 1024"),
        (instruction("layernorm", **ENCODED, out_row=1024), "layernorm: out_row is 1024, expected 0 to 1023"),
        (
            instruction("layernorm", **ENCODED, outliers=1, encode_shift=3, outlier_exponent=4),
            "layernorm: exponent must be 0..3, not 4",
        ),
    ],
)
def test_what_the_hardware_cannot_do_is_refused(one: Instruction, message: str) -> None:
    state = random_state(PRESETS["tiny"], 0)
    with pytest.raises(HwsimError, match=message):
        execute(one, state)
