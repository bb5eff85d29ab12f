"""Bench of ``hws_weight_buffer``: beats and entries in, words and groups out, every cycle at random."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge
from cocotb.types import LogicArray

from tests.rtl.bench_activation_buffer import unknown
from tests.rtl.stream import configuration, pack

CONFIG = configuration()
COLUMNS = CONFIG.array_columns
BEAT_BYTES = CONFIG.dram_bits_per_cycle // 8
PARTS = max(1, COLUMNS // BEAT_BYTES)
PART_BYTES = COLUMNS // PARTS
LANES = CONFIG.drain_lanes
ENTRY_BITS = 64
LAST_STEP = CONFIG.weight_steps - 1

INPUTS = (
    "weight_write_i", "weight_write_bank_i", "weight_write_step_i", "weight_write_part_i", "weight_write_data_i",
    "parameter_write_i", "parameter_write_bank_i", "parameter_write_entry_i", "parameter_write_data_i",
    "weight_read_i", "weight_read_bank_i", "weight_read_step_i",
    "parameter_read_i", "parameter_read_bank_i", "parameter_read_group_i",
)  # fmt: skip
VALIDS = ("weight_write_i", "parameter_write_i", "weight_read_i", "parameter_read_i")


class WeightBuffer:
    """The unit, its model, and one cycle of both."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.weights: dict[tuple[int, int, int], int] = {}
        """Byte by bank, step, column."""
        self.parameters: dict[tuple[int, int], int] = {}
        """Entry by bank, column."""
        self.weight_word: int | None = None
        self.weight_next: int | None = None
        self.group: int | None = None

    async def start(self) -> None:
        self.dut.rst_ni.value = 0
        self.drive({})
        cocotb.start_soon(Clock(self.dut.clk_i, 10, "ns").start(start_high=False))
        await FallingEdge(self.dut.clk_i)
        await FallingEdge(self.dut.clk_i)
        self.dut.rst_ni.value = 1

    def drive(self, values: dict[str, int]) -> None:
        """Set every input; payloads without a request are unknown where the simulator knows unknowns."""
        for name in INPUTS:
            port = getattr(self.dut, name)
            if name in VALIDS or name in values:
                port.value = values.get(name, 0)
            else:
                port.value = LogicArray(unknown(len(port)))

    async def cycle(self, values: dict[str, int]) -> None:
        """One cycle: outputs are those of earlier requests, a read sees what was there before this cycle's writes."""
        await RisingEdge(self.dut.clk_i)
        self.drive(values)
        await FallingEdge(self.dut.clk_i)
        self.check("weight_read_data_o", self.weight_word)
        self.check("parameter_read_data_o", self.group)
        self.weight_word = self.weight_next
        if values.get("weight_read_i"):
            bank, step = values["weight_read_bank_i"], values["weight_read_step_i"]
            bits = CONFIG.weight_bits
            self.weight_next = pack([self.weights[bank, step, column] for column in range(COLUMNS)], bits)
        if values.get("parameter_read_i"):
            bank, first = values["parameter_read_bank_i"], values["parameter_read_group_i"] * LANES
            self.group = pack([self.parameters[bank, first + lane] for lane in range(LANES)], ENTRY_BITS)
        if values.get("weight_write_i"):
            for i in range(PART_BYTES):
                column = values["weight_write_part_i"] * PART_BYTES + i
                byte = values["weight_write_data_i"] >> 8 * i & 255
                self.weights[values["weight_write_bank_i"], values["weight_write_step_i"], column] = byte
        if values.get("parameter_write_i"):
            key = values["parameter_write_bank_i"], values["parameter_write_entry_i"]
            self.parameters[key] = values["parameter_write_data_i"]

    def check(self, name: str, want: int | None) -> None:
        value = getattr(self.dut, name).value
        if want is not None:
            assert value.is_resolvable, f"{name} is unknown"
            assert value.to_unsigned() == want, name


def beat(rng: random.Random, bank: int, step: int, part: int) -> dict[str, int]:
    data = rng.getrandbits(8 * BEAT_BYTES)
    names = ("weight_write_i", "weight_write_bank_i", "weight_write_step_i", "weight_write_part_i")
    return dict(zip(names, (1, bank, step, part), strict=True)) | {"weight_write_data_i": data}


def entry(rng: random.Random, bank: int, column: int) -> dict[str, int]:
    names = ("parameter_write_i", "parameter_write_bank_i", "parameter_write_entry_i", "parameter_write_data_i")
    return dict(zip(names, (1, bank, column, rng.getrandbits(ENTRY_BITS)), strict=True))


@cocotb.test()
async def reads_and_writes_at_random(dut: Any) -> None:
    """Both banks, first and last steps; half of the reads are of what is written in the same cycle."""
    rng = random.Random(1)
    buffer = WeightBuffer(dut)
    await buffer.start()
    steps = [*range(6), *range(LAST_STEP - 5, LAST_STEP + 1)]
    for bank in (0, 1):
        for step in steps:
            for part in range(PARTS):
                await buffer.cycle(beat(rng, bank, step, part))
        for column in range(COLUMNS):
            await buffer.cycle(entry(rng, bank, column))
    for _ in range(1500):
        busy = rng.choice([0.2, 0.6, 1.0])
        bank, step, column = rng.randrange(2), rng.choice(steps), rng.randrange(COLUMNS)
        values: dict[str, int] = {}
        if rng.random() < busy:
            values |= beat(rng, bank, step, rng.randrange(PARTS))
        if rng.random() < busy:
            values |= entry(rng, bank, column)
        if rng.random() < busy:
            same = rng.random() < 0.5
            where = (bank, step) if same else (rng.randrange(2), rng.choice(steps))
            values |= {"weight_read_i": 1, "weight_read_bank_i": where[0], "weight_read_step_i": where[1]}
        if rng.random() < busy:
            same = rng.random() < 0.5
            where = (bank, column // LANES) if same else (rng.randrange(2), rng.randrange(COLUMNS // LANES))
            values |= {"parameter_read_i": 1, "parameter_read_bank_i": where[0], "parameter_read_group_i": where[1]}
        await buffer.cycle(values)
    for _ in range(3):
        await buffer.cycle({})


@cocotb.test()
async def reset_forgets_a_request(dut: Any) -> None:
    """The word shown before the reset stays, though another one was requested in the cycle before it."""
    rng = random.Random(2)
    buffer = WeightBuffer(dut)
    await buffer.start()
    for step in (0, 1):
        for part in range(PARTS):
            await buffer.cycle(beat(rng, 0, step, part))
    await buffer.cycle({"weight_read_i": 1, "weight_read_bank_i": 0, "weight_read_step_i": 0})
    await buffer.cycle({})
    await buffer.cycle({})
    await RisingEdge(dut.clk_i)
    buffer.drive({"weight_read_i": 1, "weight_read_bank_i": 0, "weight_read_step_i": 1})
    await RisingEdge(dut.clk_i)
    buffer.drive({})
    dut.rst_ni.value = 0
    await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    for _ in range(4):
        await buffer.cycle({})
