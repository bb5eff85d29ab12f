"""Bench of ``hws_isqrt``."""

from __future__ import annotations

import random
from typing import Any

import cocotb

from hwsim.units.timing import RADICAND_BITS, isqrt_cycles
from tests import oracle
from tests.rtl.replay import golden_vectors
from tests.rtl.stream import Case, Stream, check_cases, check_reset, check_stalls


def cases_isqrt() -> list[Case]:
    rng = random.Random(48)
    top = 1 << RADICAND_BITS
    corners = [0, 1, 2, 3, 4, 8, 9, top - 1, top - 2, (1 << 24) - 1, ((1 << 24) - 1) ** 2, ((1 << 24) - 1) ** 2 - 1]
    corners += [1 << i for i in range(RADICAND_BITS)]
    squares = [root * root + rng.choice([-1, 0, 1]) for root in (rng.randrange(1, 1 << 24) for _ in range(100))]
    uniform = [rng.randrange(top) for _ in range(50)] + [rng.getrandbits(rng.randint(1, 48)) for _ in range(100)]
    named = {"corners": corners, "squares": squares, "random": uniform, "one": [12345]}
    return [
        Case(name, [(v,) for v in values], [(oracle.isqrt(v),) for v in values], isqrt_cycles(len(values)))
        for name, values in named.items()
    ]


async def started(dut: Any) -> Stream:
    stream = Stream(dut, ["in_radicand_i"], ["out_root_o"])
    await stream.start()
    return stream


@cocotb.test()
async def bits_and_cycles(dut: Any) -> None:
    await check_cases(await started(dut), cases_isqrt())


@cocotb.test()
async def golden(dut: Any) -> None:
    one = golden_vectors("isqrt")[""]
    words, expected = [(v,) for v in one["radicand"]], [(v,) for v in one["root"]]
    await check_cases(await started(dut), [Case("golden", words, expected, isqrt_cycles(len(words)))])


@cocotb.test()
async def stalls(dut: Any) -> None:
    await check_stalls(await started(dut), cases_isqrt()[:1])


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    await check_reset(await started(dut), cases_isqrt()[0])
