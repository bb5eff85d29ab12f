"""The whole accelerator through its two AXI ports: registers, a program, each way to fail, and a restart after each."""

from __future__ import annotations

import itertools
import random
import warnings
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge, with_timeout
from cocotbext.axi import AddressSpace, AxiBus, AxiLiteBus, AxiLiteMaster, AxiSlave, MemoryRegion

from hwsim.isa import QUEUES
from hwsim.simulators.run import ERRORS
from tests.rtl.programs import DATA, MEMORY_BYTES, RESULT, Fault, copy_program, faults, program_bytes
from tests.rtl.stream import configuration

# cocotbext-axi still uses what cocotb 2 deprecates
warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"cocotbext\.")

CONTROL, STATUS, PROGRAM, BASE, BYTES, WATCHDOG, CYCLES, BUSY, ID = 0, 4, 8, 12, 16, 20, 24, 32, 48
RUNNING, DONE, ERROR, IDLE = 1, 2, 4, 8
WATCHDOG_CYCLES = 600
SETTLED_CYCLES = 40
"""After the end of a program nothing may happen: what lies behind ``end`` is no instruction."""


class Host:
    """A host with DRAM of ``memory_bytes``; what the accelerator may touch is ``MEMORY_BYTES``."""

    def __init__(self, dut: Any, memory_bytes: int = MEMORY_BYTES) -> None:
        self.dut, self.config = dut, configuration()
        space = AddressSpace(2**32)
        self.memory = MemoryRegion(memory_bytes)
        space.register_region(self.memory, 0)
        reset = {"clock": dut.clk_i, "reset": dut.rst_ni, "reset_active_level": False}
        self.slave = AxiSlave(AxiBus.from_prefix(dut, "m_axi"), target=space, **reset)
        self.registers = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), **reset)
        for channel in (
            self.slave.read_if.r_channel,
            self.slave.write_if.b_channel,
            self.registers.write_if.aw_channel,
        ):
            channel.log.setLevel("WARNING")

    async def reset(self) -> None:
        """Start the clock and reset."""
        cocotb.start_soon(Clock(self.dut.clk_i, 10, "ns").start(start_high=False))
        self.dut.rst_ni.value = 0
        await ClockCycles(self.dut.clk_i, 4)
        await FallingEdge(self.dut.clk_i)
        self.dut.rst_ni.value = 1
        await RisingEdge(self.dut.clk_i)

    async def write(self, address: int, value: int) -> int:
        """Response of a write."""
        answer = await self.registers.write(address, value.to_bytes(4, "little"))
        return int(answer.resp)

    async def read(self, address: int) -> int:
        """Value of a register."""
        answer = await self.registers.read(address, 4)
        return int.from_bytes(answer.data, "little")

    async def start(self, program: bytes) -> None:
        """Place a program and start it."""
        await self.memory.write(0, program)
        for address, value in (
            (PROGRAM, 0),
            (BASE, 0),
            (BYTES, MEMORY_BYTES),
            (WATCHDOG, WATCHDOG_CYCLES),
            (CONTROL, 1),
        ):
            assert await self.write(address, value) == 0

    async def finish(self) -> int:
        """Status when the accelerator says so by its interrupt and is idle again."""
        if not self.dut.irq_o.value:
            await with_timeout(RisingEdge(self.dut.irq_o), 400, "us")
        for _ in range(200):
            status = await self.read(STATUS)
            if status & IDLE:
                await ClockCycles(self.dut.clk_i, SETTLED_CYCLES)
                assert await self.read(STATUS) == status, "the status changes after the end"
                return status
            await ClockCycles(self.dut.clk_i, 40)  # what runs at an error ends first
        raise AssertionError(f"the accelerator does not become idle: status {status:#x}")

    async def copy(self, seed: int) -> None:
        """Run a program that copies data through the activation buffer, and check the copy."""
        data = random.Random(seed).randbytes(64)
        await self.memory.write(DATA, data)
        await self.memory.write(RESULT, bytes(64))
        await self.start(program_bytes(copy_program(), self.config))
        status = await self.finish()
        assert status & (RUNNING | DONE | ERROR) == DONE, f"status {status:#x}"
        assert bytes(await self.memory.read(RESULT, 64)) == data


