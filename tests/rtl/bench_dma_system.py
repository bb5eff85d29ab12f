"""Bench of ``hws_dma`` between memory model and activation buffer: bytes, errors, cycles of the timing model."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, Timer
from numpy.typing import NDArray

from hwsim.interpreter.dma import load, store
from hwsim.interpreter.state import State
from hwsim.isa import LOAD_TARGETS, Instruction
from hwsim.timing.dma import DMA_ADDRESS, DmaState, dma_done
from hwsim.timing.dram import DramModel
from tests.rtl.dma_cases import Cases, word_of
from tests.rtl.stream import configuration

CONFIG = configuration()
DRAM_BEATS = 4096
DRAM_BYTES = DRAM_BEATS * CONFIG.beat_bytes
WORDS = 512 * CONFIG.beat_bytes // CONFIG.word_bytes
"""Of the activation buffer that the bench uses: 512 beats."""
TO_BUFFER = ("codes", "halfwords")
NEVER = (1 << 32) - 1
ILLEGAL, ADDRESS, AXI_READ, AXI_WRITE = 1, 2, 3, 4


def content() -> NDArray[np.uint8]:
    """DRAM at the start, as ``hws_dma_system`` computes it."""
    mask = np.uint64((1 << 32) - 1)
    x = (np.arange(1, DRAM_BEATS * CONFIG.beat_bytes // 4 + 1, dtype=np.uint64) * np.uint64(0x9E3779B9)) & mask
    x = (x ^ x >> np.uint64(15)) * np.uint64(0x85EBCA6B) & mask
    return (x ^ x >> np.uint64(13)).astype("<u4").view(np.uint8).copy()


class Bench:
    """The DMA with its memories, the interpreter and the timing model beside it."""

    def __init__(self, dut: Any, seed: int) -> None:
        self.dut = dut
        self.rng = random.Random(seed)
        self.state = State(content(), CONFIG)
        self.timing = DmaState(DramModel())
        self.cases = Cases(CONFIG, self.rng, WORDS, DRAM_BYTES)
        self.errors = 0

    async def start(self) -> None:
        dut = self.dut
        dut.rst_ni.value = 0
        for name in ("start_valid_i", "instruction_i", "dram_base_i", "peek_address_i"):
            getattr(dut, name).value = 0
        dut.dram_bytes_i.value = DRAM_BYTES
        dut.error_address_i.value = NEVER
        self.memory(DramModel())
        cocotb.start_soon(Clock(dut.clk_i, 10, "ns").start(start_high=False))
        for _ in range(3):
            await FallingEdge(dut.clk_i)
        dut.rst_ni.value = 1
        # DRAM keeps what tests before this one stored.
        self.state.dram[:] = await self.peek()
        await self.run(self.cases.fill())

    async def reset(self) -> None:
        """Reset the DMA and the memory, wherever they are."""
        self.dut.rst_ni.value = 0
        await FallingEdge(self.dut.clk_i)
        self.dut.rst_ni.value = 1
        self.timing = DmaState(self.timing.dram)
        self.errors = 0
        assert self.dut.busy_o.value == 0

    def memory(self, model: DramModel) -> None:
        """Let the memory be as fast as ``model`` from now on."""
        self.timing.dram = model
        for name in ("latency", "stall", "seed"):
            getattr(self.dut, f"{name}_i").value = getattr(model, name)

    async def offer(self, instruction: Instruction) -> int:
        """Execute an instruction, offered in the cycle in which the one before is done; its cycles."""
        dut = self.dut
        dut.start_valid_i.value, dut.instruction_i.value = 1, word_of(instruction)
        if dut.start_ready_o.value == 0:
            assert dut.done_o.value == 1
            await FallingEdge(dut.clk_i)
            assert dut.start_ready_o.value == 1, "the DMA must be ready in the cycle after a done"
        await FallingEdge(dut.clk_i)
        dut.start_valid_i.value, dut.instruction_i.value = 0, self.rng.getrandbits(512)
        if dut.done_o.value == 0:
            await RisingEdge(dut.done_o)
            await FallingEdge(dut.clk_i)
        assert int(dut.broken_o.value) == 0, f"AXI rules {dut.broken_o.value} are broken"
        assert dut.conflict_o.value == 0
        return int(dut.elapsed_o.value)

    async def run(self, instruction: Instruction, code: int = 0) -> None:
        """Execute a legal instruction, whose only error may be ``code``, and compare its cycles."""
        expected = dma_done(instruction, 0, self.timing, CONFIG)
        cycles = await self.offer(instruction)
        assert cycles == expected, f"{instruction}: {cycles} cycles, the model says {expected}"
        self._errors(instruction, code)
        if instruction.operation == "store":
            store(instruction, self.state)
        elif LOAD_TARGETS[instruction["target"]] in TO_BUFFER:
            load(instruction, self.state)

    async def refused(self, instruction: Instruction, code: int) -> None:
        """Execute an instruction that must end at once, with an error and without traffic."""
        before = int(self.dut.addresses_o.value)
        assert await self.offer(instruction) == DMA_ADDRESS
        self._errors(instruction, code)
        assert int(self.dut.addresses_o.value) == before

    def _errors(self, instruction: Instruction, code: int) -> None:
        """Errors are counted at the end of a cycle; done may have one in its own."""
        now = int(self.dut.errors_o.value) + int(self.dut.error_valid_o.value)
        count, self.errors = now - self.errors, now
        assert count == int(code != 0), f"{instruction}: {count} errors"
        if code:
            assert self.dut.last_error_o.value == code, f"{instruction}: error {self.dut.last_error_o.value}"

    async def compare(self) -> None:
        """Bytes of the activation buffer by a store, then of DRAM."""
        await self.run(self.cases.dump())
        dram = await self.peek()
        wrong = np.flatnonzero(dram != self.state.dram)
        assert wrong.size == 0, f"{len(wrong)} bytes of DRAM are wrong, the first is {wrong[0]:#x}"

    async def peek(self) -> NDArray[np.uint8]:
        """Bytes of DRAM while the DMA is idle."""
        values = []
        for beat in range(DRAM_BEATS):
            self.dut.peek_address_i.value = beat
            await Timer(1, "ps")
            values.append(int(self.dut.peek_data_o.value).to_bytes(CONFIG.beat_bytes, "little"))
        await FallingEdge(self.dut.clk_i)
        return np.frombuffer(b"".join(values), np.uint8)


def models(rng: random.Random) -> list[DramModel]:
    """Memories fast and slow, steady and not."""
    seed = rng.getrandbits(32)
    return [
        DramModel(),
        DramModel(latency=40),
        DramModel(stall=77, seed=seed),
        DramModel(latency=5, stall=255, seed=seed ^ 1),
        *(DramModel(latency=rng.randint(0, 40), stall=rng.randint(0, 120), seed=rng.getrandbits(32)) for _ in range(3)),
    ]


KINDS = [*LOAD_TARGETS, "store codes", "store halfwords"]


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def bytes_and_cycles(dut: Any) -> None:
    """The memory changes its speed between instructions, its counts go on."""
    bench = Bench(dut, 1)
    await bench.start()
    assert (bench.state.dram == content()).all()
    for model in models(bench.rng):
        bench.memory(model)
        for kind in KINDS:
            await bench.run(bench.cases.draw(kind))
        for _ in range(20):
            await bench.run(bench.cases.draw())
        await bench.compare()
        dut._log.info("%s: bytes and cycles", model)


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def many_bursts(dut: Any) -> None:
    """More bursts than may be under way, with the last one full and not."""
    bench = Bench(dut, 2)
    await bench.start()
    step_beats = -(-CONFIG.array_columns // CONFIG.beat_bytes)
    limit = CONFIG.burst_beats * (CONFIG.dma_outstanding + 2)
    row = {"halfwords": 1, "row_bytes": CONFIG.beat_bytes}
    for model in models(bench.rng):
        bench.memory(model)
        for beats in (CONFIG.burst_beats, limit, limit + 1, 2 * limit - 1):
            if beats > DRAM_BEATS:
                continue
            for packed in (0, 1):
                steps = (1 + packed) * beats // step_beats
                await bench.run(Instruction("load", {"beats": beats, "steps": steps, "packed": packed}))
            # All rows are the same one.
            await bench.run(Instruction("store", {"beats": beats, "rows": beats, **row}))
        await bench.compare()


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def errors(dut: Any) -> None:
    """Each error has its code, once, and what follows works."""
    bench = Bench(dut, 3)
    await bench.start()
    bench.memory(DramModel(latency=3, stall=50, seed=9))
    for instruction, code in wrong_instructions(bench.cases):
        await bench.refused(instruction, code)
        await bench.run(bench.cases.draw())
    burst = CONFIG.burst_beats
    for kind, code in [
        ("weights", AXI_READ),
        ("codes", AXI_READ),
        ("store codes", AXI_WRITE),
        ("store halfwords", AXI_WRITE),
    ]:
        for where in (0, 1, -1):
            instruction = bench.cases.draw(kind)
            first, beats = instruction["address"] // CONFIG.beat_bytes, instruction["beats"]
            wrong = first + {0: 0, 1: min(beats - 1, burst), -1: beats - 1}[where]
            dut.error_address_i.value = wrong * CONFIG.beat_bytes + bench.rng.randrange(CONFIG.beat_bytes)
            await bench.run(instruction, code)
            dut.error_address_i.value = NEVER
            await bench.run(bench.cases.draw())
    # A burst that does not touch the beat is answered as ever.
    dut.error_address_i.value = 5 * burst * CONFIG.beat_bytes
    await bench.run(Instruction("load", {"address": 4 * burst * CONFIG.beat_bytes, "beats": burst}))
    await bench.run(Instruction("load", {"address": 6 * burst * CONFIG.beat_bytes, "beats": burst}))
    dut.error_address_i.value = NEVER
    await bench.compare()


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def beats_that_are_not_the_rows(dut: Any) -> None:
    bench = Bench(dut, 4)
    await bench.start()
    right = Instruction(
        "store", {"beats": 12, "row_bytes": 3 * CONFIG.beat_bytes, "rows": 4, "stride": 3, "halfwords": 1}
    )
    for fields in ({"beats": 11}, {"beats": 13}, {"beats": 9}, {"rows": 3}, {"rows": 5}):
        wrong = replace(right, fields={**right.fields, **fields})
        cycles = dma_done(wrong, 0, bench.timing, CONFIG)
        assert await bench.offer(wrong) == cycles
        bench._errors(wrong, ILLEGAL)
        await bench.run(right)
    bench.state.dram[:] = await bench.peek()
    await bench.compare()


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def window(dut: Any) -> None:
    """The first and the last byte of the window are inside."""
    bench = Bench(dut, 5)
    await bench.start()
    size = CONFIG.burst_beats * CONFIG.beat_bytes
    dut.dram_base_i.value, dut.dram_bytes_i.value = 4 * size, 2 * size + CONFIG.beat_bytes
    burst = CONFIG.burst_beats
    inside = [(4, 1), (4, 2 * burst + 1), (5, burst + 1), (6, 1)]
    outside = [(3, 1), (3, burst + 1), (4, 2 * burst + 2), (6, 2), (7, 1), (0, 1)]

    def make(operation: str, first: int, beats: int) -> Instruction:
        rows = {"halfwords": 1, "row_bytes": CONFIG.beat_bytes, "rows": beats} if operation == "store" else {}
        return Instruction(operation, {"address": first * size, "beats": beats, **rows})

    for operation in ("load", "store"):
        for first, beats in inside:
            await bench.run(make(operation, first, beats))
        for first, beats in outside:
            await bench.refused(make(operation, first, beats), ADDRESS)
    # The end of the address space, with a window that goes beyond it.
    dut.dram_base_i.value, dut.dram_bytes_i.value = 4 * size, NEVER
    last = Instruction("load", {"address": (1 << 32) - size, "beats": CONFIG.burst_beats + 1})
    await bench.refused(last, ADDRESS)
    dut.dram_base_i.value, dut.dram_bytes_i.value = 0, DRAM_BYTES
    await bench.compare()


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def reset_in_flight(dut: Any) -> None:
    bench = Bench(dut, 6)
    await bench.start()
    bench.memory(DramModel(latency=7, stall=90, seed=3))
    for cycles in (1, 2, 3, 4, 9, 17, 40, 90):
        for kind in ("codes", "table", "store codes", "store halfwords"):
            dut.start_valid_i.value, dut.instruction_i.value = 1, word_of(bench.cases.draw(kind))
            await FallingEdge(dut.clk_i)
            await FallingEdge(dut.clk_i)
            dut.start_valid_i.value = 0
            for _ in range(cycles):
                await FallingEdge(dut.clk_i)
            await bench.reset()
            await bench.run(bench.cases.draw(kind))
    # What was cut off has written some of its bytes.
    await bench.run(bench.cases.fill())
    bench.state.dram[:] = await bench.peek()
    await bench.run(bench.cases.fill())
    for _ in range(10):
        await bench.run(bench.cases.draw())
    await bench.compare()


def wrong_instructions(cases: Cases) -> list[tuple[Instruction, int]]:
    """Instructions that must be refused, and why."""
    changes: list[tuple[str, dict[str, int], int]] = [
        ("weights", {"target": len(LOAD_TARGETS)}, ILLEGAL),
        ("weights", {"target": 15}, ILLEGAL),
        ("weights", {"beats": 0}, ILLEGAL),
        ("weights", {"address": 1}, ILLEGAL),
        ("weights", {"address": CONFIG.beat_bytes // 2}, ILLEGAL),
        ("codes", {"run_bytes": 0}, ILLEGAL),
        ("codes", {"runs": 0}, ILLEGAL),
        ("codes", {"lines": 0}, ILLEGAL),
        ("halfwords", {"run_bytes": 0}, ILLEGAL),
        *[(target, {"packed": 1}, ILLEGAL) for target in LOAD_TARGETS if target != "weights"],
        ("store codes", {"rows": 0}, ILLEGAL),
        ("store codes", {"row_bytes": 0}, ILLEGAL),
        ("store codes", {"first_channel": CONFIG.beat_bytes // 2}, ILLEGAL),
        ("store halfwords", {"first_channel": CONFIG.beat_bytes // 4}, ILLEGAL),
        ("weights", {"address": DRAM_BYTES}, ADDRESS),
        ("weights", {"address": 0, "beats": DRAM_BEATS + 1}, ADDRESS),
        ("store codes", {"address": 1 << 31}, ADDRESS),
        ("store codes", {"address": (1 << 32) - CONFIG.burst_beats * CONFIG.beat_bytes}, ADDRESS),
    ]
    found = []
    for kind, fields, code in changes:
        right = cases.draw(kind)
        found.append((replace(right, fields={**right.fields, **fields}), code))
    return [*found, (Instruction("softmax", {}), ILLEGAL), (Instruction("end", {}), ILLEGAL)]
