"""Bench of ``hws_decoder_codebook``: every entry in every lane, tables written in any order and written again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge

from hwsim.formats import Codebook
from hwsim.units.timing import decoder_cycles
from tests import oracle
from tests.codebooks import random_codebook, tanq_codebook
from tests.rtl.stream import Case, Stream, check_cases, check_reset, check_stalls, configuration, pack

CONFIG = configuration()
ROWS = CONFIG.array_rows
CODE_BITS = 8


@dataclass
class CodebookCase(Case):
    """A case that knows its table."""

    fmt: Codebook = field(kw_only=True)


def decoder_case(name: str, fmt: Codebook, codes: list[int]) -> CodebookCase:
    """Codes in order, ``array_rows`` a word."""
    codes = codes + [0] * (-len(codes) % ROWS)
    words, expected = [], []
    for i in range(0, len(codes), ROWS):
        group = codes[i : i + ROWS]
        mantissas, shifts = zip(*(oracle.decode(code, fmt) for code in group), strict=True)
        words.append((pack(group, CODE_BITS),))
        expected.append((pack(mantissas, CONFIG.mantissa_bits), pack(shifts, CONFIG.term_shift_bits)))
    return CodebookCase(name, words, expected, decoder_cycles(len(words)), fmt=fmt)


def cases_decoder_codebook() -> list[CodebookCase]:
    rng = random.Random(2)
    cases = []
    for bits in range(2, 9):
        fmt = random_codebook(rng, bits, CONFIG.mantissa_bits, (1 << CONFIG.term_shift_bits) - 1)
        # each lane meets each entry, so a copy that missed a write would show
        turns = [code for code in range(1 << bits) for _ in range(ROWS)]
        cases.append(decoder_case(f"random, {bits} bits", fmt, turns))
    codes = [rng.randrange(256) for _ in range(6 * ROWS + 1)]
    return [*cases, decoder_case("TanQ, 8 bits", tanq_codebook(8, 1.36, 15), codes)]


async def load_entries(stream: Stream, case: Case) -> None:
    """Write every entry, in an order of its own."""
    assert isinstance(case, CodebookCase)
    dut, entries = stream.dut, case.fmt.terms()
    for code in random.Random(len(case.words)).sample(range(1 << case.fmt.bits), 1 << case.fmt.bits):
        dut.codebook_write_i.value = 1
        dut.codebook_code_i.value = code
        dut.codebook_mantissa_i.value = pack([int(entries.mantissa[code])], CONFIG.mantissa_bits)
        dut.codebook_shift_i.value = int(entries.shift[code])
        await FallingEdge(dut.clk_i)
    dut.codebook_write_i.value = 0


async def started(dut: Any) -> Stream:
    dut.codebook_write_i.value = 0
    stream = Stream(dut, ["in_code_i"], ["out_mantissa_o", "out_shift_o"], load_entries)
    await stream.start()
    return stream


@cocotb.test()
async def bits_and_cycles(dut: Any) -> None:
    await check_cases(await started(dut), cases_decoder_codebook())


@cocotb.test()
async def stalls(dut: Any) -> None:
    await check_stalls(await started(dut), cases_decoder_codebook()[2:4])


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    await check_reset(await started(dut), cases_decoder_codebook()[-1], cycles=(1, 2, 5))
