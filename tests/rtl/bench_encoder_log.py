"""Bench of ``hws_encoder_log``: probabilities around every code's ends, for every width, base and largest shift."""

from __future__ import annotations

import random
from typing import Any

import cocotb

from hwsim.formats import Logarithmic
from hwsim.units.timing import encoder_cycles
from tests import oracle
from tests.rtl.stream import Case, Stream, check_cases, check_reset, check_stalls, configuration, pack

CONFIG = configuration()
LANES = CONFIG.softmax_lanes
CODE_BITS, PROBABILITY_BITS = 8, 17
ONE = 1 << 16


def encoder_case(fmt: Logarithmic, probabilities: list[int]) -> Case:
    """Probabilities in order, ``softmax_lanes`` a word; every seventh word is a last one."""
    probabilities = probabilities + [0] * (-len(probabilities) % LANES)
    words, expected = [], []
    for i in range(0, len(probabilities), LANES):
        group = probabilities[i : i + LANES]
        last = int(len(words) % 7 == 6)
        words.append((pack(group, PROBABILITY_BITS), last))
        expected.append((pack([oracle.encode_probability(p, fmt) for p in group], CODE_BITS), last))
    settings = {"bits_i": fmt.bits, "exponent_i": fmt.max_shift, "sqrt_i": int(fmt.base == "sqrt_two")}
    return Case(f"{fmt}", words, expected, encoder_cycles(len(words)), settings)


def probabilities_near_ends(rng: random.Random) -> list[int]:
    """0, 1, each power of the fourth root of 2 with its neighbours, in an order of its own."""
    ends = {round(2 ** (quarter / 4)) + delta for quarter in range(65) for delta in (-1, 0, 1)}
    values = [0, *(value for value in ends if 0 <= value <= ONE)]
    return rng.sample(values, len(values))


def cases_encoder_log() -> list[Case]:
    rng = random.Random(8)
    top = (1 << CONFIG.term_shift_bits) - 1
    cases = []
    for bits in range(2, 9):
        for base in ("two", "sqrt_two"):
            for max_shift in range(top + 1) if bits == 8 else (0, 1, 5, top):
                fmt = Logarithmic.model_validate({"bits": bits, "base": base, "max_shift": max_shift})
                cases.append(encoder_case(fmt, probabilities_near_ends(rng)))
    return cases


async def started(dut: Any) -> Stream:
    stream = Stream(dut, ["in_probability_i", "in_last_i"], ["out_code_o", "out_last_o"])
    await stream.start(cases_encoder_log()[0].settings)
    return stream


@cocotb.test()
async def bits_and_cycles(dut: Any) -> None:
    await check_cases(await started(dut), cases_encoder_log())


@cocotb.test()
async def sweep(dut: Any) -> None:
    """The whole range, for what hides between the corners."""
    fmt = Logarithmic(bits=6, base="sqrt_two", max_shift=15)
    await check_cases(await started(dut), [encoder_case(fmt, [*range(0, ONE + 1, 37), ONE])])


@cocotb.test()
async def stalls(dut: Any) -> None:
    await check_stalls(await started(dut), cases_encoder_log()[-3:])


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    await check_reset(await started(dut), cases_encoder_log()[-1])
