"""Bench of ``hws_skid_buffer``: order and bits, a word a cycle, and no path from one side's ready to the other's."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, Timer

from tests.rtl.stream import Case, Stream, check_cases, check_reset, check_stalls


def cases_skid() -> list[Case]:
    rng = random.Random(1)
    cases = []
    for count in (1, 2, 300):
        words = [(rng.randrange(256),) for _ in range(count)]
        cases.append(Case(f"{count} words", words, words, count + 1))
    return cases


async def started(dut: Any) -> Stream:
    stream = Stream(dut, ["in_data_i"], ["out_data_o"])
    await stream.start()
    return stream


@cocotb.test()
async def bits_and_cycles(dut: Any) -> None:
    await check_cases(await started(dut), cases_skid())


@cocotb.test()
async def stalls(dut: Any) -> None:
    await check_stalls(await started(dut), cases_skid())


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    await check_reset(await started(dut), cases_skid()[2], cycles=(1, 2, 5))


@cocotb.test()
async def ready_is_a_register(dut: Any) -> None:
    """In the middle of a cycle the sink's ready and the source's valid change; nothing at the outputs does."""
    await started(dut)
    rng = random.Random(2)
    for _ in range(300):
        await FallingEdge(dut.clk_i)
        shown = []
        for valid, ready in ((0, 0), (0, 1), (1, 0), (1, 1), (rng.randrange(2), rng.randrange(2))):
            dut.in_valid_i.value, dut.out_ready_i.value, dut.in_data_i.value = valid, ready, rng.randrange(256)
            await Timer(1, "step")
            shown.append((int(dut.in_ready_o.value), int(dut.out_valid_o.value)))
        assert len(set(shown)) == 1
