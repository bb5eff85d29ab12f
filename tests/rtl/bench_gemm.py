"""Bench of ``hws_gemm`` with its memories: bytes against the interpreter, cycles against ``hwsim.timing.gemm``.

A batch loads the memories, runs its instructions one after another, and looks at everything around their results. The
interpreter computes with the units, written from the same pages as the Verilog, not from it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge
from numpy.typing import NDArray

from hwsim.compiler.layout import Region, byte_index, row_stride, words_of
from hwsim.formats import Terms
from hwsim.interpreter.gemm import gemm
from hwsim.interpreter.operands import column_operand, row_operand
from hwsim.interpreter.state import State
from hwsim.isa import COLUMN_SOURCES, DRAIN_OPERATIONS, OPERAND_KINDS, Instruction, encode
from hwsim.timing.gemm import gemm_tile_times, gemm_tiles, gemm_times
from hwsim.units.pe_array import multiply
from tests.rtl.stream import configuration

CONFIG = configuration()
W, ROWS, COLUMNS, LANES = CONFIG.word_bytes, CONFIG.array_rows, CONFIG.array_columns, CONFIG.drain_lanes
BANK_WORDS = CONFIG.buffer_words // CONFIG.activation_banks
STEP_BEATS = max(1, COLUMNS // CONFIG.beat_bytes)
LONG_AGO = -(1 << 40)
ROW_BANK, COLUMN_BANK, SKIP_BANK, RESULT_BANK = range(4)
"""Every port has a bank of its own, as in a program."""
TABLE_LO = -300
PATIENCE_CYCLES = 20_000


@dataclass
class Shape:
    """What a case chooses; the rest is drawn."""

    rows: int
    columns: int
    steps: int
    source: str = "weights"
    drain: str = "none"
    halfwords: bool = False
    kind: str = "uniform"
    bank: int = 0
    pause: int = 0
    """Cycles in which nothing is offered before this instruction."""


@dataclass
class Batch:
    """Instructions, the memories before and after them, and which bytes were ever written."""

    rng: random.Random
    state: State = field(default_factory=lambda: State(np.zeros(0, np.uint8), CONFIG))
    known: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(CONFIG.buffer_words * W, bool))
    free: list[int] = field(default_factory=lambda: [bank * BANK_WORDS for bank in range(4)])
    instructions: list[Instruction] = field(default_factory=list)
    pauses: list[int] = field(default_factory=list)
    parameters: dict[int, list[int]] = field(default_factory=dict)

    @property
    def memory(self) -> NDArray[np.uint8]:
        """Bytes of the activation buffer."""
        return self.state.activation.words.reshape(-1)

    def region(self, bank: int, rows: int, channels: int, *, halfwords: bool = False) -> Region:
        """A new tensor in a bank, with a guard of unwritten words behind it."""
        size = words_of(rows, channels, halfwords, W)
        base = -(-self.free[bank] // W) * W
        self.free[bank] = base + size + 1
        assert self.free[bank] <= (bank + 1) * BANK_WORDS, "the bank is full"
        return Region(base=base, stride=row_stride(channels, halfwords, W), halfwords=halfwords, word_bytes=W)

    def fill(self, region: Region, first: tuple[int, int], shape: tuple[int, int]) -> None:
        """Random elements; what lies beside them stays unknown."""
        rows = first[0] + np.arange(shape[0], dtype=np.int64)[:, None]
        channels = first[1] + np.arange(shape[1], dtype=np.int64)[None, :]
        index = byte_index(region, rows, channels)
        for offset in range(2 if region.halfwords else 1):
            draw = [self.rng.getrandbits(8) for _ in range(index.size)]
            self.memory[index + offset] = np.array(draw, np.uint8).reshape(index.shape)
            self.known[index + offset] = True


def whole(count: int, unit: int) -> int:
    """``count`` up to the next multiple."""
    return unit * -(-count // unit)


def operand_format(rng: random.Random, kind: str) -> dict[str, int]:
    """Fields of the row operand's format."""
    fields = {"operand_kind": OPERAND_KINDS.index(kind), "operand_signed": rng.randrange(2)}
    if kind == "uniform":
        lo = -128 if fields["operand_signed"] else 0
        return fields | {"operand_bits": 8, "operand_zero": rng.choice([0, lo, lo + 255, rng.randrange(lo, lo + 256)])}
    if kind == "two_scale":
        return fields | {"operand_bits": rng.choice([8, 8, 6, 4]), "operand_exponent": rng.randint(1, 6)}
    return fields | {"operand_bits": rng.choice([8, 4, 3]), "operand_exponent": rng.randint(3, 8)}


