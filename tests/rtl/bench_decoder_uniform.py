"""Bench of ``hws_decoder_uniform``: every code of every sign with corner zero points."""

from __future__ import annotations

from typing import Any

import cocotb

from hwsim.formats import Uniform
from hwsim.units.timing import decoder_cycles
from tests import oracle
from tests.rtl.replay import golden_vectors
from tests.rtl.stream import Case, Stream, check_cases, check_reset, check_stalls, configuration, pack

CONFIG = configuration()
CODE_BITS = 8
ZERO_POINT_BITS = 9


def decoder_case(name: str, fmt: Uniform, codes: list[int]) -> Case:
    """Codes in order, ``array_rows`` a word, the last word filled up with zero points."""
    rows = CONFIG.array_rows
    codes = codes + [fmt.zero_point] * (-len(codes) % rows)
    words, expected = [], []
    for i in range(0, len(codes), rows):
        group = codes[i : i + rows]
        mantissas, shifts = zip(*(oracle.decode(code, fmt) for code in group), strict=True)
        words.append((pack(group, CODE_BITS),))
        expected.append((pack(mantissas, CONFIG.mantissa_bits), pack(shifts, CONFIG.term_shift_bits)))
    settings = {"signed_i": int(fmt.signed), "zero_point_i": pack([fmt.zero_point], ZERO_POINT_BITS)}
    return Case(name, words, expected, decoder_cycles(len(words)), settings)


def cases_decoder_uniform() -> list[Case]:
    cases = []
    for signed in (False, True):
        whole = Uniform(bits=8, signed=signed)
        for zero_point in (whole.minimum, whole.minimum + 1, 0, 73, whole.maximum):
            fmt = Uniform(bits=8, signed=signed, zero_point=zero_point)
            cases.append(decoder_case(f"{fmt}", fmt, list(range(fmt.minimum, fmt.maximum + 1))))
    narrow = Uniform(bits=4, signed=True, zero_point=-3)
    return [*cases, decoder_case("4 bits", narrow, list(range(-8, 8)))]


async def started(dut: Any) -> Stream:
    stream = Stream(dut, ["in_code_i"], ["out_mantissa_o", "out_shift_o"])
    await stream.start(cases_decoder_uniform()[0].settings)
    return stream


@cocotb.test()
async def bits_and_cycles(dut: Any) -> None:
    await check_cases(await started(dut), cases_decoder_uniform())


@cocotb.test()
async def golden(dut: Any) -> None:
    cases = []
    for name, one in golden_vectors("decoder_uniform").items():
        fmt = Uniform(bits=8, signed=bool(one["signed"]), zero_point=one["zero_point"])
        assert one["mantissa"] == [oracle.decode(code, fmt)[0] for code in one["codes"]], "golden and oracle differ"
        cases.append(decoder_case(name, fmt, one["codes"]))
    await check_cases(await started(dut), cases)


@cocotb.test()
async def stalls(dut: Any) -> None:
    await check_stalls(await started(dut), cases_decoder_uniform()[3:6])


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    await check_reset(await started(dut), cases_decoder_uniform()[6])