async def fail(host: Host, fault: Fault) -> None:
    """Run a faulty program; the status must name error, queue and tag."""
    data = bytearray(program_bytes(fault.program, host.config))
    if fault.raw_opcode is not None:
        place = 64 * (len(fault.program) - 2)
        data[place] = data[place] & 0xF0 | fault.raw_opcode
    await host.start(bytes(data))
    status = await host.finish()
    queue = (status >> 12) & 15
    found = (ERRORS[(status >> 8) & 15], QUEUES[queue] if queue < len(QUEUES) else "none", status >> 16)
    assert status & (RUNNING | DONE | ERROR) == ERROR, f"status {status:#x}"
    assert found == (fault.error, fault.queue, fault.tag)
    cycles = await host.read(CYCLES)
    await ClockCycles(host.dut.clk_i, 50)
    assert await host.read(CYCLES) == cycles, "the cycle counter runs on after an error"


@cocotb.test()
async def registers_keep_what_is_written(dut: Any) -> None:
    host = Host(dut)
    await host.reset()
    assert await host.read(ID) == 0x48575331
    assert await host.read(STATUS) == IDLE
    for address in (PROGRAM, BASE, BYTES, WATCHDOG):
        assert await host.write(address, 0xA5A50000 | address) == 0
    for address in (PROGRAM, BASE, BYTES, WATCHDOG):
        assert await host.read(address) == 0xA5A50000 | address
    assert await host.write(STATUS, 1) == 2, "a read-only register answers SLVERR"
    assert int((await host.registers.read(0x80, 4)).resp) == 2, "an unknown register answers SLVERR"
    assert await host.read(STATUS) == IDLE


@cocotb.test()
async def programs_run_one_after_another(dut: Any) -> None:
    host = Host(dut)
    await host.reset()
    await host.copy(1)
    cycles, busy = await host.read(CYCLES), [await host.read(BUSY + 4 * queue) for queue in range(4)]
    assert 0 < busy[0] <= cycles
    assert busy[1:] == [0, 0, 0]
    await host.copy(2)
    assert await host.read(BUSY) <= await host.read(CYCLES)


@cocotb.test()
async def copies_survive_a_slow_memory(dut: Any) -> None:
    host = Host(dut)
    for channel in (
        host.slave.write_if.aw_channel, host.slave.write_if.w_channel, host.slave.write_if.b_channel,
        host.slave.read_if.ar_channel, host.slave.read_if.r_channel,
    ):  # fmt: skip
        rng = random.Random(7)
        channel.set_pause_generator(rng.random() < 0.4 for _ in itertools.count())
    await host.reset()
    await host.copy(3)


@cocotb.test()
async def every_fault_is_named_and_a_restart_works(dut: Any) -> None:
    host = Host(dut)
    await host.reset()
    for seed, (name, fault) in enumerate(faults(host.config).items()):
        dut._log.info("fault: %s", name)
        await fail(host, fault)
        await host.copy(seed)


@cocotb.test()
async def an_error_answer_of_dram_is_named_and_a_restart_works(dut: Any) -> None:
    host = Host(dut, memory_bytes=RESULT)  # beyond RESULT the memory answers SLVERR, though the window allows it
    await host.reset()
    for load, error in ((True, "axi_read"), (False, "axi_write")):
        program = copy_program()
        bad = program[0 if load else 1]
        bad = type(bad)(bad.operation, dict(bad.fields) | {"address": RESULT})
        program = [bad, *program[1:]] if load else [program[0], bad, program[2]]
        await fail(host, Fault(program, error, "dma", bad["tag"]))
        good = [program[0] if not load else copy_program()[0], copy_program()[2]]
        await host.start(program_bytes(good, host.config))
        assert await host.finish() & (DONE | ERROR) == DONE


@cocotb.test()
async def start_is_ignored_while_running(dut: Any) -> None:
    host = Host(dut)
    await host.reset()
    data = random.Random(5).randbytes(64)
    await host.memory.write(DATA, data)
    await host.start(program_bytes(copy_program(), host.config))
    await host.write(CONTROL, 1)
    assert await host.finish() & (DONE | ERROR) == DONE
    assert bytes(await host.memory.read(RESULT, 64)) == data
