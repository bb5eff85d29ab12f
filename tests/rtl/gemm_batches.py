"""Random gemm instructions with everything they read, for the bench of ``hws_gemm``."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler.layout import Region, byte_index, row_stride, words_of
from hwsim.formats import Terms
from hwsim.interpreter.operands import column_operand, row_operand
from hwsim.interpreter.state import State
from hwsim.isa import COLUMN_SOURCES, DRAIN_OPERATIONS, OPERAND_KINDS, Instruction
from hwsim.units.pe_array import multiply
from hwsim.units.requantizer import GUARD_BITS
from tests.rtl.stream import configuration

CONFIG = configuration()
W, ROWS, COLUMNS, LANES = CONFIG.word_bytes, CONFIG.array_rows, CONFIG.array_columns, CONFIG.drain_lanes
BANK_WORDS = CONFIG.buffer_words // CONFIG.activation_banks
ROW_BANK, COLUMN_BANK, SKIP_BANK, RESULT_BANK = range(4)
"""Every port has a bank of its own, as in a program."""
TABLE_LO = -300
CODE_ENDS = [
    {"code_lo": lo, "code_hi": hi} for lo, hi in [(-128, 127), (-100, 90), (-(1 << 15), (1 << 15) - 1), (-2048, 2047)]
]
PATTERNS = ("none", "one", "ends", "gaps", "many", "all")
KINDS = [kind for kind in OPERAND_KINDS if CONFIG.pe_style == "shift" or not kind.startswith("log")]
"""Row operands of the configuration: two accumulators take one nonzero shift."""


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
    row_scales: bool = False
    outliers: str = ""
    """Which channels of each row tile have outliers: one of PATTERNS, or nothing."""
    row_first: int | None = None


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
    row_entries: list[int] = field(default_factory=list)
    """Of the row table, from row 0 on."""
    map_rows: list[tuple[int, NDArray[np.bool_]]] = field(default_factory=list)
    """Rows of the outlier map in the order in which LayerNorm writes them, a bit a channel."""
    tiles: int = 0
    """Row tiles that have had an outlier pattern."""

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

    def draw_rows(self, rows: int) -> None:
        """Let the row table have entries for the first rows."""
        rng = self.rng
        for _ in range(len(self.row_entries), rows):
            multiplier = rng.choice([1 << 15, 0, *[rng.randrange(1 << 13, 1 << 15)] * 8])
            self.row_entries.append(multiplier | rng.getrandbits(16) << 16 | rng.randrange(-128, 256) % 512 << 32)
        self.state.rows.write(np.array(self.row_entries, np.uint64))

    def draw_outliers(self, pattern: str, first_row: int, rows: int, steps: int) -> list[NDArray[np.int64]]:
        """Draw the map of the row tiles from a row on; the channels of each tile. Bits beyond the steps are any."""
        channels = []
        for row in range(first_row, first_row + rows, ROWS):
            bits = np.array([self.rng.random() < 0.3 for _ in range(CONFIG.layernorm_channels_max)])
            if pattern != "many":
                bits[:steps] = pattern == "all"
            if pattern == "one":
                bits[self.rng.randrange(steps)] = True
            if pattern == "ends":
                bits[[0, steps - 1]] = True
            if pattern == "gaps":
                bits[self.rng.randrange(steps) // 2 : steps : 5 * CONFIG.layernorm_lanes] = True
            parts = [bits.copy() for _ in range(min(ROWS, 2))]
            for part, other in pairwise(parts):
                where = np.array([self.rng.random() < 0.5 for _ in range(len(bits))])
                part[where] = False
                other[~where] = False
            for i, part in enumerate(parts):
                self.map_rows.append((row + i, part))
                self.state.outliers.write(row + i, part[None])
            channels.append(np.flatnonzero(bits[:steps]))
        return channels


def whole(count: int, unit: int) -> int:
    """``count`` up to the next multiple."""
    return unit * -(-count // unit)


def _operand_format(rng: random.Random, kind: str) -> dict[str, int]:
    """Fields of the row operand's format."""
    fields = {"operand_kind": OPERAND_KINDS.index(kind), "operand_signed": rng.randrange(2)}
    if kind == "uniform":
        lo = -128 if fields["operand_signed"] else 0
        zero = rng.choice([0, lo, lo + 255, rng.randrange(lo, lo + 256)])
        return fields | {"operand_bits": 8, "operand_zero": zero, "operand_exponent": rng.choice([0, 0, 1, 5])}
    if kind == "two_scale":
        return fields | {"operand_bits": rng.choice([8, 8, 6, 4]), "operand_exponent": rng.randint(1, 6)}
    return fields | {"operand_bits": rng.choice([8, 4, 3]), "operand_exponent": rng.randint(3, 8)}


