"""Bench of ``hws_dma`` on the AXI memory of cocotbext-axi: bytes of every target, whatever the memory's pauses."""

from __future__ import annotations

import random
import warnings
from collections import deque
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge
from cocotbext.axi import AxiBus, AxiRam

from hwsim.interpreter.dma import load, store
from hwsim.interpreter.state import State
from hwsim.isa import LOAD_TARGETS, Instruction
from tests.rtl.dma_cases import Cases, sink_words, word_of
from tests.rtl.stream import configuration, pack

warnings.filterwarnings("ignore", category=DeprecationWarning, module="cocotbext")
"""Every warning of a bench is an error, but cocotbext-axi drives its signals in a way that cocotb 2 calls old."""

CONFIG = configuration()
W = CONFIG.word_bytes
WORDS, DRAM_BYTES = 64 * W, 1 << 15
TO_BUFFER = ("codes", "halfwords")
PATIENCE_CYCLES = 40_000


def pauses(seed: int, percent: int) -> Iterator[bool]:
    """Pause in about ``percent`` of the cycles."""
    rng = random.Random(seed)
    while True:
        yield rng.randrange(100) < percent


class Bench:
    """The DMA between a memory and a model of the activation buffer's ports."""

    def __init__(self, dut: Any, seed: int) -> None:
        self.dut = dut
        self.rng = random.Random(seed)
        numpy_rng = np.random.default_rng(seed)
        self.state = State(numpy_rng.integers(0, 256, DRAM_BYTES, np.uint8), CONFIG)
        self.state.activation.words[:] = numpy_rng.integers(0, 256, self.state.activation.words.shape, np.uint8)
        self.buffer = self.state.activation.words.copy()
        self.cases = Cases(CONFIG, self.rng, WORDS, DRAM_BYTES)
        self.ram = AxiRam(
            AxiBus.from_prefix(dut, "m_axi"), dut.clk_i, dut.rst_ni, reset_active_level=False, size=DRAM_BYTES
        )
        self.ram.write(0, self.state.dram.tobytes())
        self.sunk: list[tuple[int, ...]] = []
        self.done = 0

    async def start(self) -> None:
        dut = self.dut
        dut.rst_ni.value, dut.start_valid_i.value, dut.instruction_i.value = 0, 0, 0
        dut.read_data_i.value, dut.dram_base_i.value, dut.dram_bytes_i.value = 0, 0, DRAM_BYTES
        cocotb.start_soon(Clock(dut.clk_i, 10, "ns").start(start_high=False))
        for _ in range(3):
            await FallingEdge(dut.clk_i)
        dut.rst_ni.value = 1
        cocotb.start_soon(self._ports())
        await RisingEdge(dut.clk_i)

    def pause(self, percent: int) -> None:
        """Let every channel of the memory pause now and then."""
        write, read = self.ram.write_if, self.ram.read_if
        channels = [write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel]
        for seed, channel in enumerate(channels):
            channel.set_pause_generator(pauses(seed, percent) if percent else repeat(False))

    async def run(self, instruction: Instruction) -> None:
        """Execute one instruction and compare all memories."""
        dut, name = self.dut, str(instruction)
        self.sunk, self.done = [], 0
        dut.instruction_i.value, dut.start_valid_i.value = word_of(instruction), 1
        await FallingEdge(dut.clk_i)
        assert dut.start_ready_o.value == 1, f"{name}: not ready"
        await RisingEdge(dut.clk_i)
        dut.start_valid_i.value, dut.instruction_i.value = 0, self.rng.getrandbits(512)
        for _ in range(PATIENCE_CYCLES):
            await FallingEdge(dut.clk_i)
            assert dut.busy_o.value == 1
            assert dut.start_ready_o.value == 0
            assert dut.error_valid_o.value == 0, name
            if dut.done_o.value == 1:
                break
        else:
            raise AssertionError(f"{name}: no end")
        await RisingEdge(dut.clk_i)  # the last write of the buffer has been seen
        self._compare(instruction, name)

    def _compare(self, instruction: Instruction, name: str) -> None:
        expected: list[tuple[int, ...]] = []
        if instruction.operation == "store":
            store(instruction, self.state)
        elif LOAD_TARGETS[instruction["target"]] in TO_BUFFER:
            load(instruction, self.state)
        else:
            expected += sink_words(instruction, self.state.dram, CONFIG)
        assert self.sunk == expected, f"{name}: {len(self.sunk)} words to the sinks, expected {len(expected)}"
        wrong = np.argwhere(self.buffer != self.state.activation.words)
        assert wrong.size == 0, f"{name}: {len(wrong)} bytes of the buffer are wrong, the first is {wrong[0]}"
        dram = np.frombuffer(self.ram.read(0, DRAM_BYTES), np.uint8)
        wrong = np.flatnonzero(dram != self.state.dram)
        assert wrong.size == 0, f"{name}: {len(wrong)} bytes of DRAM are wrong, the first is {wrong[0]:#x}"
        assert self.dut.broken_o.value == 0, f"{name}: AXI rules {self.dut.broken_o.value} are broken"

    async def _ports(self) -> None:
        """Ports of the activation buffer, and the sinks."""
        dut, flights = self.dut, deque([None, None])
        while True:
            await RisingEdge(dut.clk_i)
            data = flights.popleft()
            if data is not None:
                dut.read_data_i.value = data
            await FallingEdge(dut.clk_i)
            flights.append(self._read() if dut.read_valid_o.value == 1 else None)
            if dut.write_valid_o.value == 1:
                self._write()
            if dut.sink_valid_o.value == 1:
                self.sunk.append(self._sink())

    def _places(self, port: str) -> tuple[np.ndarray, np.ndarray]:
        """Word and sub-bank of each byte of a port's data, as docs/microarchitecture.md has them."""
        fields = ("address", "skew", "row", "rotate")
        address, skew, row, rotate = (int(getattr(self.dut, f"{port}_{field}_o").value) for field in fields)
        bank = (rotate + np.arange(W)) % W
        return (address // W * W + (bank - row) % W) if skew else np.full(W, address), bank

    def _read(self) -> int:
        return pack(self.buffer[self._places("read")].tolist(), 8)

    def _write(self) -> None:
        mask = np.array([int(self.dut.write_mask_o.value) >> i & 1 for i in range(W)], bool)
        assert mask.any(), "a write without bytes could still conflict"
        word, bank = (place[mask] for place in self._places("write"))
        # Bytes outside of the mask may be unknown.
        bits = str(self.dut.write_data_o.value).rjust(8 * W, "0")[::-1]
        data = [int(bits[8 * i : 8 * i + 8][::-1], 2) for i in range(W) if mask[i]]
        self.buffer[word, bank] = data

    def _sink(self) -> tuple[int, ...]:
        dut = self.dut
        target = int(dut.sink_target_o.value)
        data = int(dut.sink_data_o.value)
        if target == LOAD_TARGETS.index("table"):
            data &= 255
        return target, int(dut.sink_bank_o.value), int(dut.sink_index_o.value), int(dut.sink_part_o.value), data


@cocotb.test()
async def bytes_of_every_target(dut: Any) -> None:
    bench = Bench(dut, 1)
    await bench.start()
    kinds = [*LOAD_TARGETS, "store codes", "store halfwords"]
    for percent in (0, 30, 70):
        bench.pause(percent)
        for _ in range(2):
            for kind in kinds:
                await bench.run(bench.cases.draw(kind))
        dut._log.info("%d instructions with pauses of %d %%", 2 * len(kinds), percent)


@cocotb.test()
async def packed_weights(dut: Any) -> None:
    """Every small number of steps, odd and even, with parameters and without, and right after another load."""
    bench = Bench(dut, 4)
    await bench.start()
    bench.pause(20)
    weights = {"target": LOAD_TARGETS.index("weights"), "packed": 1}
    for steps in range(1, 10):
        beats = -(-steps * CONFIG.step_beats // 2)
        for entries in (0, 1, 3):
            shape = {"steps": steps, "beats": beats + entries, "bank": steps % 2}
            await bench.run(Instruction("load", {**weights, **shape}))
    await bench.run(Instruction("load", {**weights, "steps": 0, "beats": 3}))
    await bench.run(bench.cases.draw("codes"))


@cocotb.test()
async def rows_in_pieces(dut: Any) -> None:
    bench = Bench(dut, 2)
    await bench.start()
    bench.pause(15)
    for _ in range(25):
        await bench.run(bench.cases.draw("codes"))
        await bench.run(bench.cases.draw("store codes"))


@cocotb.test()
async def every_order_of_bytes(dut: Any) -> None:
    """Runs of one byte, one run a line, one line; from every channel of a block."""
    bench = Bench(dut, 3)
    await bench.start()
    common = {
        "target": LOAD_TARGETS.index("codes"),
        "base": 0,
        "stride": 8 * W,
        "beats": 12,
        "bytes": 12 * CONFIG.beat_bytes - 3,
    }
    for run_bytes, runs, lines in [
        (1, 1, 1),
        (1, 5, 3),
        (W, 1, 1),
        (3 * W, 2, 1),
        (5, 2, 4),
        (CONFIG.beat_bytes, 3, 2),
    ]:
        for first_channel in (0, 1, W - 1):
            shape = {"run_bytes": run_bytes, "runs": runs, "lines": lines, "first_channel": first_channel}
            await bench.run(Instruction("load", {**common, **shape}))
