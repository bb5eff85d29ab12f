"""Bench of ``hws_softmax``."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge

from hwsim.formats import Codebook, Logarithmic, TwoScale, Uniform
from hwsim.isa import ENCODER_KINDS
from hwsim.units.timing import SOFTMAX_COLUMNS_MAX, softmax_cycles
from tests import oracle
from tests.codebooks import random_codebook, tanq_codebook
from tests.rtl.replay import golden_vectors
from tests.rtl.stream import Case, Stream, check_cases, check_reset, check_stalls, configuration, pack

CONFIG = configuration()
LANES = CONFIG.softmax_lanes
CODE_BITS, SCORE_BITS = 8, 16
LOWEST, HIGHEST = -(1 << 15), (1 << 15) - 1
EXP2 = oracle.exp2_table()
SHIPPED = TwoScale(bits=8, exponent=6, small_signed=False)
FINEST = TwoScale(bits=8, exponent=9, small_signed=False)
"""Fine step 2**-16: the code shows every bit of a small probability."""
UNIFORM = Uniform(bits=8, signed=False)


LOG2 = Logarithmic(bits=4, base="two", max_shift=15)
LOG_SQRT2 = Logarithmic(bits=6, base="sqrt_two", max_shift=12)
TANQ = tanq_codebook(8, 1.36, 15)
AnyFormat = TwoScale | Uniform | Logarithmic | Codebook


@dataclass
class SoftmaxCase(Case):
    """A case that knows the thresholds of its codebook."""

    thresholds: tuple[int, ...] = field(kw_only=True)


def encoder_settings(fmt: AnyFormat) -> dict[str, int]:
    """Ports that choose the format of the codes."""
    if isinstance(fmt, Logarithmic):
        kind, exponent = ("log2" if fmt.base == "two" else "log_sqrt2"), fmt.max_shift
    else:
        kind, exponent = fmt.kind, fmt.exponent if isinstance(fmt, TwoScale) else 0
    return {"encoder_i": ENCODER_KINDS.index(kind), "bits_i": fmt.bits, "exponent_i": exponent}


def softmax_case(name: str, fmt: AnyFormat, rows: Sequence[Sequence[int]], *, seed: int = 0) -> SoftmaxCase:
    """Rows of one length; junk fills the last beat."""
    junk = random.Random(seed)
    columns = len(rows[0])
    words: list[tuple[int, ...]] = []
    expected: list[tuple[int, ...]] = []
    for row in rows:
        assert len(row) == columns
        assert all(LOWEST <= score <= HIGHEST for score in row)
        codes = [oracle.encode_probability(p, fmt) for p in oracle.softmax_row(row, EXP2)]
        for start in range(0, columns, LANES):
            beat = list(row[start : start + LANES])
            beat += [junk.choice([HIGHEST, LOWEST, junk.randint(LOWEST, HIGHEST)]) for _ in range(LANES - len(beat))]
            words.append((pack(beat, SCORE_BITS),))
            expected.append((pack(codes[start : start + LANES], CODE_BITS), int(start + LANES >= columns)))
    cycles = softmax_cycles(len(rows), columns, CONFIG)
    settings = {"columns_i": columns} | encoder_settings(fmt)
    thresholds = fmt.thresholds if isinstance(fmt, Codebook) else ()
    return SoftmaxCase(name, words, expected, cycles, settings, thresholds=thresholds)


async def load_thresholds(stream: Stream, case: Case) -> None:
    """Write every threshold of a codebook."""
    assert isinstance(case, SoftmaxCase)
    dut = stream.dut
    for index, threshold in enumerate(case.thresholds, start=1):
        dut.threshold_write_i.value = 1
        dut.threshold_index_i.value = index
        dut.threshold_i.value = threshold
        await FallingEdge(dut.clk_i)
    dut.threshold_write_i.value = 0


def random_rows(rng: random.Random, count: int, columns: int, spread: float) -> list[list[int]]:
    """Scores around a row's own middle."""
    middles = [rng.randint(LOWEST // 2, HIGHEST // 2) for _ in range(count)]
    return [[max(LOWEST, min(HIGHEST, round(rng.gauss(middle, spread)))) for _ in range(columns)] for middle in middles]


def corner_cases() -> list[Case]:
    columns = 5 * LANES - 1
    equal = [[score] * columns for score in (LOWEST, -1, 0, HIGHEST)]
    huge = [[LOWEST] * i + [HIGHEST] + [LOWEST] * (columns - 1 - i) for i in (0, LANES, columns - 1)]
    # distances to 17 * 256 and a little beyond, where the last exponent of 1 becomes 0
    edge = [[0, *(-17 * 256 + 8 * i - 40 for i in range(columns - 1))]]
    edge += [
        [100, *(max(LOWEST, 100 - 256 * i) for i in range(columns - 1))],
        [HIGHEST - 65535 * i // (columns - 1) for i in range(columns)],
    ]
    # every entry of the table, with the largest in a row of its own order
    whole = [[-i for i in range(256)], [7 - 256 * (i % 18) - (i * 37) % 256 for i in range(256)]]
    # the row before has a larger maximum, then a smaller one: a maximum that stays would show
    falling = [[k] * (LANES + 1) for k in (30000, 20000, -32768, 32767, -5)]
    single = [[score] for score in (LOWEST, 0, HIGHEST)]
    return [
        softmax_case("all equal", FINEST, equal),
        softmax_case("one huge score: p = 65536", SHIPPED, huge),
        softmax_case("one huge score, uniform", UNIFORM, huge),
        # a probability of 0 has the code of all ones, and the lanes beyond the row are 0 all the same
        softmax_case("one huge score, log2", LOG2, huge),
        softmax_case("all equal, log-sqrt2", LOG_SQRT2, equal),
        softmax_case("one huge score, TanQ", TANQ, huge),
        softmax_case("distances around 17 * 256", FINEST, edge),
        softmax_case("every table entry", FINEST, whole),
        softmax_case("maxima of neighbouring rows", FINEST, falling),
        softmax_case("one score a row", SHIPPED, single),
        softmax_case("two scores a row", FINEST, [[0, -1], [5, 5], [LOWEST, HIGHEST]]),
    ]


def random_cases(seed: int, count: int) -> list[Case]:
    """Row counts 1 to 9, 1 to 300 columns, any format."""
    rng = random.Random(seed)
    cases = []
    for i in range(count):
        # short rows, whose reciprocals set the pace, as often as long ones
        columns = rng.choice([rng.randint(1, 4 * LANES), rng.randint(1, 300)])
        rows = rng.randint(1, 9 if columns <= 100 else 4)
        bits = rng.choice([8, 8, 8, rng.randint(2, 8)])
        exponent = rng.randint(0, min(17 - bits, (1 << CONFIG.term_shift_bits) - 1))
        fmt: AnyFormat = TwoScale(bits=bits, exponent=exponent, small_signed=False)
        if rng.random() < 0.6:
            base = rng.choice(["two", "sqrt_two"])
            log = Logarithmic.model_validate({"bits": bits, "base": base, "max_shift": rng.randint(0, 15)})
            fmt = rng.choice([Uniform(bits=bits, signed=False), log, log, random_codebook(rng, bits)])
        scores = random_rows(rng, rows, columns, rng.choice([0.7, 100, 500, 3000, 30000]))
        cases.append(softmax_case(f"{rows} rows of {columns}, {fmt.kind}, {bits} bits", fmt, scores, seed=i))
    return cases


def longest_case() -> Case:
    """Most columns of equal scores: the sum needs all of its bits; then random ones."""
    rng = random.Random(4)
    rows = [[3] * SOFTMAX_COLUMNS_MAX, *random_rows(rng, 2, SOFTMAX_COLUMNS_MAX, 300)]
    return softmax_case("most columns", FINEST, rows)


def cases_softmax() -> list[Case]:
    shapes = [(3, LANES), (5, LANES + 1), (4, 3 * LANES + 1), (6, 197)]
    rng = random.Random(3)
    fixed = [softmax_case(f"{r} rows of {c}", SHIPPED, random_rows(rng, r, c, 600)) for r, c in shapes]
    formats: list[AnyFormat] = [LOG2, LOG_SQRT2, TANQ]
    fixed += [softmax_case(f"{fmt.kind}", fmt, random_rows(rng, 3, 3 * LANES + 1, 600)) for fmt in formats]
    return [*corner_cases(), *fixed, longest_case()]


async def started(dut: Any) -> Stream:
    dut.threshold_write_i.value = 0
    stream = Stream(dut, ["in_score_i"], ["out_code_o", "out_last_o"], load_thresholds)
    await stream.start(cases_softmax()[0].settings)
    return stream


@cocotb.test()
async def bits_and_cycles(dut: Any) -> None:
    await check_cases(await started(dut), cases_softmax())


@cocotb.test()
async def golden(dut: Any) -> None:
    one = golden_vectors("softmax")[""]
    fmt = TwoScale(bits=CODE_BITS, exponent=one["exponent"], small_signed=False)
    case = softmax_case("attention", fmt, one["scores"])
    beats = [row[start : start + LANES] for row in one["out"] for start in range(0, len(row), LANES)]
    assert [word[0] for word in case.expected] == [pack(beat, CODE_BITS) for beat in beats], "golden and oracle differ"
    await check_cases(await started(dut), [case])


@cocotb.test()
async def random_shapes(dut: Any) -> None:
    await check_cases(await started(dut), random_cases(11, 40))


@cocotb.test()
async def stalls(dut: Any) -> None:
    short = [case for case in cases_softmax() if len(case.words) <= 60]
    await check_stalls(await started(dut), [*short, *random_cases(12, 4)])


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    case = next(case for case in cases_softmax() if "197" in case.name)
    await check_reset(await started(dut), case, cycles=(1, 4, 9, 30, 120))