def add(batch: Batch, shape: Shape) -> None:
    """Draw an instruction of this shape, and fill what it reads."""
    rng = batch.rng
    fields = operand_format(rng, shape.kind) | {
        "rows": shape.rows, "columns": shape.columns, "steps": shape.steps, "bank": shape.bank,
        "column_source": COLUMN_SOURCES.index(shape.source), "drain": DRAIN_OPERATIONS.index(shape.drain),
        "out_halfwords": int(shape.halfwords), "row_first": ROWS * rng.randrange(4),
    }  # fmt: skip
    region = batch.region(ROW_BANK, fields["row_first"] + shape.rows, shape.steps)
    batch.fill(region, (fields["row_first"], 0), (shape.rows, shape.steps))
    fields |= {"row_base": region.base, "row_stride": region.stride}
    if shape.source != "weights":
        first = fields["column_first"] = COLUMNS * rng.randrange(4)
        tensor = (
            (first + shape.columns, shape.steps) if shape.source == "channels" else (shape.steps, first + shape.columns)
        )
        region = batch.region(COLUMN_BANK, *tensor)
        corner = (first, 0) if shape.source == "channels" else (0, first)
        batch.fill(region, corner, (tensor[0] - corner[0], tensor[1] - corner[1]))
        fields |= {"column_base": region.base, "column_stride": region.stride}
    row, channel = fields["out_row"], fields["out_channel"] = rng.randrange(2 * W), LANES * rng.randrange(6)
    written = whole(shape.columns, LANES)
    extent = row + shape.rows, channel + written
    region = batch.region(RESULT_BANK, *extent, halfwords=shape.halfwords)
    batch.fill(region, (0, 0), (whole(extent[0], 1 if shape.halfwords else W), extent[1]))
    fields |= {"out_base": region.base, "out_stride": region.stride}
    if shape.drain in ("residual", "constant"):
        region = batch.region(SKIP_BANK, *extent, halfwords=shape.drain == "constant")
        batch.fill(region, (row, channel), (shape.rows, written))
        fields |= {"skip_base": region.base, "skip_stride": region.stride}
    batch.instructions.append(Instruction("gemm", fields | drain_fields(rng, shape)))
    batch.pauses.append(shape.pause)


def drain_fields(rng: random.Random, shape: Shape) -> dict[str, int]:
    """Bounds of the requantiser, and the residual adder's numbers."""
    if shape.drain == "table":
        return {"lo": TABLE_LO, "hi": TABLE_LO + rng.choice([1023, 700]), "zero_point": rng.randint(-50, 50)}
    if shape.drain == "none" and not shape.halfwords:
        lo = rng.choice([-128, 0])
        return {"lo": lo, "hi": lo + 255, "zero_point": rng.randint(lo, lo + 255)}
    return {
        "lo": rng.choice([-32768, -5000]), "hi": rng.choice([32767, 6000]), "zero_point": rng.choice([0, 0, -700]),
        "multiplier": rng.randrange(1 << 14, 1 << 15), "shift": rng.randint(9, 14), "old_exponent": rng.randint(0, 4),
        "new_exponent": rng.randint(0, 4), "guard": rng.randint(0, 5), "code_lo": rng.choice([-128, -100]),
        "code_hi": rng.choice([127, 90]),
    }  # fmt: skip


