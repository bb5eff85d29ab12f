"""Random legal loads and stores, for the benches of ``hws_dma``."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler.layout import row_stride
from hwsim.config import AcceleratorConfig
from hwsim.isa import INSTRUCTION_BYTES, LOAD_TARGETS, Instruction, encode

SINK_PARAMETERS = 15
TABLE_BYTES = 1024
CODES = 256


@dataclass(frozen=True)
class Cases:
    """Draws instructions whose tensors and bytes lie inside ``words`` and ``dram_bytes``."""

    config: AcceleratorConfig
    rng: random.Random
    words: int
    dram_bytes: int
    bytes_max: int = 1200

    def draw(self, kind: str | None = None) -> Instruction:
        """Any instruction, or one of a kind."""
        kinds: dict[str, Callable[[], Instruction]] = {
            "codes": self._codes, "halfwords": self._halfwords, "weights": self._weights, "table": self._table,
            "layernorm": self._layernorm, "codebook": self._codebook, "program": self._program,
            "row_multipliers": self._row_multipliers,
            "store codes": self._store_codes, "store halfwords": self._store_halfwords,
        }  # fmt: skip
        return kinds[kind or self.rng.choice([*kinds, "codes", "codes", "store codes", "store halfwords"])]()

    def fill(self) -> Instruction:
        """A load that writes every byte of ``words``."""
        return self._whole("load", target=LOAD_TARGETS.index("halfwords"), run_bytes=self.config.word_bytes)

    def dump(self) -> Instruction:
        """A store that reads every byte of ``words``."""
        return self._whole("store", halfwords=1, row_bytes=self.config.word_bytes, rows=self.words)

    def _whole(self, operation: str, **fields: int) -> Instruction:
        return Instruction(
            operation, {"beats": self._beats(self.words * self.config.word_bytes), "stride": 1, **fields}
        )

    def _beats(self, size: int) -> int:
        return -(-size // self.config.beat_bytes)

    def _with_address(self, operation: str, beats: int, **fields: int) -> Instruction:
        unit = self.config.beat_bytes * self.rng.choice([1, 1, self.config.burst_beats])
        room = (self.dram_bytes - beats * self.config.beat_bytes) // unit
        return Instruction(operation, {"address": unit * self.rng.randint(0, room), "beats": beats, **fields})

    def _load(self, target: str, beats: int, **fields: int) -> Instruction:
        return self._with_address("load", beats, target=LOAD_TARGETS.index(target), **fields)

    def _place(self, rows: int, channels: int, halfwords: bool) -> dict[str, int] | None:
        """Base, stride and first row of a tensor that fits ``words``, or None."""
        width, rng = self.config.word_bytes, self.rng
        unit = 1 if halfwords else width
        stride = row_stride(channels, halfwords, width) + unit * rng.choice([0, 0, 1])
        first_row = rng.randint(0, 2 * width)
        words = stride * ((first_row + rows) if halfwords else -(-(first_row + rows) // width))
        if words > self.words:
            return None
        base = rng.randint(0, (self.words - words) // unit) * unit
        return {"base": base, "stride": stride, "first_row": first_row}

    def _codes(self) -> Instruction:
        rng, width = self.rng, self.config.word_bytes
        while True:
            run_bytes, runs, lines = rng.randint(1, 3 * width), rng.randint(1, 6), rng.randint(1, 4)
            if rng.random() < 0.3:
                run_bytes = width * rng.randint(1, 3)
            first_channel = rng.choice([0, width, rng.randint(0, 2 * width)])
            size = rng.randint(1, self.bytes_max)
            groups = -(-size // (run_bytes * runs * lines))
            place = self._place(groups * runs, first_channel + lines * run_bytes, halfwords=False)
            if place is not None:
                break
        shape = {"run_bytes": run_bytes, "runs": runs, "lines": lines, "first_channel": first_channel, "bytes": size}
        return self._load("codes", self._beats(size) + rng.choice([0, 0, 2]), **place, **shape)

    def _rows(self, halfwords: bool, channel_unit: int) -> tuple[dict[str, int], int, int, int]:
        """Place, bytes of a row, rows and first channel of rows that begin beats."""
        rng, width, element = self.rng, self.config.word_bytes, 2 if halfwords else 1
        while True:
            channels = rng.randint(1, 4 * width // element)
            first_channel = channel_unit * rng.randint(0, 2 * width // channel_unit) if channel_unit else 0
            rows = rng.randint(1, max(1, min(40, self.bytes_max // (channels * element))))
            place = self._place(rows, first_channel + channels, halfwords)
            if place is not None:
                return place, channels * element, rows, first_channel

    def _halfwords(self) -> Instruction:
        place, row_bytes, rows, _ = self._rows(halfwords=True, channel_unit=0)
        return self._load("halfwords", rows * self._beats(row_bytes), run_bytes=row_bytes, **place)

    def _store(self, halfwords: bool) -> Instruction:
        unit = self.config.beat_bytes // 2 if halfwords else self.config.beat_bytes
        place, row_bytes, rows, first_channel = self._rows(halfwords, unit)
        shape = {"row_bytes": row_bytes, "rows": rows, "first_channel": first_channel, "halfwords": int(halfwords)}
        return self._with_address("store", rows * self._beats(row_bytes), **place, **shape)

    def _store_codes(self) -> Instruction:
        return self._store(halfwords=False)

    def _store_halfwords(self) -> Instruction:
        return self._store(halfwords=True)

    def _weights(self) -> Instruction:
        step_beats = self._beats(self.config.array_columns)
        steps = self.rng.choice([0, 1, self.rng.randint(1, self.bytes_max // 8 // step_beats)])
        entries = self.rng.randint(0 if steps else 1, self.config.array_columns)
        packed, bank = self.rng.randint(0, 1), self.rng.randint(0, 1)
        beats = -(-steps * step_beats // 2) if packed else steps * step_beats
        return self._load("weights", beats + entries, steps=steps, bank=bank, packed=packed)

    def _table(self) -> Instruction:
        return self._load("table", self.rng.randint(1, min(40, TABLE_BYTES // self.config.beat_bytes)))

    def _layernorm(self) -> Instruction:
        return self._load("layernorm", self.rng.randint(1, self.config.layernorm_channels_max // 4))

    def _row_multipliers(self) -> Instruction:
        return self._load("row_multipliers", self.rng.randint(1, 50))

    def _codebook(self) -> Instruction:
        return self._load("codebook", self.rng.randint(1, CODES // 2))

    def _program(self) -> Instruction:
        beats = self._beats(INSTRUCTION_BYTES)
        count = self.rng.randint(1, self.config.segment_instructions)
        return self._load("program", count * beats, bank=self.rng.randint(0, 1))


def word_of(instruction: Instruction) -> int:
    """The instruction as the port takes it."""
    return int.from_bytes(encode(instruction), "little")


def unpacked(nibbles: int, count: int) -> int:
    """The low ``count`` nibbles, in two's complement, as so many bytes."""
    values = [nibbles >> 4 * i & 15 for i in range(count)]
    return sum((value - 16 if value > 7 else value) % 256 << 8 * i for i, value in enumerate(values))


