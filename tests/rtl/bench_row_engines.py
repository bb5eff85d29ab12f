"""Bench of ``hws_softmax_engine`` and ``hws_layernorm_engine`` at one activation buffer, both at work at the same time.

A batch loads the buffer, runs the instructions of each engine one after another, and reads back every word: results,
and all that lies around them. What must be there says the interpreter, which computes with the units; when each
instruction must be done say ``hwsim.timing.softmax_engine`` and ``hwsim.timing.layernorm_engine``: ready and done are
compared in every cycle. Where the simulator has unknowns, all that an instruction may not depend on is unknown.
"""

from __future__ import annotations

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge
from cocotb.types import LogicArray
from numpy.typing import NDArray

from hwsim.interpreter.rows import run_layernorm, run_softmax
from hwsim.isa import Instruction, encode
from tests.rtl.row_batches import (
    CONFIG,
    ENGINES,
    QUARTER_WORDS,
    TINY,
    Batch,
    Job,
    W,
    largest_batch,
    random_batch,
    shapes_batch,
)


def unknown(width: int) -> Any:
    """No value where the simulator has such, else any."""
    return LogicArray("X" * width) if cocotb.SIM_NAME.startswith("Icarus") else random.getrandbits(width)


def known(value: Any, name: str) -> int:
    assert value.is_resolvable, f"{name} is unknown"
    return int(value) if not isinstance(value, LogicArray) else value.to_unsigned()


def word_to_load(data: NDArray[np.uint8], is_known: NDArray[np.bool_]) -> Any:
    """A word of the buffer, unknown bytes as such."""
    if is_known.all() or not cocotb.SIM_NAME.startswith("Icarus"):
        return int.from_bytes(data.tobytes(), "little")
    return LogicArray(
        "".join(f"{byte:08b}" if k else "X" * 8 for byte, k in zip(data[::-1], is_known[::-1], strict=True))
    )


async def reset(dut: Any) -> None:
    """Two cycles; afterwards both engines are ready."""
    dut.rst_ni.value = 0
    for name in ("softmax_valid_i", "layernorm_valid_i", "param_write_i", "threshold_write_i", "read_valid_i",
                 "write_valid_i", "row_write_i", "map_read_i"):  # fmt: skip
        getattr(dut, name).value = 0
    for _ in range(2):
        await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    await FallingEdge(dut.clk_i)


async def started(dut: Any) -> None:
    for name in ("softmax_instruction_i", "layernorm_instruction_i", "param_channel_i", "param_data_i",
                 "threshold_index_i", "threshold_i", "row_index_i", "row_entry_i", "map_tile_i", "map_beat_i",
                 "read_address_i", "write_address_i", "write_data_i"):  # fmt: skip
        getattr(dut, name).value = unknown(len(getattr(dut, name)))
    cocotb.start_soon(Clock(dut.clk_i, 10, "ns").start(start_high=False))
    await reset(dut)


def words_of(batch: Batch) -> list[int]:
    """Every word of the quarters up to the last tensor's end."""
    return [quarter * QUARTER_WORDS + word for quarter in range(4) for word in range(batch.free[quarter])]


async def load(dut: Any, batch: Batch) -> None:
    """Write the buffer, and LayerNorm's parameters beside it, a word and a channel a cycle."""
    is_known = batch.known.reshape(-1, W)
    words = words_of(batch)
    rows = list(batch.rows.items())
    for i in range(max(len(words), len(batch.entries), len(rows))):
        dut.row_write_i.value = int(i < len(rows))
        if i < len(rows):
            dut.row_index_i.value, dut.row_entry_i.value = rows[i]
        dut.write_valid_i.value = int(i < len(words))
        dut.param_write_i.value = int(i < len(batch.entries))
        if i < len(words):
            dut.write_address_i.value = words[i]
            dut.write_data_i.value = word_to_load(batch.state.activation.words[words[i]], is_known[words[i]])
        if i < len(batch.entries):
            dut.param_channel_i.value = i
            dut.param_data_i.value = batch.entries[i] | batch.rng.getrandbits(13) << 51
        await FallingEdge(dut.clk_i)
    dut.write_valid_i.value = 0
    dut.param_write_i.value = 0
    dut.row_write_i.value = 0
    dut.row_entry_i.value = unknown(len(dut.row_entry_i))
    for index, threshold in enumerate(batch.state.thresholds.tolist(), start=1):
        dut.threshold_write_i.value = 1
        dut.threshold_index_i.value = index
        dut.threshold_i.value = threshold
        await FallingEdge(dut.clk_i)
    dut.threshold_write_i.value = 0
    dut.threshold_i.value = unknown(len(dut.threshold_i))
    dut.write_data_i.value = unknown(8 * W)
    dut.param_data_i.value = unknown(64)


