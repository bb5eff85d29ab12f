"""Random softmax and LayerNorm instructions with everything they read, for the bench of their engines."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler.layout import Region, row_stride, write_region
from hwsim.config import AcceleratorConfig
from hwsim.interpreter.state import ROWS_MAX, State
from hwsim.isa import ENCODER_KINDS, Instruction
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
PLANES = (SCORES, RESIDUALS)
"""Where the limbs of outliers go: what is only read there has ports of its own."""
INT16 = (-(1 << 15), (1 << 15) - 1)
TABLE_ROWS = 256
"""Entries of the row table that are written, from row 0 on; the last one is too."""
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
    rows: dict[int, int] = field(default_factory=dict)
    """Row table."""

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
            self.entries.append(g & 0xFFFF | (b & 0xFFFFFFFF) << 16 | self.rng.randrange(8) << 48)
        self.state.affine.write(np.array(self.entries, np.uint64))
        table = np.zeros(ROWS_MAX, np.uint64)
        for row in [*range(TABLE_ROWS), *range(ROWS_MAX - 3, ROWS_MAX)]:
            multiplier = self.rng.choice([(1 << 15) - 1, 0, *[self.rng.randrange(1 << 13, 1 << 15)] * 8])
            zero_point = self.rng.randrange(-128, 256)
            self.rows[row] = self.rng.getrandbits(16) % 32769 | multiplier << 16 | zero_point % 512 << 32
            table[row] = self.rows[row]
        self.state.rows.write(table)

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

    def result(self, quarter: int, rows: int, channels: int, out_row: int | None = None) -> tuple[Region, int]:
        """A region for a result and its first row; it and what lies around it holds something else."""
        first = self.free[quarter]
        if out_row is None:
            out_row = self.rng.choice([0, 1, W - 1, self.rng.randrange(2 * W)])
        region = self.region(quarter, out_row + rows, channels, halfwords=False)
        self.overwrite(quarter, first)
        return region, out_row

    def plane(self, quarter: int, like: Region, rows: int) -> int:
        """Base of a plane that lies as a result of so many rows."""
        first = self.free[quarter]
        base = W * (1 + -(-first // W))
        self.free[quarter] = W * (1 + -(-(base + like.stride * -(-rows // W)) // W))
        assert self.free[quarter] <= QUARTER_WORDS, f"quarter {quarter} is full"
        self.overwrite(quarter, first)
        return quarter * QUARTER_WORDS + base

    def overwrite(self, quarter: int, first: int) -> None:
        """Put something known into what a quarter has given away since."""
        old = slice((quarter * QUARTER_WORDS + first) * W, (quarter * QUARTER_WORDS + self.free[quarter]) * W)
        self.memory[old] = np.frombuffer(self.rng.randbytes(old.stop - old.start), np.uint8)
        self.known[old] = True

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

    def layernorm(
        self,
        rows: int,
        channels: int,
        *,
        again: bool = False,
        wide: bool | None = None,
        encode: bool | None = None,
        out_row: int | None = None,
    ) -> None:
        """Add a LayerNorm of random residual rows, of codes or 16 bits, or of the rows that the one before writes."""
        rng = self.rng
        wide = not again and (rng.random() < 0.4 if wide is None else wide)
        if again:
            last = self.jobs["layernorm"][-1].instruction
            place = {"in_base": last["out_base"], "in_stride": last["out_stride"], "in_row": last["out_row"]}
        else:
            in_row = rng.choice([0, 1, W - 1, rng.randrange(2 * W)])
            residual = self.region(RESIDUALS, in_row + rows, channels, halfwords=wide)
            deviation, lo, hi = (rng.choice([20, 900, 8000]), *INT16) if wide else (rng.choice([3, 40]), -128, 127)
            draw = np.array([rng.gauss(0, deviation) for _ in range(rows * channels)]).reshape(rows, channels)
            self.fill(residual, np.clip(np.rint(draw), lo, hi).astype(np.int64), in_row)
            place = {"in_base": residual.base, "in_stride": residual.stride, "in_row": in_row}
        out, out_row = self.result(RESULTS, rows, channels, out_row)
        lo, hi = rng.choice([(-128, 127), (0, 255), (-8, 7), (0, 200)])
        encode = rng.random() < 0.5 if encode is None else encode
        fields = place | {
            "rows": rows, "channels": channels, "out_base": out.base, "out_stride": out.stride, "out_row": out_row,
            "shift": rng.randint(13, 20), "lo": lo, "hi": hi,
            "epsilon": rng.choice([1, rng.getrandbits(20), (1 << 47) - 1]), "in_halfwords": int(wide),
        }  # fmt: skip
        if encode:
            fields |= self.encode_fields(out, out_row + rows)
        self.jobs["layernorm"].append(Job(Instruction("layernorm", fields), 0 if again else self.pause()))

    def encode_fields(self, out: Region, rows: int) -> dict[str, int]:
        """Fields of the row encoder, for results that mostly do not saturate; two of three have outliers."""
        rng = self.rng
        shift = rng.randint(16, 24)
        fields = {"row_encode": 1, "encode_shift": shift, "shift": rng.randint(5, 12)}
        if rng.random() < 1 / 3:
            return fields | {"outlier_exponent": rng.randrange(8), "threshold": rng.getrandbits(16)}
        return fields | {
            "outliers": 1, "outlier_exponent": rng.randint(0, 7),
            "threshold": rng.choice([0, 32767, 32768, *[rng.randrange(1 << rng.randint(6, 15)) for _ in range(9)]]),
            "outlier_high": self.plane(PLANES[0], out, rows), "outlier_low": self.plane(PLANES[1], out, rows),
        }  # fmt: skip

    def known_outliers(self) -> NDArray[np.bool_]:
        """Bits of the map that a LayerNorm has said, from the first row of their tile on."""
        known = np.zeros((ROWS_MAX // CONFIG.array_rows, CONFIG.layernorm_channels_max), np.bool_)
        for job in self.jobs["layernorm"]:
            one = job.instruction
            if not one["row_encode"] or not one["outliers"]:
                continue
            for row in range(one["out_row"], one["out_row"] + one["rows"]):
                if row % CONFIG.array_rows == 0:
                    known[row // CONFIG.array_rows, : one["channels"]] = True
                    known[row // CONFIG.array_rows, one["channels"] :] = False
        return known

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
    for rows, channels in [(1, 1), (W + 1, 2), (9, 3 * layernorm_lanes + 1), (5, 27 * layernorm_lanes - 1)]:
        batch.layernorm(rows, channels, wide=True)
    for rows, channels in [(1, 1), (2 * CONFIG.array_rows + 1, 2), (7, layernorm_lanes + 1), (3, 5)]:
        batch.layernorm(rows, channels, encode=True)
    for channels in (1, layernorm_lanes, 2 * layernorm_lanes):
        batch.layernorm(CONFIG.array_rows, channels, encode=True, out_row=0)
    batch.layernorm(3, 2, encode=True, out_row=ROWS_MAX - 3)
    return batch


def largest_batch() -> Batch:
    """The most columns and channels."""
    batch = Batch(5)
    batch.softmax(3, SOFTMAX_COLUMNS_MAX)
    for wide in (False, True):
        batch.layernorm(3, CONFIG.layernorm_channels_max, wide=wide)
    return batch


def random_batch(seed: int) -> Batch:
    """Three instructions an engine."""
    batch = Batch(seed)
    rng = batch.rng
    for _ in range(3):
        batch.softmax(rng.randint(1, 2 * W), rng.randint(1, 6 * CONFIG.softmax_lanes))
        batch.layernorm(rng.randint(1, 2 * W), rng.randint(1, 6 * CONFIG.layernorm_lanes))
    return batch
