"""Bench of ``hws_encoder_codebook``: probabilities around every threshold, for every width, tables written again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge

from hwsim.formats import Codebook
from hwsim.units.timing import codebook_encoder_cycles
from tests import oracle
from tests.codebooks import random_codebook, tanq_codebook
from tests.rtl.stream import Case, Stream, check_cases, check_reset, check_stalls, configuration, pack

CONFIG = configuration()
LANES = CONFIG.softmax_lanes
CODE_BITS, PROBABILITY_BITS = 8, 17
ONE = 1 << 16


@dataclass
class CodebookCase(Case):
    """A case that knows its thresholds."""

    thresholds: tuple[int, ...] = field(kw_only=True)


def encoder_case(name: str, fmt: Codebook, probabilities: list[int]) -> CodebookCase:
    """Probabilities in order, ``softmax_lanes`` a word; every seventh word is a last one."""
    probabilities = probabilities + [0] * (-len(probabilities) % LANES)
    words, expected = [], []
    for i in range(0, len(probabilities), LANES):
        group = probabilities[i : i + LANES]
        last = int(len(words) % 7 == 6)
        words.append((pack(group, PROBABILITY_BITS), last))
        expected.append((pack([oracle.encode_probability(p, fmt) for p in group], CODE_BITS), last))
    settings = {"bits_i": fmt.bits}
    cycles = codebook_encoder_cycles(len(words))
    return CodebookCase(name, words, expected, cycles, settings, thresholds=fmt.thresholds)


def near_thresholds(fmt: Codebook, rng: random.Random, every: int = 1) -> list[int]:
    """Each threshold with its neighbours, in every lane, in an order of its own."""
    values = [threshold + delta for threshold in fmt.thresholds[::every] for delta in (-1, 0, 1)]
    values = [0, ONE, *(value for value in values if 0 <= value <= ONE)]
    return [value for value in rng.sample(values, len(values)) for _ in range(LANES)]


def cases_encoder_codebook() -> list[CodebookCase]:
    rng = random.Random(8)
    formats = [(f"random, {bits} bits", random_codebook(rng, bits)) for bits in range(2, 9)]
    cases = [encoder_case(name, fmt, near_thresholds(fmt, rng)) for name, fmt in formats]
    tanq = tanq_codebook(8, 1.36, 15)
    mixed = [rng.getrandbits(rng.randint(1, 16)) for _ in range(9 * LANES - 1)]
    return [
        *cases,
        encoder_case("TanQ, 8 bits", tanq, mixed),
        encoder_case("one word", tanq_codebook(3, 1.2, 12), [ONE]),
    ]


async def load_thresholds(stream: Stream, case: Case) -> None:
    """Write every threshold, in an order of its own."""
    assert isinstance(case, CodebookCase)
    dut, count = stream.dut, len(case.thresholds)
    for i in random.Random(count).sample(range(count), count):
        dut.threshold_write_i.value = 1
        dut.threshold_index_i.value = i + 1
        dut.threshold_i.value = case.thresholds[i]
        await FallingEdge(dut.clk_i)
    dut.threshold_index_i.value = 0  # index 0 is no threshold
    dut.threshold_i.value = (1 << PROBABILITY_BITS) - 1
    await FallingEdge(dut.clk_i)
    dut.threshold_write_i.value = 0


async def started(dut: Any) -> Stream:
    dut.threshold_write_i.value = 0
    stream = Stream(dut, ["in_probability_i", "in_last_i"], ["out_code_o", "out_last_o"], load_thresholds)
    await stream.start(cases_encoder_codebook()[0].settings)
    return stream


@cocotb.test()
async def bits_and_cycles(dut: Any) -> None:
    await check_cases(await started(dut), cases_encoder_codebook())


@cocotb.test()
async def stalls(dut: Any) -> None:
    await check_stalls(await started(dut), [case for case in cases_encoder_codebook() if len(case.words) < 60])


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    await check_reset(await started(dut), cases_encoder_codebook()[-2], cycles=(1, 2, 5, 9))