async def compare(dut: Any, batch: Batch) -> None:
    """Read the buffer back, a word a cycle, each two cycles after its request."""
    words = words_of(batch)
    is_known = batch.known.reshape(-1, W)
    for i in range(len(words) + 2):
        await RisingEdge(dut.clk_i)
        dut.read_valid_i.value = int(i < len(words))
        dut.read_address_i.value = words[min(i, len(words) - 1)]
        await FallingEdge(dut.clk_i)
        if i < 2:
            continue
        word = words[i - 2]
        want, care = batch.state.activation.words[word], is_known[word]
        text = format(dut.read_data_o.value) if not care.all() else ""
        data = dut.read_data_o.value
        if care.all():
            got = np.frombuffer(known(data, f"word {word}").to_bytes(W, "little"), np.uint8)
        else:
            bits = [text[8 * (W - 1 - b) : 8 * (W - b)] for b in range(W)]
            got = np.array(
                [int(b, 2) if k and set(b) <= {"0", "1"} else 0 for b, k in zip(bits, care, strict=True)], np.uint8
            )
        assert (got[care] == want[care]).all(), f"word {word} is {got}, expected {want}, of which count {care}"
    dut.read_valid_i.value = 0


async def compare_map(dut: Any, batch: Batch) -> None:
    """Read the outlier map where it is known, a beat a cycle."""
    lanes, is_known = CONFIG.layernorm_lanes, batch.known_outliers()
    want = batch.state.outliers.bits
    beats = is_known.reshape(len(is_known), -1, lanes).any(axis=2)
    for tile, beat in np.argwhere(beats).tolist():
        await RisingEdge(dut.clk_i)
        dut.map_read_i.value, dut.map_tile_i.value, dut.map_beat_i.value = 1, tile, beat
        await RisingEdge(dut.clk_i)
        dut.map_read_i.value = 0
        await FallingEdge(dut.clk_i)
        text = format(dut.map_bits_o.value)[::-1]
        for lane in range(lanes):
            channel = beat * lanes + lane
            expected = str(int(want[tile, channel]))
            assert not is_known[tile, channel] or text[lane] == expected, f"map of tile {tile}, {channel}: {text[lane]}"


class MapWatch:
    """Reads the last beat of each LayerNorm's map in the cycle after its done, the first in which the array may."""

    def __init__(self, dut: Any, driver: Driver) -> None:
        self.dut, self.driver = dut, driver
        self.done, self.asked = False, False
        self.seen: list[str] = []

    def drive(self) -> None:
        """In the cycle after done, read."""
        self.asked = self.done
        self.dut.map_read_i.value = int(self.done)
        if self.done:
            tile, beat = self.place(self.driver.jobs[len(self.seen)].instruction)
            self.dut.map_tile_i.value, self.dut.map_beat_i.value = tile, beat

    def observe(self, answered: bool) -> None:
        """Take what was asked for in the cycle before."""
        if answered:
            self.seen.append(format(self.dut.map_bits_o.value)[::-1])
        self.done = self.dut.layernorm_done_o.value == 1

    def place(self, one: Instruction) -> tuple[int, int]:
        """Row tile and beat of an instruction's last write."""
        last_row = one["out_row"] + one["rows"] - 1
        return last_row // CONFIG.array_rows, (one["channels"] - 1) // CONFIG.layernorm_lanes

    def compare(self, number: int, batch: Batch) -> None:
        """What job ``number`` left must be there, as far as its own rows say it all."""
        one = self.driver.jobs[number].instruction
        tile, beat = self.place(one)
        if not one["outliers"] or one["out_row"] > tile * CONFIG.array_rows:
            return
        first = beat * CONFIG.layernorm_lanes
        for channel in range(first, one["channels"]):
            want = str(int(batch.state.outliers.bits[tile, channel]))
            assert self.seen[number][channel - first] == want, (
                f"LayerNorm {number}: map of channel {channel} after done"
            )


