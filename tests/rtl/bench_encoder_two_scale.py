"""Bench of ``hws_encoder_two_scale``: probabilities around every code's ends, for every width and exponent."""

from __future__ import annotations

import random
from typing import Any

import cocotb

from hwsim.formats import TwoScale, Uniform
from hwsim.units.timing import encoder_cycles
from tests import oracle
from tests.rtl.replay import golden_vectors
from tests.rtl.stream import Case, Stream, check_cases, check_reset, check_stalls, configuration, pack

CONFIG = configuration()
LANES = CONFIG.softmax_lanes
CODE_BITS, PROBABILITY_BITS = 8, 17
ONE = 1 << 16


def encoder_case(fmt: TwoScale | Uniform, probabilities: list[int]) -> Case:
    """Probabilities in order, ``softmax_lanes`` a word; every seventh word is a last one."""
    probabilities = probabilities + [0] * (-len(probabilities) % LANES)
    words, expected = [], []
    for i in range(0, len(probabilities), LANES):
        group = probabilities[i : i + LANES]
        last = int(len(words) % 7 == 6)
        words.append((pack(group, PROBABILITY_BITS), last))
        expected.append((pack([oracle.encode_probability(p, fmt) for p in group], CODE_BITS), last))
    return Case(f"{fmt}", words, expected, encoder_cycles(len(words)), encoder_settings(fmt))


def encoder_settings(fmt: TwoScale | Uniform) -> dict[str, int]:
    exponent = fmt.exponent if isinstance(fmt, TwoScale) else 0
    return {"bits_i": fmt.bits, "exponent_i": exponent, "uniform_i": int(isinstance(fmt, Uniform))}


def encoder_formats() -> list[TwoScale | Uniform]:
    """Every width with the smallest, a middle and the largest exponents; 8 bits with all of them."""
    formats: list[TwoScale | Uniform] = [Uniform(bits=bits, signed=False) for bits in range(2, 9)]
    for bits in range(2, 9):
        top = min(16 - (bits - 1), (1 << CONFIG.term_shift_bits) - 1)
        exponents = range(top + 1) if bits == 8 else sorted({0, 1, top // 2, top})
        formats += [TwoScale(bits=bits, exponent=exponent, small_signed=False) for exponent in exponents]
    return formats


def probabilities_of(fmt: TwoScale | Uniform, rng: random.Random) -> list[int]:
    """Ends, ties on both sides of each step's middle, and a random spread over magnitudes."""
    steps = [16 - fmt.bits]
    if isinstance(fmt, TwoScale):
        steps = [17 - fmt.bits, 17 - fmt.bits - fmt.exponent]
    values = {0, 1, 2, ONE, ONE - 1, ONE // 2}
    for step in steps:
        half = 1 << step >> 1
        multiples = [rng.randrange(ONE >> step) for _ in range(12)] + [(1 << (fmt.bits - 1)) - 1, (1 << fmt.bits) - 1]
        values |= {(k << step) + half + delta for k in multiples for delta in (-1, 0, 1)}
    spread = [rng.getrandbits(rng.randint(1, 16)) for _ in range(60)]
    return [*sorted(value for value in values if 0 <= value <= ONE), *spread]


def cases_encoder_two_scale() -> list[Case]:
    rng = random.Random(8)
    return [encoder_case(fmt, probabilities_of(fmt, rng)) for fmt in encoder_formats()]


async def started(dut: Any) -> Stream:
    stream = Stream(dut, ["in_probability_i", "in_last_i"], ["out_code_o", "out_last_o"])
    await stream.start(cases_encoder_two_scale()[0].settings)
    return stream


@cocotb.test()
async def bits_and_cycles(dut: Any) -> None:
    await check_cases(await started(dut), cases_encoder_two_scale())


@cocotb.test()
async def sweep(dut: Any) -> None:
    """The whole range, for what hides between the corners; 7 is prime to every step."""
    fmt = TwoScale(bits=8, exponent=6, small_signed=False)
    await check_cases(await started(dut), [encoder_case(fmt, [*range(0, ONE + 1, 7), ONE])])


@cocotb.test()
async def golden(dut: Any) -> None:
    one = golden_vectors("encoder_two_scale")[""]
    fmt = TwoScale(bits=CODE_BITS, exponent=one["exponent"], small_signed=False)
    assert [oracle.encode_probability(p, fmt) for p in one["probability"]] == one["code"], "golden and oracle differ"
    await check_cases(await started(dut), [encoder_case(fmt, one["probability"])])


@cocotb.test()
async def stalls(dut: Any) -> None:
    await check_stalls(await started(dut), cases_encoder_two_scale()[-4:])


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    await check_reset(await started(dut), cases_encoder_two_scale()[-1])
