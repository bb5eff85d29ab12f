"""Bench of ``hws_decoder_two_scale``: every code of every width, with every exponent."""

from __future__ import annotations

import random
from typing import Any

import cocotb

from hwsim.formats import TwoScale
from hwsim.units.timing import decoder_cycles
from tests import oracle
from tests.rtl.replay import golden_vectors
from tests.rtl.stream import Case, Stream, check_cases, check_reset, check_stalls, configuration, pack

CONFIG = configuration()
CODE_BITS = 8


def decoder_case(name: str, fmt: TwoScale, codes: list[int], junk: random.Random | None = None) -> Case:
    """Codes in order, ``array_rows`` a word; ``junk`` fills the bits above a narrow code."""
    rows = CONFIG.array_rows
    codes = codes + [0] * (-len(codes) % rows)
    words, expected = [], []
    for i in range(0, len(codes), rows):
        group = codes[i : i + rows]
        mantissas, shifts = zip(*(oracle.decode(code, fmt) for code in group), strict=True)
        raw = [code | (junk.getrandbits(8) << fmt.bits if junk else 0) for code in group]
        words.append((pack(raw, CODE_BITS),))
        expected.append((pack(mantissas, CONFIG.mantissa_bits), pack(shifts, CONFIG.term_shift_bits)))
    settings = {"bits_i": fmt.bits, "exponent_i": fmt.exponent, "small_signed_i": int(fmt.small_signed)}
    return Case(name, words, expected, decoder_cycles(len(words)), settings)


def cases_decoder_two_scale() -> list[Case]:
    rng = random.Random(2)
    cases = []
    for bits in range(2, 9):
        for small_signed in (False, True):
            for exponent in range(1 << CONFIG.term_shift_bits) if bits == 8 else (0, 1, 5, 15):
                fmt = TwoScale(bits=bits, exponent=exponent, small_signed=small_signed)
                cases.append(decoder_case(f"{fmt}", fmt, list(range(1 << bits)), rng))
    return cases


async def started(dut: Any) -> Stream:
    stream = Stream(dut, ["in_code_i"], ["out_mantissa_o", "out_shift_o"])
    await stream.start(cases_decoder_two_scale()[0].settings)
    return stream


@cocotb.test()
async def bits_and_cycles(dut: Any) -> None:
    await check_cases(await started(dut), cases_decoder_two_scale())


@cocotb.test()
async def golden(dut: Any) -> None:
    cases = []
    for name, one in golden_vectors("decoder_two_scale").items():
        fmt = TwoScale(bits=8, exponent=one["exponent"], small_signed=bool(one["small_signed"]))
        terms = list(zip(one["mantissa"], one["shift"], strict=True))
        assert terms == [oracle.decode(code, fmt) for code in one["codes"]], "golden and oracle differ"
        cases.append(decoder_case(name, fmt, one["codes"]))
    await check_cases(await started(dut), cases)


@cocotb.test()
async def stalls(dut: Any) -> None:
    await check_stalls(await started(dut), cases_decoder_two_scale()[-4:])


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    await check_reset(await started(dut), cases_decoder_two_scale()[-1])