class Driver:
    """Offers one engine its instructions, and knows in each cycle what its outputs must be."""

    def __init__(self, dut: Any, engine: str, jobs: list[Job]) -> None:
        self.dut, self.engine, self.jobs = dut, engine, jobs
        self.next, self.pause, self.free, self.done = 0, jobs[0].pause, 0, -1
        self.beats = 0

    def drive(self) -> None:
        """Offer the next instruction when its pause is over."""
        offer = self.next < len(self.jobs) and self.pause == 0
        word = int.from_bytes(encode(self.jobs[self.next].instruction), "little") if offer else unknown(512)
        getattr(self.dut, f"{self.engine}_valid_i").value = int(offer)
        getattr(self.dut, f"{self.engine}_instruction_i").value = word
        self.offered = offer

    def observe(self, cycle: int, writes: int) -> bool:
        """Compare ready and done; return whether the last instruction is done."""
        ready = known(getattr(self.dut, f"{self.engine}_ready_o").value, "ready")
        done = known(getattr(self.dut, f"{self.engine}_done_o").value, "done")
        name = f"{self.engine} {self.next - 1} of {self.jobs[self.next - 1].instruction.fields}"
        assert ready == (cycle >= self.free), f"cycle {cycle}, {name}: ready is {ready}, expected from {self.free} on"
        assert done == (cycle == self.done), f"cycle {cycle}, {name}: done is {done}, expected in {self.done}"
        assert not writes or cycle <= self.done, f"cycle {cycle}, {name}: writes after done in {self.done}"
        assert not done or writes, f"{name}: done without a write"
        if ready and self.offered:
            self.done = self.jobs[self.next].done(cycle)
            self.free = self.done + 1
            self.next += 1
            self.pause = self.jobs[self.next].pause if self.next < len(self.jobs) else 0
        elif ready and self.pause:
            self.pause -= 1
        return self.next == len(self.jobs) and cycle >= self.done


async def run(dut: Any, batch: Batch) -> None:
    """Load, let both engines work at the same time, compare every word."""
    await load(dut, batch)
    drivers = [Driver(dut, engine, batch.jobs[engine]) for engine in ENGINES]
    watch = MapWatch(dut, drivers[1])
    cycle, finished = 0, False
    while not finished or len(watch.seen) < len(batch.jobs["layernorm"]):
        await RisingEdge(dut.clk_i)
        answered = watch.asked
        watch.drive()
        for driver in drivers:
            driver.drive()
        await FallingEdge(dut.clk_i)
        active = known(dut.active_o.value, "active")
        assert known(dut.conflict_o.value, "conflict") == 0
        ends = [driver.observe(cycle, active >> (2 * i + 1) & 1) for i, driver in enumerate(drivers)]
        watch.observe(answered)
        finished = all(ends)
        cycle += 1
    for job in batch.jobs["softmax"]:
        run_softmax(job.instruction, batch.state)
    for number, job in enumerate(batch.jobs["layernorm"]):
        run_layernorm(job.instruction, batch.state)
        watch.compare(number, batch)
    await compare(dut, batch)
    await compare_map(dut, batch)
    dut._log.info("%d instructions in %d cycles", sum(map(len, batch.jobs.values())), cycle)


@cocotb.test()
async def shapes(dut: Any) -> None:
    await started(dut)
    await run(dut, shapes_batch(1))


@cocotb.test()
async def random_instructions(dut: Any) -> None:
    await started(dut)
    for seed in range(2 if TINY else 10):
        await run(dut, random_batch(seed))


@cocotb.test()
async def largest(dut: Any) -> None:
    await started(dut)
    await run(dut, largest_batch())


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    await started(dut)
    for cycles in (2, 30, 90):
        batch = random_batch(100 + cycles)
        await load(dut, batch)
        for driver in (Driver(dut, engine, batch.jobs[engine]) for engine in ENGINES):
            driver.pause = 0
            driver.drive()
        for _ in range(cycles):
            await FallingEdge(dut.clk_i)
        await reset(dut)
        await run(dut, batch)