def finish(batch: Batch) -> Batch:
    """Draw weights, table, codebook and parameters that keep the results inside their ranges, most of the time."""
    rng, state = batch.rng, batch.state
    draw = np.random.default_rng(rng.getrandbits(32))
    steps = max(instruction["steps"] for instruction in batch.instructions)
    state.weights[:, :steps] = draw.integers(-128, 128, (2, steps, COLUMNS), np.int8)
    state.table[:] = draw.integers(0, 256, len(state.table), np.uint8)
    shifts = np.full(256, 3) if CONFIG.pe_style == "two_accumulator" else draw.integers(0, 7, 256)
    shifts[::3] = 0
    state.codebook = Terms(draw.integers(-256, 256, 256).astype(np.int16), shifts.astype(np.uint8))
    for bank in (0, 1):
        mine = [instruction for instruction in batch.instructions if instruction["bank"] == bank]
        if not mine:
            continue
        used = max(min(instruction["columns"], COLUMNS) for instruction in mine)
        sums = [_largest_sum(instruction, state) for instruction in mine]
        batch.parameters[bank] = [_entry(rng, rng.choice(sums)) if n < used else 0 for n in range(COLUMNS)]
        state.parameters.write(bank, np.array(batch.parameters[bank], np.uint64))
    return batch


def _largest_sum(instruction: Instruction, state: State) -> int:
    rows = row_operand(instruction, state).terms
    return int(np.abs(multiply(rows, column_operand(instruction, state), CONFIG.pe_style)).max())


def _entry(rng: random.Random, largest_sum: int) -> int:
    shift = min(47, max(0, largest_sum.bit_length() + 15 - rng.randint(6, 14)))
    bias = rng.randint(-largest_sum, largest_sum) >> rng.randint(0, 4)
    multiplier = rng.randrange(1 << 14, 1 << 15)
    return bias & 0xFFFFFFFF | multiplier << 32 | shift << 48 | rng.getrandbits(2) << 54


def new_batch(seed: int, *shapes: Shape) -> Batch:
    """Instructions of these shapes, one after another."""
    batch = Batch(random.Random(seed))
    for shape in shapes:
        add(batch, shape)
    return finish(batch)


