"""Products of the interpreter against the oracle, on random bytes, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.compiler.program import OperandCounts
from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError
from hwsim.formats import Format, Logarithmic, TwoScale
from hwsim.interpreter import State, execute
from hwsim.isa import COLUMN_SOURCES, DRAIN_OPERATIONS, OPERAND_KINDS, Instruction, decode, encode
from tests import oracle
from tests.interpreter_model import PRESETS, Memory, instruction, load, random_state

configs = st.sampled_from(sorted(PRESETS)).map(PRESETS.__getitem__)
seeds = st.integers(0, 1 << 32)
TABLE = oracle.exp2_table()
EXAMPLES = settings(max_examples=100, deadline=None)


def blocks(channels: int, width: int) -> int:
    return width * -(-channels // width)


def signed_32(value: int) -> int:
    """The low 32 bits: sums that the compiler would refuse wrap."""
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def operand_format(one: Instruction) -> Format:
    bits, exponent = one["operand_bits"], one["operand_exponent"]
    kind = OPERAND_KINDS[one["operand_kind"]]
    if kind == "two_scale":
        return TwoScale(bits=bits, exponent=exponent, small_signed=bool(one["operand_signed"]))
    return Logarithmic(bits=bits, base="two" if kind == "log2" else "sqrt_two", max_shift=exponent)


def term(code: int, one: Instruction, state: State, r: int) -> oracle.Term:
    """Term of the code of a row operand's row ``r``, as the hardware's fields say."""
    kind = OPERAND_KINDS[one["operand_kind"]]
    if kind == "uniform":
        zero = int(state.rows.zero_points[one["row_first"] + r]) if one["row_scales"] else one["operand_zero"]
        return (code - 256 if one["operand_signed"] and code > 127 else code) - zero, one["operand_exponent"] % 16
    if kind == "codebook":
        # the array takes 9 bits of an entry's mantissa and 4 of its shift
        low = int(state.codebook.mantissa[code]) % 512
        return low - 512 if low > 255 else low, int(state.codebook.shift[code]) % 16
    return oracle.decode(code % (1 << one["operand_bits"]), operand_format(one))


def column(memory: Memory, state: State, one: Instruction, n: int, k: int) -> int:
    """Element of the column operand."""
    source, place = COLUMN_SOURCES[one["column_source"]], (one["column_base"], one["column_stride"])
    if source == "weights":
        return int(state.weights[one["bank"], k, n])
    if source == "channels":
        return memory.get(*place, one["column_first"] + n, k, signed=True)
    return memory.get(*place, k, one["column_first"] + n, signed=True)


def outlier_channels(state: State, one: Instruction, r: int) -> list[int]:
    """Channels with an outlier in the row tile of a row of the product."""
    tile = (one["row_first"] + r) // state.config.array_rows
    return [k for k in range(one["steps"]) if one["outliers"] and state.outliers.bits[tile, k]]


def limbs(memory: Memory, one: Instruction, r: int, k: int) -> list[oracle.Term]:
    """Terms of an outlier."""
    place = one["row_stride"], one["row_first"] + r, k
    return [(memory.get(one["outlier_high"], *place, signed=True), 8), (memory.get(one["outlier_low"], *place), 0)]


def expected_gemm(state: State, one: Instruction) -> tuple[Memory, OperandCounts, list[int]]:
    """Buffer after a product, its operands, and the steps of its tiles."""
    memory, lanes = Memory(state.activation.words), state.config.drain_lanes
    before = Memory(memory.words)
    rows, steps, columns = range(one["rows"]), range(one["steps"]), range(one["columns"])
    terms = [
        [term(before.get(one["row_base"], one["row_stride"], one["row_first"] + r, k), one, state, r) for k in steps]
        for r in rows
    ]
    operand = [[column(before, state, one, n, k) for k in steps] for n in columns]
    outliers = [[(k, t) for k in outlier_channels(state, one, r) for t in limbs(before, one, r, k)] for r in rows]
    for r in rows:
        for n in range(lanes * -(-len(columns) // lanes)):
            acc = 0
            if n in columns:
                acc = sum(oracle.term_value(t) * w for t, w in zip(terms[r], operand[n], strict=True))
                acc += sum(oracle.term_value(t) * operand[n][k] for k, t in outliers[r])
            drain(memory, before, state, one, r, n, acc)
    flat = [t for row in terms for t in row] + [t for row in outliers for _, t in row]
    tiles = [len(steps) + len(outliers[r]) for r in rows[:: state.config.array_rows]]
    column_tiles = -(-len(columns) // state.config.array_columns)
    zero, large = sum(t[0] == 0 for t in flat), sum(t[0] != 0 and t[1] != 0 for t in flat)
    return memory, OperandCounts(zero=zero, small=len(flat) - zero - large, large=large), tiles * column_tiles


def drain(memory: Memory, before: Memory, state: State, one: Instruction, r: int, n: int, acc: int) -> None:
    """Requantise one sum and write what follows."""
    entry, parameters = (one["bank"], n % state.config.array_columns), state.parameters
    how = parameters.multiplier[entry], parameters.shift[entry]
    bounds = one["zero_point"], one["lo"], one["hi"]
    if one["row_scales"]:
        scale = int(state.rows.multipliers[one["row_first"] + r])
        y = oracle.requantize_row(acc, parameters.bias[entry], *how, scale, *bounds)
    else:
        y = oracle.requantize(signed_32(acc + int(parameters.bias[entry])), 0, *how, *bounds)
    place = one["out_row"] + r, one["out_channel"] + n
    operation = DRAIN_OPERATIONS[one["drain"]]
    skip = one["skip_base"], one["skip_stride"], *place
    if operation == "table":
        y = oracle.lookup(y, one["lo"], state.table)
    elif operation != "none":
        if operation == "constant":
            stream = before.get_halfword(*skip)
        else:
            multiplier = one["multiplier"] - (one["multiplier"] >> 15 << 16)  # 16 bits, signed
            old = before.get(*skip, signed=True), parameters.old_shift[entry]
            stream = oracle.rescale_skip(*old, multiplier, one["shift"])
        bounds = one["code_lo"], one["code_hi"]
        y = oracle.residual_add(stream, y, one["guard"], parameters.new_shift[entry], *bounds)
    put = memory.put_halfword if one["out_halfwords"] else memory.put
    put(one["out_base"], one["out_stride"], *place, y)


@st.composite
def gemms(draw: Any, config: AcceleratorConfig) -> Instruction:
    """A product whose operands, skip and result lie in four quarters of the buffer."""
    width, quarter = config.word_bytes, config.buffer_words // 4
    rows, steps = draw(st.integers(1, 2 * width + 3)), draw(st.integers(1, width + 5))
    source, operation = draw(st.sampled_from(COLUMN_SOURCES)), draw(st.sampled_from(DRAIN_OPERATIONS))
    columns = draw(st.integers(1, width + 3 if source == "channels" else config.array_columns))
    tile = config.array_columns
    column_first = 0 if source == "weights" else tile * draw(st.integers(0, 3))
    column_blocks = blocks(steps if source == "channels" else column_first + columns, width)
    out_channel = config.drain_lanes * draw(st.integers(0, width // config.drain_lanes + 1))
    halfwords = draw(st.booleans())
    out_channels = out_channel + columns + config.drain_lanes
    out_stride = -(-2 * out_channels // width) if halfwords else blocks(out_channels, width)
    skip_stride = -(-2 * out_channels // width) if operation == "constant" else blocks(out_channels, width)
    kind = draw(st.sampled_from(OPERAND_KINDS))
    exponent = draw(st.integers(0, 15))
    lo, hi = sorted(draw(st.lists(st.integers(-512, 511), min_size=2, max_size=2)))
    code_bits = draw(st.sampled_from([8, 16]))
    ends = st.integers(-(1 << (code_bits - 1)), (1 << (code_bits - 1)) - 1)
    code_lo, code_hi = sorted(draw(st.lists(ends, min_size=2, max_size=2)))
    return instruction(
        "gemm",
        row_base=width * draw(st.integers(0, 2)),
        row_stride=blocks(steps, width) + width * draw(st.integers(0, 1)),
        row_first=config.array_rows * draw(st.integers(0, 3)),
        rows=rows,
        steps=steps,
        column_base=quarter + width * draw(st.integers(0, 2)),
        column_source=COLUMN_SOURCES.index(source),
        bank=draw(st.integers(0, 1)),
        column_stride=column_blocks + width * draw(st.integers(0, 1)),
        columns=columns,
        column_first=column_first,
        out_channel=out_channel,
        out_base=2 * quarter + width * draw(st.integers(0, 2)),
        out_halfwords=halfwords,
        drain=DRAIN_OPERATIONS.index(operation),
        out_stride=out_stride,
        out_row=draw(st.integers(0, width + 1)),
        skip_base=3 * quarter + width * draw(st.integers(0, 2)),
        skip_stride=skip_stride,
        operand_zero=draw(st.integers(-128, 127)) if kind == "uniform" else 0,
        operand_signed=draw(st.booleans()),
        zero_point=draw(st.integers(-300, 300)),
        lo=lo,
        hi=hi,
        operand_kind=OPERAND_KINDS.index(kind),
        operand_bits=draw(st.integers(2, 8)),
        operand_exponent=exponent,
        multiplier=draw(st.integers(0, (1 << 16) - 1)),
        shift=draw(st.integers(8, 18)),
        guard=draw(st.integers(0, 7)),
        code_lo=code_lo,
        code_hi=code_hi,
        row_scales=draw(st.booleans()),
        outliers=source == "weights" and draw(st.booleans()),
        outlier_high=quarter,
        outlier_low=quarter + quarter // 2,
    )


@given(data=st.data(), config=configs, seed=seeds)
@EXAMPLES
def test_gemm_is_the_oracle_on_every_byte_of_the_buffer(data: Any, config: AcceleratorConfig, seed: int) -> None:
    one = data.draw(gemms(config))
    state = random_state(config, seed)
    rng = np.random.default_rng(seed)
    state.codebook.mantissa[:] = rng.integers(-1000, 1000, 256)
    state.codebook.shift[:] = rng.integers(0, 32, 256)
    if OPERAND_KINDS[one["operand_kind"]] == "uniform" and not one["operand_signed"]:
        one = Instruction("gemm", {**one.fields, "operand_zero": abs(one["operand_zero"])})
    one = decode(encode(one))
    state.rows.multipliers[:] = rng.integers(0, (1 << 15) + 1, 1024)
    state.rows.zero_points[:] = rng.integers(0, 128, 1024)
    state.outliers.bits[:] = rng.random(state.outliers.bits.shape) < rng.choice([0, 0.02, 0.5])
    expected, counts, tile_steps = expected_gemm(state, one)
    work = execute(one, state)
    assert work is not None
    assert work.operand_counts == counts
    assert work.tile_steps.tolist() == tile_steps
    assert (state.activation.words == expected.words).all()


def plain_gemm(**fields: Any) -> Instruction:
    """Four rows, three steps, two columns on ``tiny``."""
    values = {
        "row_stride": 8, "rows": 4, "steps": 3, "columns": 2, "out_base": 64, "out_stride": 8, "operand_signed": 1,
        "lo": -128, "hi": 127, "skip_base": 128, "skip_stride": 8, "column_base": 192, "column_stride": 8,
    }  # fmt: skip
    return instruction("gemm", **{**values, **fields})


def test_sum_with_bias_wraps_at_32_bits_as_the_hardwares_does() -> None:
    state = random_state(PRESETS["tiny"], 0)
    state.activation.words[:] = 1
    state.weights[:], state.parameters.bias[:] = 1, (1 << 31) - 1
    state.parameters.multiplier[:], state.parameters.shift[:] = 1 << 14, 38
    execute(plain_gemm(), state)
    memory = Memory(state.activation.words)
    assert memory.get(64, 8, 0, 0, signed=True) == oracle.round_shift((3 - (1 << 31) - 1 + 0) << 14, 38) == -128


def test_the_residual_multiplier_is_signed_as_the_hardwares_is() -> None:
    state = random_state(PRESETS["tiny"], 2)
    state.parameters.multiplier[:] = 0
    state.parameters.old_shift[:] = state.parameters.new_shift[:] = 0
    old = Memory(state.activation.words).get(128, 8, 0, 0, signed=True)
    execute(plain_gemm(drain=2, multiplier=(1 << 16) - (1 << 14), shift=14, code_lo=-128, code_hi=127), state)
    assert old != 0
    assert Memory(state.activation.words).get(64, 8, 0, 0, signed=True) == -old


CHANGES = ["rows written", "one row loaded", "codebook loaded", "row table loaded", "plane written", "map written"]


@pytest.mark.parametrize("change", CHANGES)
def test_decoded_rows_are_not_reused_after_a_change(change: str) -> None:
    state = random_state(PRESETS["tiny"], 1)
    state.parameters.bias[:] = 0
    one = plain_gemm(
        operand_kind=OPERAND_KINDS.index("codebook" if change == "codebook loaded" else "uniform"),
        row_scales=change == "row table loaded", outliers=change in ("plane written", "map written"), outlier_low=256,
    )  # fmt: skip
    state.outliers.bits[0, 1] = True
    execute(one, state)
    if change == "rows written":
        execute(plain_gemm(out_base=0, row_base=256), state)
    elif change == "one row loaded":
        execute(load("codes", beats=1, bytes=2, stride=8, first_row=1, run_bytes=2, runs=1, lines=1), state)
    elif change == "plane written":
        execute(plain_gemm(out_base=256), state)
    elif change == "map written":
        outlier_norm = {"row_encode": 1, "outliers": 1, "encode_shift": 8, "lo": -128, "hi": 127}
        bases = {"out_base": 512, "outlier_high": 576, "outlier_low": 640, "in_base": 704, "out_stride": 8}
        state.rows.encode_multipliers[:] = 1
        execute(instruction("layernorm", rows=1, channels=3, **outlier_norm, **bases), state)
        assert state.outliers.bits[0, :3].all()
    elif change == "row table loaded":
        execute(load("row_multipliers", beats=4), state)
        state.rows.multipliers[:] %= 1 << 15
        state.rows.zero_points[:] %= 128  # of which 9 bits hold every difference
    else:
        execute(load("codebook", beats=256), state)
    expected, counts, _ = expected_gemm(state, one)
    work = execute(one, state)
    assert work is not None
    assert work.operand_counts == counts
    assert (state.activation.words == expected.words).all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rows": 0}, "gemm: rows is 0, expected 1 or more"),
        ({"columns": 5}, "gemm: columns is 5, expected 1 to 4"),
        ({"steps": 1025}, "gemm: steps is 1025, expected 1 to 1024"),
        ({"row_first": 2}, "gemm: row_first is 2, expected a multiple of 4"),
        ({"out_channel": 1}, "gemm: out_channel is 1, expected a multiple of 2"),
        ({"column_source": 3}, "gemm: column_source is 3, expected 0 to 2"),
        ({"column_source": 1, "column_first": 3}, "gemm: column_first is 3, expected a multiple of 4"),
        ({"operand_kind": 5}, "gemm: operand_kind is 5, expected 0 to 4"),
        ({"operand_kind": 1, "operand_bits": 1}, "gemm: operand of kind two_scale: bits: input should be greater"),
        ({"row_base": 4}, "the row operand of a gemm begins at word 4, expected a multiple of 8"),
        ({"row_base": 16384}, "the row operand of a gemm reaches word 16386 of the activation buffer"),
        ({"out_base": 16384}, "the result of a gemm reaches word 16385 of the.*at most 16383"),
        ({"drain": 2, "skip_base": 16384}, "the skip of a gemm reaches word"),
        ({"drain": 2, "shift": 48}, "gemm: shift is 48, expected 0 to 47"),
    ],
)  # fmt: skip
def test_gemm_refuses_what_the_hardware_cannot_do(fields: dict[str, int], message: str) -> None:
    with pytest.raises(HwsimError, match=message):
        execute(plain_gemm(**fields), random_state(PRESETS["tiny"], 0))


def test_gemm_refuses_a_shift_beyond_the_requantisers() -> None:
    state = random_state(PRESETS["tiny"], 0)
    state.parameters.shift[1, 1] = 48
    with pytest.raises(HwsimError, match="gemm: s of a parameter entry of bank 1 is 48, expected 0 to 47"):
        execute(plain_gemm(bank=1), state)