def sink_words(
    instruction: Instruction, dram: NDArray[np.uint8], config: AcceleratorConfig
) -> list[tuple[int, int, int, int, int]]:
    """What a load hands to the sinks: target, bank, index, part and data."""
    target, bank, size = LOAD_TARGETS[instruction["target"]], instruction["bank"], config.beat_bytes
    first = instruction["address"]
    raw = dram[first : first + instruction["beats"] * size].tobytes()
    if target == "table":
        return [(instruction["target"], bank, i, 0, code) for i, code in enumerate(raw)]
    beats = [int.from_bytes(raw[i : i + size], "little") for i in range(0, len(raw), size)]
    parts = {"weights": -(-config.array_columns // size), "program": INSTRUCTION_BYTES // size}.get(target, 1)
    tensor = len(beats) if target != "weights" else instruction["steps"] * parts
    if instruction["packed"]:
        weights = -(-tensor // 2)
        halves = [unpacked(beat >> shift, size) for beat in beats[:weights] for shift in (0, 4 * size)]
        beats = halves[:tensor] + beats[weights:]
    words = [(instruction["target"], bank, i // parts, i % parts, beat) for i, beat in enumerate(beats[:tensor])]
    return words + [(SINK_PARAMETERS, bank, i, 0, beat) for i, beat in enumerate(beats[tensor:])]