class Bench:
    """The system under test, a cycle at a time."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.cycle = 0
        self.starts: list[int] = []
        self.dones: list[int] = []
        self.written: set[int] = set()

    async def start(self) -> None:
        """Begin the clock and reset."""
        for name in dir(self.dut):
            if name.endswith("_i") and name not in ("clk_i", "rst_ni"):
                getattr(self.dut, name).value = 0
        cocotb.start_soon(Clock(self.dut.clk_i, 10, "ns").start(start_high=False))
        await self.reset()

    async def reset(self) -> None:
        """Two cycles of reset, after which the engine is ready."""
        self.dut.rst_ni.value = 0
        await FallingEdge(self.dut.clk_i)
        await FallingEdge(self.dut.clk_i)
        self.dut.rst_ni.value = 1
        await FallingEdge(self.dut.clk_i)
        assert self.dut.start_ready_o.value == 1
        self.starts.clear()
        self.dones.clear()

    async def tick(self, **inputs: int) -> None:
        """Drive ports for one cycle, and watch the engine's outputs in it."""
        await RisingEdge(self.dut.clk_i)
        for name, value in inputs.items():
            getattr(self.dut, name).value = value
        await FallingEdge(self.dut.clk_i)
        self.cycle += 1
        for name in ("start_ready_o", "done_o", "write_valid_o", "conflict_o"):
            assert getattr(self.dut, name).value.is_resolvable, f"{name} is unknown"
        assert self.dut.conflict_o.value == 0, "two ports met in a bank"
        if self.dut.write_valid_o.value == 1:
            self.written.add(int(self.dut.write_address_o.value))
        if self.dut.done_o.value == 1:
            self.dones.append(self.cycle)

    async def load(self, batch: Batch) -> None:
        """Write the memories; every port its own things at the same time."""
        known = batch.known.reshape(-1, W)
        words = batch.memory.reshape(-1, W)
        streams: list[list[dict[str, int]]] = [
            [
                {
                    "load_address_i": int(word),
                    "load_mask_i": int(np.packbits(known[word], bitorder="little").tobytes()[::-1].hex(), 16),
                    "load_data_i": int.from_bytes(words[word].tobytes(), "little"),
                }
                for word in np.flatnonzero(known.any(axis=1))
            ],
            _weight_words(batch),
            [
                {"parameter_write_bank_i": bank, "parameter_write_entry_i": n, "parameter_write_data_i": entry}
                for bank, entries in batch.parameters.items()
                for n, entry in enumerate(entries)
            ],
        ]
        valids = ["load_valid_i", "weight_write_i", "parameter_write_i"]
        if any(instruction["drain"] == DRAIN_OPERATIONS.index("table") for instruction in batch.instructions):
            table = enumerate(batch.state.table)
            streams.append([{"table_address_i": i, "table_code_i": int(code)} for i, code in table])
            valids.append("table_write_i")
        if any(instruction["operand_kind"] == OPERAND_KINDS.index("codebook") for instruction in batch.instructions):
            mask = (1 << CONFIG.mantissa_bits) - 1
            terms = zip(batch.state.codebook.mantissa, batch.state.codebook.shift, strict=True)
            streams.append(
                [
                    {"codebook_code_i": code, "codebook_mantissa_i": int(m) & mask, "codebook_shift_i": int(s)}
                    for code, (m, s) in enumerate(terms)
                ]
            )
            valids.append("codebook_write_i")
        for items in zip_longest(*streams):
            inputs = {valid: int(item is not None) for valid, item in zip(valids, items, strict=True)}
            for item in items:
                inputs |= item or {}
            await self.tick(**inputs)
        await self.tick(**dict.fromkeys(valids, 0))

    async def run(self, batch: Batch) -> None:
        """Offer the instructions until all are done."""
        self.starts.clear()
        self.dones.clear()
        self.written.clear()
        for instruction, pause in zip(batch.instructions, batch.pauses, strict=True):
            for _ in range(pause):
                await self.tick(start_valid_i=0, instruction_i=0)
            waited = self.cycle
            word = int.from_bytes(encode(instruction), "little")
            await self.tick(start_valid_i=1, instruction_i=word)
            while self.dut.start_ready_o.value == 0:
                await self.tick()
                assert self.cycle - waited < PATIENCE_CYCLES, "the engine does not become ready"
            self.starts.append(self.cycle)
        await self.tick(start_valid_i=0, instruction_i=0)
        while len(self.dones) < len(batch.instructions):
            await self.tick()
            assert self.cycle - self.starts[-1] < PATIENCE_CYCLES, f"{len(self.dones)} instructions are done"
        for _ in range(4):
            await self.tick()
        assert len(self.dones) == len(batch.instructions), "a done too many"

    async def look(self, words: range) -> list[Any]:
        """Words of the activation buffer."""
        data = []
        for i in range(len(words) + 2):
            inside = i < len(words)
            await self.tick(look_valid_i=int(inside), look_address_i=words[i] if inside else 0)
            if i > 1:
                data.append(self.dut.look_data_o.value)
        return data


def _weight_words(batch: Batch) -> list[dict[str, int]]:
    used = [instruction for instruction in batch.instructions if instruction["column_source"] == 0]
    words = []
    for bank in {instruction["bank"] for instruction in used}:
        for step in range(max(instruction["steps"] for instruction in used if instruction["bank"] == bank)):
            raw = batch.state.weights[bank, step].tobytes().ljust(STEP_BEATS * CONFIG.beat_bytes, b"\0")
            for part in range(STEP_BEATS):
                beat = raw[part * CONFIG.beat_bytes : (part + 1) * CONFIG.beat_bytes]
                place = {"weight_write_bank_i": bank, "weight_write_step_i": step, "weight_write_part_i": part}
                words.append(place | {"weight_write_data_i": int.from_bytes(beat, "little")})
    return words


