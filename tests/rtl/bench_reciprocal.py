"""Bench of ``hws_reciprocal``."""

from __future__ import annotations

import random
from typing import Any

import cocotb

from hwsim.units.timing import RADICAND_BITS, reciprocal_cycles
from tests import oracle
from tests.rtl.replay import golden_vectors
from tests.rtl.stream import Case, Stream, check_cases, check_reset, check_stalls

DIVISOR_BITS = RADICAND_BITS // 2


def cases_reciprocal() -> list[Case]:
    rng = random.Random(17)
    corners = [1, 2, 3, 5, 7, (1 << DIVISOR_BITS) - 1, (1 << DIVISOR_BITS) - 2]
    corners += [(1 << i) + delta for i in range(2, DIVISOR_BITS) for delta in (-1, 0, 1)]
    spread = [rng.getrandbits(rng.randint(1, DIVISOR_BITS)) | 1 for _ in range(100)]
    uniform = [rng.randrange(1, 1 << DIVISOR_BITS) for _ in range(100)]
    named = {"corners": corners, "random": spread + uniform, "one": [77]}
    return [
        Case(
            name,
            [(v,) for v in values],
            [(oracle.reciprocal(v), v.bit_length()) for v in values],
            reciprocal_cycles(len(values)),
        )
        for name, values in named.items()
    ]


async def started(dut: Any) -> Stream:
    stream = Stream(dut, ["in_divisor_i"], ["out_quotient_o", "out_length_o"])
    await stream.start()
    return stream


@cocotb.test()
async def bits_and_cycles(dut: Any) -> None:
    await check_cases(await started(dut), cases_reciprocal())


@cocotb.test()
async def golden(dut: Any) -> None:
    one = golden_vectors("reciprocal")[""]
    words = [(v,) for v in one["divisor"]]
    expected = [(r, v.bit_length()) for r, v in zip(one["quotient"], one["divisor"], strict=True)]
    await check_cases(await started(dut), [Case("golden", words, expected, reciprocal_cycles(len(words)))])


@cocotb.test()
async def stalls(dut: Any) -> None:
    await check_stalls(await started(dut), cases_reciprocal()[:1])


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    await check_reset(await started(dut), cases_reciprocal()[0])
