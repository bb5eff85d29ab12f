"""Bench of ``hws_gemm`` with its memories: bytes against the interpreter, cycles against ``hwsim.timing.gemm``.

A batch loads the memories, runs its instructions one after another, and looks at everything around their results. The
interpreter computes with the units, written from the same pages as the Verilog, not from it.
"""

from __future__ import annotations

import random
from itertools import zip_longest
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

from hwsim.interpreter.gemm import gemm
from hwsim.interpreter.state import ROWS_MAX
from hwsim.isa import COLUMN_SOURCES, DRAIN_OPERATIONS, OPERAND_KINDS, encode
from hwsim.timing.gemm import gemm_tile_times, gemm_tiles, gemm_times
from tests.rtl.gemm_batches import (
    BANK_WORDS,
    COLUMNS,
    CONFIG,
    KINDS,
    PATTERNS,
    RESULT_BANK,
    ROWS,
    Batch,
    Shape,
    W,
    new_batch,
)

STEP_BEATS = max(1, COLUMNS // CONFIG.beat_bytes)
LONG_AGO = -(1 << 40)
PATIENCE_CYCLES = 20_000


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
        self._watch_the_array()
        if self.dut.write_valid_o.value == 1:
            self.written.add(int(self.dut.write_address_o.value))
        if self.dut.done_o.value == 1:
            self.dones.append(self.cycle)

    def _watch_the_array(self) -> None:
        """Lanes that do not exist bring nothing unknown, and no step finds the array busy (Icarus shows inner nets)."""
        if not cocotb.SIM_NAME.startswith("Icarus"):
            return
        engine = self.dut.u_gemm
        if engine.array_valid.value == 1:
            assert engine.unused_array_ready.value == 1, "a step came while the array was busy"
            for name in ("mantissa", "shift", "weight", "array_last"):
                assert getattr(engine, name).value.is_resolvable, f"{name} is unknown at the array"

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
        if batch.row_entries:
            streams.append([{"row_index_i": t, "row_entry_i": entry} for t, entry in enumerate(batch.row_entries)])
            valids.append("row_write_i")
        if batch.map_rows:
            streams.append(_map_beats(batch))
            valids.append("map_write_i")
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


def _map_beats(batch: Batch) -> list[dict[str, int]]:
    """A beat a cycle; the rows of a tile are not nearer to each other than LayerNorm writes them."""
    lanes, beats = CONFIG.layernorm_lanes, []
    for row, bits in batch.map_rows:
        for beat in range(len(bits) // lanes):
            word = sum(int(bit) << lane for lane, bit in enumerate(bits[beat * lanes : (beat + 1) * lanes]))
            beats.append({"map_row_i": row, "map_beat_i": beat, "map_bits_i": word})
    return beats


async def check(bench: Bench, batch: Batch) -> None:
    """Run a batch; every byte around the results, and every cycle, must be what the models say."""
    await bench.load(batch)
    tile_steps = [gemm(instruction, batch.state).tile_steps for instruction in batch.instructions]
    await bench.run(batch)
    last = LONG_AGO
    for i, instruction in enumerate(batch.instructions):
        rows, columns, steps = (instruction[name] for name in ("rows", "columns", "steps"))
        assert len(tile_steps[i]) == gemm_tiles(rows, columns, CONFIG)
        times = gemm_tile_times(bench.starts[i], tile_steps[i], last, CONFIG)
        if not instruction["outliers"]:
            assert times == gemm_times(bench.starts[i], rows, columns, steps, last, CONFIG)
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
        # of 16 bits: a sum with the constant, codes with zeros above; and codes again, with nothing between them
        turns = [Shape(ROWS + i, COLUMNS, 2 + i, drain=drain, halfwords=i % 2 == 0, bank=i % 2) for i in range(3)]
        await check(bench, new_batch(9, *turns, Shape(ROWS, 2 * COLUMNS + 1, 5, "channels", drain, halfwords=True)))


@cocotb.test()
async def operand_kinds(dut: Any) -> None:
    bench = await started(dut)
    for kind in KINDS:
        await check(bench, new_batch(3, *[Shape(ROWS - 1, COLUMNS - 1, 8, kind=kind) for _ in range(4)]))
    # formats change from one instruction to the next, with nothing between them
    await check(bench, new_batch(4, *[Shape(2, COLUMNS, 1 + i % 3, kind=kind) for i, kind in enumerate(2 * KINDS)]))


@cocotb.test()
async def row_scales(dut: Any) -> None:
    bench = await started(dut)
    for drain in ("none", "table"):
        shapes = [
            Shape(2 * ROWS + 1, COLUMNS, 9, drain=drain, row_scales=True),
            Shape(1, 1, 1, drain=drain, row_scales=True),
        ]
        await check(
            bench, new_batch(6, *shapes, Shape(ROWS + 1, 2 * COLUMNS + 1, 5, "channels", drain, row_scales=True))
        )
    # one bank with row scales and one without, in turn
    turns = [Shape(ROWS + i % 2, COLUMNS, 2 + i, halfwords=True, bank=i % 2, row_scales=i % 2 == 0) for i in range(5)]
    await check(bench, new_batch(7, *turns))
    # far rows of the table, as far as the bank lets rows of one block lie
    far = min(ROWS_MAX, BANK_WORDS - 4 * W) // ROWS * ROWS - ROWS
    await check(bench, new_batch(8, Shape(ROWS, COLUMNS, min(3, W), row_first=far, row_scales=True)))


@cocotb.test(skip=CONFIG.pe_style != "shift")
async def outliers(dut: Any) -> None:
    bench = await started(dut)
    for i, pattern in enumerate(PATTERNS):
        for steps in (1, 2, 3, W, 2 * W + 3):
            shape = Shape(2 * ROWS + 1, COLUMNS, steps, halfwords=True, row_scales=True, outliers=pattern)
            await check(bench, new_batch(i, shape))
    # lists of many beats
    for i, pattern in enumerate(("gaps", "many", "ends", "all")):
        shape = Shape(ROWS + 1, COLUMNS, min(12 * W, CONFIG.layernorm_channels_max), row_scales=True, outliers=pattern)
        await check(bench, new_batch(i, shape))
    # the tiles of an instruction differ, as do successive instructions
    for seed in range(4):
        rng = random.Random(seed)
        shapes = [
            Shape(
                rng.randint(1, 2 * ROWS), rng.randint(1, COLUMNS), rng.randint(1, 2 * W),
                drain=rng.choice(["none", "table"]), row_scales=rng.random() < 0.7,
                outliers=rng.choice(["", *PATTERNS]), bank=i % 2, pause=rng.choice([0, 0, 7, 60]),
            )
            for i in range(3)
        ]  # fmt: skip
        await check(bench, new_batch(seed, *shapes))


@cocotb.test()
async def random_batches(dut: Any) -> None:
    rng = random.Random(5)
    bench = await started(dut)
    for seed in range(6):
        shapes = []
        for _ in range(5):
            source, drain = rng.choice(COLUMN_SOURCES), rng.choice(DRAIN_OPERATIONS)
            columns = rng.randint(1, COLUMNS * (3 if source == "channels" else 1))
            size = rng.randint(1, 3 * ROWS), columns, rng.randint(1, 60)
            halfwords = rng.random() < 0.5
            pause = rng.choice([0, 0, 1, 5, 40, 90])
            kind, bank = rng.choice(KINDS), rng.randrange(2)
            shapes.append(Shape(*size, source, drain, halfwords, kind, bank, pause, row_scales=rng.random() < 0.3))
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
