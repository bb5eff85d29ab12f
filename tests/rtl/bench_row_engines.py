"""Bench of ``hws_softmax_engine`` and ``hws_layernorm_engine`` at one activation buffer, both at work at the same time.

A batch loads the buffer, runs the instructions of each engine one after another, and reads back every word: results,
and all that lies around them. What must be there says the interpreter, which computes with the units; when each
instruction must be done say ``hwsim.timing.softmax_engine`` and ``hwsim.timing.layernorm_engine``: ready and done are
compared in every cycle. Where the simulator has unknowns, all that an instruction may not depend on is unknown.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge
from cocotb.types import LogicArray
from numpy.typing import NDArray

from hwsim.compiler.layout import Region, row_stride, write_region
from hwsim.config import AcceleratorConfig
from hwsim.interpreter.rows import run_layernorm, run_softmax
from hwsim.interpreter.state import State
from hwsim.isa import ENCODER_KINDS, Instruction, encode
from hwsim.timing.layernorm_engine import layernorm_done
from hwsim.timing.softmax_engine import softmax_done
from hwsim.units.timing import SOFTMAX_COLUMNS_MAX
from tests.codebooks import random_codebook
from tests.rtl.stream import configuration

CONFIG: AcceleratorConfig = configuration()
TINY = CONFIG.name == "tiny"
W = CONFIG.word_bytes
QUARTER_WORDS = CONFIG.buffer_words // 4
SCORES, PROBABILITIES, RESIDUALS, RESULTS = range(4)
"""Every port has a quarter of the buffer, of two banks or more, of its own."""
ENGINES = ("softmax", "layernorm")
EXPONENT_MAX = (1 << CONFIG.term_shift_bits) - 1


@dataclass
class Job:
    """An instruction, and the cycles in which nothing is offered before it."""

    instruction: Instruction
    pause: int

    def done(self, start: int) -> int:
        """Cycle in which the result must have been written."""
        one = self.instruction
        if one.operation == "softmax":
            return softmax_done(start, one["rows"], one["columns"], CONFIG)
        return layernorm_done(start, one["rows"], one["channels"], CONFIG)


@dataclass
class Batch:
    """Jobs of both engines, the buffer and LayerNorm's parameters before them, and which bytes anybody has written."""

    seed: int
    rng: random.Random = field(init=False)
    state: State = field(default_factory=lambda: State(np.zeros(0, np.uint8), CONFIG))
    known: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(CONFIG.buffer_words * W, np.bool_))
    free: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    jobs: dict[str, list[Job]] = field(default_factory=lambda: {engine: [] for engine in ENGINES})
    entries: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.state.thresholds[:] = random_codebook(self.rng, 8).thresholds
        count = CONFIG.layernorm_channels_max
        gamma = [
            self.rng.choice([-(1 << 15), (1 << 15) - 1, *[self.rng.randrange(-9000, 9000)] * 30]) for _ in range(count)
        ]
        beta = [
            self.rng.choice([-(1 << 31), (1 << 31) - 1, *[self.rng.randrange(-(1 << 20), 1 << 20)] * 30])
            for _ in range(count)
        ]
        for g, b in zip(gamma, beta, strict=True):
            self.entries.append(g & 0xFFFF | (b & 0xFFFFFFFF) << 16 | self.rng.randrange(2) << 48)
        self.state.affine.write(np.array(self.entries, np.uint64))

    @property
    def memory(self) -> NDArray[np.uint8]:
        """Bytes of the buffer."""
        return self.state.activation.words.reshape(-1)

    def region(self, quarter: int, rows: int, channels: int, *, halfwords: bool) -> Region:
        """A new tensor, sometimes with a longer stride; blocks of known words lie before and behind the results."""
        stride = row_stride(channels, halfwords, W) + self.rng.choice([0, 0, 1 if halfwords else W])
        size = stride * (rows if halfwords else -(-rows // W))
        base = (self.rng.randrange(W) if halfwords else 0) + W * (1 + -(-self.free[quarter] // W))
        self.free[quarter] = W * (1 + -(-(base + size) // W))
        assert self.free[quarter] <= QUARTER_WORDS, f"quarter {quarter} is full"
        return Region(base=quarter * QUARTER_WORDS + base, stride=stride, halfwords=halfwords, word_bytes=W)

    def fill(self, region: Region, values: NDArray[np.int64], first_row: int) -> None:
        """Put elements into a region; what lies beside them stays unknown."""
        written = np.zeros(self.memory.shape, np.uint8)
        ones = np.full(values.shape, -1, np.int64)
        write_region(self.memory, region, values, first_row)
        write_region(written, region, ones, first_row)
        self.known |= written != 0

    def result(self, quarter: int, rows: int, channels: int) -> tuple[Region, int]:
        """A region for a result and its first row; it and what lies around it holds something else."""
        first, out_row = self.free[quarter], self.rng.choice([0, 1, W - 1, self.rng.randrange(2 * W)])
        region = self.region(quarter, out_row + rows, channels, halfwords=False)
        old = slice((quarter * QUARTER_WORDS + first) * W, (quarter * QUARTER_WORDS + self.free[quarter]) * W)
        self.memory[old] = np.frombuffer(self.rng.randbytes(old.stop - old.start), np.uint8)
        self.known[old] = True
        return region, out_row

    def softmax(self, rows: int, columns: int) -> None:
        """Add a softmax of random scores and format."""
        rng = self.rng
        in_row = rng.randrange(4)
        scores = self.region(SCORES, in_row + rows, columns, halfwords=True)
        spread = rng.choice([0.7, 100, 500, 3000, 30000])
        middle = np.array([rng.randint(-(1 << 14), 1 << 14) for _ in range(rows)])[:, None]
        noise = np.array([rng.gauss(0, spread) for _ in range(rows * columns)]).reshape(rows, columns)
        self.fill(scores, np.clip(np.rint(noise + middle), -(1 << 15), (1 << 15) - 1).astype(np.int64), in_row)
        out, out_row = self.result(PROBABILITIES, rows, columns)
        kind = rng.choice(["two_scale", "two_scale", "uniform", "log2", "log_sqrt2", "codebook"])
        bits = rng.choice([8, 8, rng.randint(2, 8)])
        exponent = rng.randint(1, min(17 - bits, EXPONENT_MAX)) if kind == "two_scale" else rng.randint(1, EXPONENT_MAX)
        fields = {
            "in_base": scores.base, "in_stride": scores.stride, "in_row": in_row, "rows": rows, "columns": columns,
            "out_base": out.base, "out_stride": out.stride, "out_row": out_row,
            "encoder": ENCODER_KINDS.index(kind), "bits": bits, "exponent": exponent,
        }  # fmt: skip
        self.jobs["softmax"].append(Job(Instruction("softmax", fields), self.pause()))

    def layernorm(self, rows: int, channels: int, *, again: bool = False) -> None:
        """Add a LayerNorm of random residual rows, or of the rows that the one before writes."""
        rng = self.rng
        if again:
            last = self.jobs["layernorm"][-1].instruction
            place = {"in_base": last["out_base"], "in_stride": last["out_stride"], "in_row": last["out_row"]}
        else:
            in_row = rng.choice([0, 1, W - 1, rng.randrange(2 * W)])
            residual = self.region(RESIDUALS, in_row + rows, channels, halfwords=False)
            codes = np.array([rng.gauss(0, rng.choice([3, 40])) for _ in range(rows * channels)]).reshape(
                rows, channels
            )
            self.fill(residual, np.clip(np.rint(codes), -128, 127).astype(np.int64), in_row)
            place = {"in_base": residual.base, "in_stride": residual.stride, "in_row": in_row}
        out, out_row = self.result(RESULTS, rows, channels)
        lo, hi = rng.choice([(-128, 127), (0, 255), (-8, 7), (0, 200)])
        fields = place | {
            "rows": rows, "channels": channels, "out_base": out.base, "out_stride": out.stride, "out_row": out_row,
            "exponent": rng.randint(0, 7), "shift": rng.randint(13, 20), "lo": lo, "hi": hi,
            "epsilon": rng.choice([1, rng.getrandbits(20), (1 << 47) - 1]),
        }  # fmt: skip
        self.jobs["layernorm"].append(Job(Instruction("layernorm", fields), 0 if again else self.pause()))

    def pause(self) -> int:
        """No pause in half of the cases."""
        return self.rng.choice([0, 0, 1, self.rng.randrange(30)])


def shapes_batch(seed: int) -> Batch:
    """One row, one column, ragged last beats, rows of few and many beats, many rows."""
    batch = Batch(seed)
    softmax_lanes, layernorm_lanes = CONFIG.softmax_lanes, CONFIG.layernorm_lanes
    softmax = [(1, 1), (3, 1), (1, softmax_lanes), (2, 2 * softmax_lanes), (5, 3 * softmax_lanes + 1), (64, 3), (4, 33)]
    layernorm = [
        (1, 1),
        (3, 1),
        (1, layernorm_lanes),
        (64, 2),
        (9, 3 * layernorm_lanes + 1),
        (12, 20),
        (5, 27 * layernorm_lanes - 1),
    ]
    if not TINY:
        softmax += [(16, 197), (40, 17)]
        layernorm += [(17, 192), (64, 96)]
    for rows, columns in softmax:
        batch.softmax(rows, columns)
    for rows, channels in layernorm:
        batch.layernorm(rows, channels)
    batch.layernorm(*layernorm[-1], again=True)
    return batch


def largest_batch() -> Batch:
    """The most columns and channels."""
    batch = Batch(5)
    batch.softmax(3, SOFTMAX_COLUMNS_MAX)
    batch.layernorm(3, CONFIG.layernorm_channels_max)
    return batch


def random_batch(seed: int) -> Batch:
    """Three instructions an engine."""
    batch = Batch(seed)
    rng = batch.rng
    for _ in range(3):
        batch.softmax(rng.randint(1, 2 * W), rng.randint(1, 6 * CONFIG.softmax_lanes))
        batch.layernorm(rng.randint(1, 2 * W), rng.randint(1, 6 * CONFIG.layernorm_lanes))
    return batch


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
    for i in range(max(len(words), len(batch.entries))):
        dut.write_valid_i.value = int(i < len(words))
        dut.param_write_i.value = int(i < len(batch.entries))
        if i < len(words):
            dut.write_address_i.value = words[i]
            dut.write_data_i.value = word_to_load(batch.state.activation.words[words[i]], is_known[words[i]])
        if i < len(batch.entries):
            dut.param_channel_i.value = i
            dut.param_data_i.value = batch.entries[i] | batch.rng.getrandbits(15) << 49
        await FallingEdge(dut.clk_i)
    dut.write_valid_i.value = 0
    dut.param_write_i.value = 0
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
    cycle, finished = 0, False
    while not finished:
        await RisingEdge(dut.clk_i)
        for driver in drivers:
            driver.drive()
        await FallingEdge(dut.clk_i)
        active = known(dut.active_o.value, "active")
        assert known(dut.conflict_o.value, "conflict") == 0
        ends = [driver.observe(cycle, active >> (2 * i + 1) & 1) for i, driver in enumerate(drivers)]
        finished = all(ends)
        cycle += 1
    for job in batch.jobs["softmax"]:
        run_softmax(job.instruction, batch.state)
    for job in batch.jobs["layernorm"]:
        run_layernorm(job.instruction, batch.state)
    await compare(dut, batch)
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