async def check(bench: Bench, batch: Batch) -> None:
    """Run a batch; every byte around the results, and every cycle, must be what the models say."""
    await bench.load(batch)
    for instruction in batch.instructions:
        gemm(instruction, batch.state)
    await bench.run(batch)
    last = LONG_AGO
    for i, instruction in enumerate(batch.instructions):
        rows, columns, steps = (instruction[name] for name in ("rows", "columns", "steps"))
        times = gemm_times(bench.starts[i], rows, columns, steps, last, CONFIG)
        tiles = np.full(gemm_tiles(rows, columns, CONFIG), steps)
        assert times == gemm_tile_times(bench.starts[i], tiles, last, CONFIG)
        assert bench.dones[i] == times.done, f"instruction {i}: done {bench.dones[i] - times.done} cycles late"
        if i + 1 < len(bench.starts) and batch.pauses[i + 1] == 0:
            assert bench.starts[i + 1] == times.last_step, f"instruction {i + 1}: it starts at the last step before"
        last = times.last_step
    results = range(RESULT_BANK * BANK_WORDS, batch.free[RESULT_BANK])
    assert bench.written <= set(results), "something beside the results was written"
    known = batch.known.reshape(-1, W)
    expected = batch.memory.reshape(-1, W)
    for word, got in zip(results, await bench.look(results), strict=True):
        for byte in np.flatnonzero(known[word]):
            bits = got[8 * int(byte) + 7 : 8 * int(byte)]
            assert bits.is_resolvable, f"byte {byte} of word {word} is unknown"
            assert bits.to_unsigned() == expected[word, byte], f"byte {byte} of word {word} is {bits}"


async def started(dut: Any) -> Bench:
    bench = Bench(dut)
    await bench.start()
    return bench


@cocotb.test()
async def column_sources(dut: Any) -> None:
    bench = await started(dut)
    for source in COLUMN_SOURCES:
        wide = 2 * COLUMNS + 1 if source == "channels" else COLUMNS
        await check(
            bench,
            new_batch(
                1,
                Shape(ROWS, COLUMNS, 1, source),
                Shape(1, wide, 3, source, kind="two_scale"),
                Shape(2 * ROWS + 1, COLUMNS - 1, 2 * W + 3, source, halfwords=True, bank=1),
                Shape(3 * ROWS, wide, 9, source, halfwords=True),
            ),
        )


@cocotb.test()
async def drain_operations(dut: Any) -> None:
    bench = await started(dut)
    for drain in DRAIN_OPERATIONS:
        shapes = [Shape(ROWS + 1, COLUMNS, 11, drain=drain), Shape(ROWS, 1, 7, drain=drain, bank=1)]
        await check(bench, new_batch(2, *shapes, Shape(ROWS - 1, 2 * COLUMNS, 5, "channels", drain)))


@cocotb.test()
async def operand_kinds(dut: Any) -> None:
    bench = await started(dut)
    kinds = [kind for kind in OPERAND_KINDS if CONFIG.pe_style == "shift" or not kind.startswith("log")]
    for kind in kinds:
        await check(bench, new_batch(3, *[Shape(ROWS - 1, COLUMNS - 1, 8, kind=kind) for _ in range(4)]))
    # formats change from one instruction to the next, with nothing between them
    await check(bench, new_batch(4, *[Shape(2, COLUMNS, 1 + i % 3, kind=kind) for i, kind in enumerate(2 * kinds)]))


@cocotb.test()
async def random_batches(dut: Any) -> None:
    rng = random.Random(5)
    bench = await started(dut)
    kinds = [kind for kind in OPERAND_KINDS if CONFIG.pe_style == "shift" or not kind.startswith("log")]
    for seed in range(6):
        shapes = []
        for _ in range(5):
            source, drain = rng.choice(COLUMN_SOURCES), rng.choice(DRAIN_OPERATIONS)
            columns = rng.randint(1, COLUMNS * (3 if source == "channels" else 1))
            size = rng.randint(1, 3 * ROWS), columns, rng.randint(1, 60)
            halfwords = drain == "none" and rng.random() < 0.5
            pause = rng.choice([0, 0, 1, 5, 40, 90])
            shapes.append(Shape(*size, source, drain, halfwords, rng.choice(kinds), rng.randrange(2), pause))
        await check(bench, new_batch(seed, *shapes))


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    bench = await started(dut)
    for cycles in (1, 3, 9, 20, 40):
        batch = new_batch(cycles, Shape(ROWS + 1, COLUMNS, 6), Shape(ROWS, COLUMNS, 2, "rows", "residual"))
        await bench.load(batch)
        word = int.from_bytes(encode(batch.instructions[0]), "little")
        for _ in range(cycles):
            await bench.tick(start_valid_i=1, instruction_i=word)
        bench.dut.start_valid_i.value = 0
        await bench.reset()
        await check(bench, new_batch(cycles, *[Shape(ROWS, COLUMNS, 4, drain=drain) for drain in ("none", "table")]))
