"""Bench of ``hws_decoder_log``: every code of every width, with every largest shift, in both bases."""

from __future__ import annotations

import random
from typing import Any

import cocotb

from hwsim.formats import Logarithmic
from hwsim.units.timing import decoder_cycles
from tests import oracle
from tests.rtl.stream import Case, Stream, check_cases, check_reset, check_stalls, configuration, pack

CONFIG = configuration()
CODE_BITS = 8


def decoder_case(fmt: Logarithmic, rng: random.Random) -> Case:
    """Every code, ``array_rows`` a word; junk fills the bits above a narrow code."""
    rows = CONFIG.array_rows
    codes = [*range(1 << fmt.bits)]
    codes += [fmt.zero_code] * (-len(codes) % rows)
    words, expected = [], []
    for i in range(0, len(codes), rows):
        group = codes[i : i + rows]
        mantissas, shifts = zip(*(oracle.decode(code, fmt) for code in group), strict=True)
        words.append((pack([code | rng.getrandbits(8) << fmt.bits for code in group], CODE_BITS),))
        expected.append((pack(mantissas, CONFIG.mantissa_bits), pack(shifts, CONFIG.term_shift_bits)))
    settings = {"bits_i": fmt.bits, "exponent_i": fmt.max_shift, "sqrt_i": int(fmt.base == "sqrt_two")}
    return Case(f"{fmt}", words, expected, decoder_cycles(len(words)), settings)


def cases_decoder_log() -> list[Case]:
    rng = random.Random(2)
    top = (1 << CONFIG.term_shift_bits) - 1
    cases = []
    for bits in range(2, 9):
        for base in ("two", "sqrt_two"):
            for max_shift in range(top + 1) if bits in (4, 8) else (0, 1, 5, top):
                fmt = Logarithmic.model_validate({"bits": bits, "base": base, "max_shift": max_shift})
                cases.append(decoder_case(fmt, rng))
    return cases


async def started(dut: Any) -> Stream:
    stream = Stream(dut, ["in_code_i"], ["out_mantissa_o", "out_shift_o"])
    await stream.start(cases_decoder_log()[0].settings)
    return stream


@cocotb.test()
async def bits_and_cycles(dut: Any) -> None:
    await check_cases(await started(dut), cases_decoder_log())


@cocotb.test()
async def stalls(dut: Any) -> None:
    await check_stalls(await started(dut), cases_decoder_log()[-4:])


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    await check_reset(await started(dut), cases_decoder_log()[-1])