def _add(batch: Batch, shape: Shape) -> None:
    """Draw an instruction of this shape, and fill what it reads."""
    rng = batch.rng
    row_first = shape.row_first
    if row_first is None:
        row_first = ROWS * (batch.tiles if shape.outliers else rng.randrange(4))
    fields = _operand_format(rng, shape.kind) | {
        "rows": shape.rows, "columns": shape.columns, "steps": shape.steps, "bank": shape.bank,
        "column_source": COLUMN_SOURCES.index(shape.source), "drain": DRAIN_OPERATIONS.index(shape.drain),
        "out_halfwords": int(shape.halfwords), "row_first": row_first,
        "row_scales": int(shape.row_scales), "outliers": int(bool(shape.outliers)),
    }  # fmt: skip
    region = batch.region(ROW_BANK, fields["row_first"] + shape.rows, shape.steps)
    batch.fill(region, (fields["row_first"], 0), (shape.rows, shape.steps))
    fields |= {"row_base": region.base, "row_stride": region.stride}
    if shape.row_scales:
        batch.draw_rows(row_first + shape.rows)
    if shape.outliers:
        fields |= _add_planes(batch, shape, row_first)
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
    batch.instructions.append(Instruction("gemm", fields | _drain_fields(rng, shape)))
    batch.pauses.append(shape.pause)


def _add_planes(batch: Batch, shape: Shape, row_first: int) -> dict[str, int]:
    """Limbs in the channels that a row tile has outliers in; what lies beside them stays unknown."""
    planes = [batch.region(ROW_BANK, row_first + shape.rows, shape.steps) for _ in range(2)]
    tiles = batch.draw_outliers(shape.outliers, row_first, shape.rows, shape.steps)
    batch.tiles = max(batch.tiles, row_first // ROWS + len(tiles))
    for tile, channels in enumerate(tiles):
        rows = min(ROWS, shape.rows - ROWS * tile)
        for channel in channels:
            for plane in planes:
                batch.fill(plane, (row_first + ROWS * tile, int(channel)), (rows, 1))
    return {"outlier_high": planes[0].base, "outlier_low": planes[1].base}


def _drain_fields(rng: random.Random, shape: Shape) -> dict[str, int]:
    """Bounds of the requantiser, and the residual adder's numbers."""
    if shape.drain == "table":
        return {"lo": TABLE_LO, "hi": TABLE_LO + rng.choice([1023, 700]), "zero_point": rng.randint(-50, 50)}
    if shape.drain == "none" and not shape.halfwords:
        lo = rng.choice([-128, 0])
        return {"lo": lo, "hi": lo + 255, "zero_point": rng.randint(lo, lo + 255)}
    return {
        "lo": rng.choice([-32768, -5000]), "hi": rng.choice([32767, 6000]), "zero_point": rng.choice([0, 0, -700]),
        "multiplier": rng.randrange(1 << 14, 1 << 15), "shift": rng.randint(9, 14), "guard": rng.randint(0, 5),
    } | rng.choice(CODE_ENDS)  # fmt: skip


def _finish(batch: Batch) -> Batch:
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
        guard_bits = GUARD_BITS if all(instruction["row_scales"] for instruction in mine) else 0
        entries = [_entry(rng, rng.choice(sums), guard_bits) if n < used else 0 for n in range(COLUMNS)]
        batch.parameters[bank] = entries
        state.parameters.write(bank, np.array(entries, np.uint64))
    return batch


def _largest_sum(instruction: Instruction, state: State) -> int:
    rows, weights = row_operand(instruction, state), column_operand(instruction, state)
    acc = multiply(rows.terms, weights, CONFIG.pe_style)
    for tile in rows.outliers:
        if len(tile.channels):
            mine = np.ascontiguousarray(weights[:, tile.channels])
            acc[tile.rows] += multiply(tile.high, mine, CONFIG.pe_style) + multiply(tile.low, mine, CONFIG.pe_style)
    return int(np.abs(acc).max())


def _entry(rng: random.Random, largest_sum: int, guard_bits: int) -> int:
    shift = guard_bits + min(47, max(0, largest_sum.bit_length() + 15 - rng.randint(6, 14)))
    bias = rng.randint(-largest_sum, largest_sum) >> rng.randint(0, 4)
    multiplier = rng.randrange(1 << 14, 1 << 15)
    return bias & 0xFFFFFFFF | multiplier << 32 | shift << 48 | rng.getrandbits(6) << 54


def new_batch(seed: int, *shapes: Shape) -> Batch:
    """Instructions of these shapes, one after another."""
    batch = Batch(random.Random(seed))
    for shape in shapes:
        _add(batch, shape)
    return _finish(batch)
