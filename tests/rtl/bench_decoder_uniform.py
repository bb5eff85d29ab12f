"""Bench of ``hws_decoder_uniform``: every code of every sign with corner zero points."""

from __future__ import annotations

import random
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


def decoder_case(name: str, fmt: Uniform, codes: list[int], shift: int = 0) -> Case:
    """Codes in order, ``array_rows`` a word, the last word filled up with zero points."""
    rows = CONFIG.array_rows
    codes = codes + [fmt.zero_point] * (-len(codes) % rows)
    words, expected = [], []
    for i in range(0, len(codes), rows):
        group = codes[i : i + rows]
        mantissas = [oracle.decode(code, fmt)[0] for code in group]
        words.append((pack(group, CODE_BITS),))
        expected.append((pack(mantissas, CONFIG.mantissa_bits), pack([shift] * rows, CONFIG.term_shift_bits)))
    settings = {"signed_i": int(fmt.signed), "zero_points_i": pack([fmt.zero_point] * rows, ZERO_POINT_BITS)}
    return Case(name, words, expected, decoder_cycles(len(words)), settings | {"shift_i": shift})


def row_zeros_case(seed: int) -> Case:
    """Every lane has a zero point of its own."""
    rng, rows = random.Random(seed), CONFIG.array_rows
    formats = [Uniform(bits=8, signed=True, zero_point=rng.randrange(-128, 128)) for _ in range(rows)]
    words, expected = [], []
    for _ in range(50):
        codes = [rng.randrange(-128, 128) for _ in range(rows)]
        mantissas = [oracle.decode(code, fmt)[0] for code, fmt in zip(codes, formats, strict=True)]
        words.append((pack(codes, CODE_BITS),))
        expected.append((pack(mantissas, CONFIG.mantissa_bits), pack([3] * rows, CONFIG.term_shift_bits)))
    zero_points = pack([fmt.zero_point for fmt in formats], ZERO_POINT_BITS)
    settings = {"signed_i": 1, "zero_points_i": zero_points, "shift_i": 3}
    return Case("a zero point a lane", words, expected, decoder_cycles(len(words)), settings)


def cases_decoder_uniform() -> list[Case]:
    cases = []
    for signed in (False, True):
        whole = Uniform(bits=8, signed=signed)
        for zero_point in (whole.minimum, whole.minimum + 1, 0, 73, whole.maximum):
            fmt = Uniform(bits=8, signed=signed, zero_point=zero_point)
            cases.append(decoder_case(f"{fmt}", fmt, list(range(fmt.minimum, fmt.maximum + 1))))
    narrow = Uniform(bits=4, signed=True, zero_point=-3)
    return [*cases, decoder_case("4 bits", narrow, list(range(-8, 8)), 15), row_zeros_case(4)]


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
