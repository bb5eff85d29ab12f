"""Random gemm instructions with everything they read, for the bench of ``hws_gemm``."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler.layout import Region, byte_index, row_stride, words_of
from hwsim.formats import Terms
from hwsim.interpreter.operands import column_operand, row_operand
from hwsim.interpreter.state import State
from hwsim.isa import COLUMN_SOURCES, DRAIN_OPERATIONS, OPERAND_KINDS, Instruction
from hwsim.units.pe_array import multiply
from tests.rtl.stream import configuration

CONFIG = configuration()
W, ROWS, COLUMNS, LANES = CONFIG.word_bytes, CONFIG.array_rows, CONFIG.array_columns, CONFIG.drain_lanes
BANK_WORDS = CONFIG.buffer_words // CONFIG.activation_banks
ROW_BANK, COLUMN_BANK, SKIP_BANK, RESULT_BANK = range(4)
"""Every port has a bank of its own, as in a program."""
TABLE_LO = -300
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


def _operand_format(rng: random.Random, kind: str) -> dict[str, int]:
    """Fields of the row operand's format."""
    fields = {"operand_kind": OPERAND_KINDS.index(kind), "operand_signed": rng.randrange(2)}
    if kind == "uniform":
        lo = -128 if fields["operand_signed"] else 0
        return fields | {"operand_bits": 8, "operand_zero": rng.choice([0, lo, lo + 255, rng.randrange(lo, lo + 256)])}
    if kind == "two_scale":
        return fields | {"operand_bits": rng.choice([8, 8, 6, 4]), "operand_exponent": rng.randint(1, 6)}
    return fields | {"operand_bits": rng.choice([8, 4, 3]), "operand_exponent": rng.randint(3, 8)}


def _add(batch: Batch, shape: Shape) -> None:
    """Draw an instruction of this shape, and fill what it reads."""
    rng = batch.rng
    fields = _operand_format(rng, shape.kind) | {
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
    batch.instructions.append(Instruction("gemm", fields | _drain_fields(rng, shape)))
    batch.pauses.append(shape.pause)


def _drain_fields(rng: random.Random, shape: Shape) -> dict[str, int]:
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
        _add(batch, shape)
    return _finish(batch)
