"""Clocks ``hws_harness`` from cocotb until its job is over: the same run as without cocotb, for its speed."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ValueChange


@cocotb.test()
async def the_job_ends(dut: Any) -> None:
    cocotb.start_soon(Clock(dut.clk_i, 10, "ns").start(start_high=False))
    while not dut.job_o.value.is_resolvable or dut.job_o.value != 1:
        await ValueChange(dut.job_o)
