"""Bench of ``hws_fifo``: order and bits, a word a cycle, and a full FIFO that takes nothing."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from tests.rtl.stream import Case, Stream, check_cases, check_reset, check_stalls

DEPTH = 4
"""The unit's default, as is its width of 8."""


def cases_fifo() -> list[Case]:
    """A word a cycle falls through in one cycle."""
    rng = random.Random(1)
    cases = []
    for count in (1, DEPTH, DEPTH + 1, 300):
        words = [(rng.randrange(256),) for _ in range(count)]
        cases.append(Case(f"{count} words", words, words, count + 1))
    return cases


async def started(dut: Any) -> Stream:
    stream = Stream(dut, ["in_data_i"], ["out_data_o"])
    await stream.start()
    return stream


@cocotb.test()
async def bits_and_cycles(dut: Any) -> None:
    await check_cases(await started(dut), cases_fifo())


@cocotb.test()
async def stalls(dut: Any) -> None:
    await check_stalls(await started(dut), cases_fifo())


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    await check_reset(await started(dut), cases_fifo()[2], cycles=(1, 2, 5))


@cocotb.test()
async def readiness_at_every_count(dut: Any) -> None:
    """Against a list, with random requests; readiness must be that of the words inside alone."""
    await started(dut)
    rng = random.Random(2)
    inside: list[int] = []
    seen = set()
    for _ in range(1000):
        busy_in, busy_out = rng.choice([(0.9, 0.3), (0.5, 0.5), (0.3, 0.9)])
        for _ in range(10):
            await RisingEdge(dut.clk_i)
            offered = rng.randrange(256) if rng.random() < busy_in else None
            ready = rng.random() < busy_out
            dut.in_valid_i.value = int(offered is not None)
            dut.in_data_i.value = offered or 0
            dut.out_ready_i.value = int(ready)
            await FallingEdge(dut.clk_i)
            count = len(inside)
            seen.add(count)
            assert dut.in_ready_o.value == int(count < DEPTH)
            assert dut.out_valid_o.value == int(count > 0)
            if count:
                assert dut.out_data_o.value == inside[0]
            if offered is not None and count < DEPTH:
                inside.append(offered)
            if ready and count:
                inside.pop(0)
    assert seen == set(range(DEPTH + 1))
