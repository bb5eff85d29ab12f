"""Random legal programs for the whole accelerator: chains of load, compute and store that overlap as tokens allow.

Each chain has four banks of the activation buffer to itself, one a tensor, so no two ports meet in a bank; which
instruction waits for which follows from the memories that both touch, as in any compiler.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler.layout import row_stride
from hwsim.config import AcceleratorConfig
from hwsim.isa import (
    COLUMN_SOURCES,
    DRAIN_OPERATIONS,
    ENCODER_KINDS,
    LOAD_TARGETS,
    OPERAND_KINDS,
    QUEUES,
    Instruction,
)
from tests.rtl.programs import DATA, program_bytes

BANKS_PER_CHAIN = 4
ROW, COLUMN, SKIP, RESULT = range(BANKS_PER_CHAIN)
"""Bank of the group that holds each tensor of a chain."""


@dataclass
class Draft:
    """An instruction before its tokens, and the memories it touches."""

    instruction: Instruction
    memories: frozenset[str]


@dataclass
class RandomProgram:
    """A program in the making: its drafts and the data behind it."""

    rng: random.Random
    config: AcceleratorConfig
    drafts: list[Draft] = field(default_factory=list)
    data: bytearray = field(default_factory=bytearray)
    stored: int = 0

    # DRAM

    def section(self, data: bytes) -> int:
        """Address of new data, at any beat."""
        self.data += bytes(self.config.beat_bytes * self.rng.randrange(self.config.burst_beats))
        address = DATA + len(self.data)
        self.data += data + bytes(-len(data) % self.config.beat_bytes)
        return address

    def add(self, operation: str, memories: set[str], **fields: int) -> None:
        """Append an instruction."""
        self.drafts.append(Draft(Instruction(operation, fields | {"tag": len(self.drafts)}), frozenset(memories)))

    # Loads and stores

    def load(self, target: str, memory: str, data: bytes, **fields: int) -> None:
        """Load of new data."""
        beats = -(-len(data) // self.config.beat_bytes)
        fields |= {"address": self.section(data), "beats": beats, "target": LOAD_TARGETS.index(target)}
        self.add("load", {memory}, **fields)

    def entries(self, values: list[int]) -> bytes:
        """One entry a beat."""
        return b"".join(value.to_bytes(self.config.beat_bytes, "little") for value in values)

    def place(self, group: int, bank: int) -> int:
        """First word of a tensor's bank."""
        return (BANKS_PER_CHAIN * group + bank) * (self.config.buffer_words // self.config.activation_banks)

    def load_codes(self, group: int, bank: int, rows: int, channels: int) -> dict[str, int]:
        """Random codes[rows, channels] into a bank; base and stride of the tensor."""
        base, stride = self.place(group, bank), row_stride(channels, False, self.config.word_bytes)
        size = rows * channels
        self.load(
            "codes", f"bank {group} {bank}", self.rng.randbytes(size), base=base, stride=stride, run_bytes=channels,
            runs=rows, lines=1, bytes=size,
        )  # fmt: skip
        return {"base": base, "stride": stride}

    def load_halfwords(self, group: int, bank: int, rows: int, channels: int, deviation: int) -> dict[str, int]:
        """Random int16[rows, channels], padded to whole words of DRAM and of the drain."""
        width = max(self.config.beat_bytes // 2, self.config.drain_lanes, self.config.softmax_lanes)
        padded = -(-channels // width) * width
        base, stride = self.place(group, bank), row_stride(padded, True, self.config.word_bytes)
        values = [self.rng.randint(-deviation, deviation) for _ in range(rows * padded)]
        data = np.array(values, "<i2").tobytes()
        self.load("halfwords", f"bank {group} {bank}", data, base=base, stride=stride, run_bytes=2 * padded)
        return {"base": base, "stride": stride}

    def store(self, group: int, rows: int, channels: int, halfwords: bool) -> None:
        """Store of a chain's result."""
        element = 2 if halfwords else 1
        row_bytes, beat = channels * element, self.config.beat_bytes
        beats = rows * -(-row_bytes // beat)
        base = self.place(group, RESULT)
        stride = row_stride(channels, halfwords, self.config.word_bytes)
        address = self.section(bytes(beats * beat))
        self.add(
            "store", {f"bank {group} {RESULT}"}, address=address, beats=beats, halfwords=int(halfwords), base=base,
            stride=stride, row_bytes=row_bytes, rows=rows,
        )  # fmt: skip

    # Chains

    def softmax(self, group: int) -> None:
        """Scores, softmax, store."""
        rng, config = self.rng, self.config
        rows, columns = rng.randint(1, 20), rng.randint(1, 40)
        scores = self.load_halfwords(group, ROW, rows, columns, rng.choice([300, 3000, 32767]))
        bits = rng.randint(2, 8)
        encoder = rng.choice(["two_scale", "uniform", "log2", "log_sqrt2"])
        self.add(
            "softmax", {f"bank {group} {ROW}", f"bank {group} {RESULT}"}, in_base=scores["base"],
            in_stride=scores["stride"], rows=rows, columns=columns, out_base=self.place(group, RESULT),
            out_stride=row_stride(columns, False, config.word_bytes), encoder=ENCODER_KINDS.index(encoder), bits=bits,
            exponent=rng.randint(0, 8),
        )  # fmt: skip
        self.store(group, rows, columns, False)

    def layernorm(self, group: int) -> None:
        """Codes or 16-bit elements, parameters, LayerNorm, store."""
        rng, config = self.rng, self.config
        rows, channels = rng.randint(1, 20), rng.randint(1, 70)
        wide = rng.random() < 0.5
        if wide:
            residual = self.load_halfwords(group, ROW, rows, channels, rng.choice([200, 20_000, 32_767]))
        else:
            residual = self.load_codes(group, ROW, rows, channels)
        values = [
            rng.getrandbits(16) | rng.randint(-(1 << 28), 1 << 28) % (1 << 32) << 16 | rng.getrandbits(3) << 48
            for _ in range(channels)
        ]
        self.load("layernorm", "layernorm parameters", self.entries(values))
        lo = rng.choice([0, -128])
        self.add(
            "layernorm", {f"bank {group} {ROW}", "layernorm parameters", f"bank {group} {RESULT}"},
            in_base=residual["base"], in_stride=residual["stride"], rows=rows, channels=channels,
            out_base=self.place(group, RESULT), out_stride=row_stride(channels, False, config.word_bytes),
            shift=rng.randint(15, 25), lo=lo, hi=lo + 255, epsilon=rng.getrandbits(20),
            in_halfwords=int(wide),
        )  # fmt: skip
        self.store(group, rows, channels, False)

    def gemm(self, group: int) -> None:
        """Operands, parameters, product, drain, store."""
        rng, config = self.rng, self.config
        source = rng.choice(COLUMN_SOURCES)
        rows, steps = rng.randint(1, 40), rng.randint(1, 70)
        columns = rng.randint(1, 3 * config.array_columns if source == "channels" else config.array_columns)
        fields = self._operand(rng)
        row = self.load_codes(group, ROW, rows, steps)
        memories = {f"bank {group} {ROW}", f"bank {group} {RESULT}"}
        bank = rng.randint(0, 1)
        memories |= {f"weights {bank}"}
        step_bytes = max(config.array_columns, config.beat_bytes)
        weight_steps = steps if source == "weights" else 0
        parameters = self.entries([self._parameter(rng) for _ in range(config.array_columns)])
        packed = int(weight_steps > 0 and rng.random() < 0.5)
        weight_bytes = -(-weight_steps * step_bytes // (2 * config.beat_bytes)) * config.beat_bytes
        self.load(
            "weights", f"weights {bank}",
            rng.randbytes(weight_bytes if packed else weight_steps * step_bytes) + parameters, bank=bank,
            steps=weight_steps, packed=packed,
        )  # fmt: skip
        if source != "weights":
            shape = (columns, steps) if source == "channels" else (steps, columns)
            place = self.load_codes(group, COLUMN, *shape)
            fields |= {"column_base": place["base"], "column_stride": place["stride"]}
            memories |= {f"bank {group} {COLUMN}"}
        if fields["operand_kind"] == OPERAND_KINDS.index("codebook"):
            memories |= {"codebook"}
            book = [rng.getrandbits(9) | rng.randint(0, 6) << 16 for _ in range(256)]
            self.load("codebook", "codebook", self.entries(book))
        drain, halfwords = self._drain(group, rows, columns, fields, memories)
        self.add(
            "gemm", memories, row_base=row["base"], row_stride=row["stride"], rows=rows, steps=steps,
            column_source=COLUMN_SOURCES.index(source), bank=bank, columns=columns,
            out_base=self.place(group, RESULT), out_halfwords=int(halfwords), drain=DRAIN_OPERATIONS.index(drain),
            out_stride=row_stride(columns, halfwords, config.word_bytes), **fields,
        )  # fmt: skip
        self.store(group, rows, columns, halfwords)

    def _operand(self, rng: random.Random) -> dict[str, int]:
        kinds = OPERAND_KINDS if self.config.pe_style == "shift" else OPERAND_KINDS[:2]
        kind = rng.choice(kinds)
        return {
            "operand_kind": OPERAND_KINDS.index(kind), "operand_bits": rng.randint(2, 8),
            "operand_exponent": 0 if kind == "uniform" else rng.randint(0, 8), "operand_signed": rng.randint(0, 1),
            "operand_zero": rng.randint(-100, 100),
        }  # fmt: skip

    def _parameter(self, rng: random.Random) -> int:
        bias, channel_shifts = rng.randint(-(1 << 16), 1 << 16) % (1 << 32), rng.getrandbits(6)
        return bias | rng.randint(0, (1 << 15) - 1) << 32 | rng.randint(14, 26) << 48 | channel_shifts << 54

    def _drain(
        self, group: int, rows: int, columns: int, fields: dict[str, int], memories: set[str]
    ) -> tuple[str, bool]:
        """What follows the requantiser, and whether the result has halfwords."""
        rng = self.rng
        drain = rng.choice(DRAIN_OPERATIONS)
        low = rng.choice([0, -128, -512])
        fields |= {"zero_point": rng.randint(-20, 20), "lo": low, "hi": low + (255 if low > -512 else 1023)}
        if drain == "none":
            return drain, rng.random() < 0.5
        if drain == "table":
            memories.add("table")
            self.load("table", "table", rng.randbytes(1024))
            return drain, False
        end = 1 << rng.choice([7, 15, rng.randint(1, 15)])
        fields |= {"lo": -(1 << 15), "hi": (1 << 15) - 1, "zero_point": 0, "code_lo": -end, "code_hi": end - 1}
        fields |= {"guard": rng.choice([0, rng.randint(0, 7)])}
        memories.add(f"bank {group} {SKIP}")
        if drain == "residual":
            fields |= {"multiplier": rng.getrandbits(15), "shift": rng.randint(8, 20)}
            lanes = self.config.drain_lanes
            place = self.load_codes(group, SKIP, rows, -(-columns // lanes) * lanes)
        else:
            place = self.load_halfwords(group, SKIP, rows, columns, 20_000)
        fields |= {"skip_base": place["base"], "skip_stride": place["stride"]}
        return drain, rng.random() < 0.5


def with_tokens(drafts: list[Draft]) -> list[Instruction]:
    """Order all that touch a memory in common: tokens between queues, a fence inside the array's."""
    posts: list[set[str]] = [set() for _ in drafts]
    program: list[Instruction] = []
    waited = {(giver, taker): -1 for giver in QUEUES for taker in QUEUES}
    for index, draft in enumerate(drafts):
        taker = draft.instruction.queue
        assert taker is not None
        before = [other for other in range(index) if drafts[other].memories & draft.memories]
        waits, fence = set(), 0
        for giver in QUEUES:
            need = max((other for other in before if drafts[other].instruction.queue == giver), default=-1)
            if giver == taker:
                fence = int(taker == "array" and need >= 0)
            elif need > waited[giver, taker]:
                waited[giver, taker] = need
                waits.add(giver)
                posts[need].add(taker)
        fields = dict(draft.instruction.fields) | {"wait": sum(1 << QUEUES.index(queue) for queue in waits)}
        program.append(Instruction(draft.instruction.operation, fields | {"fence": fence}))
    return [
        Instruction(one.operation, dict(one.fields) | {"post": sum(1 << QUEUES.index(queue) for queue in post)})
        for one, post in zip(program, posts, strict=True)
    ]


def random_program(seed: int, config: AcceleratorConfig, chains: int) -> NDArray[np.uint8]:
    """DRAM with a random program at address 0, its data, and room for its results.

    Parameters
    ----------
    chains : how many chains; neighbours lie in different banks, and their instructions are mixed
    """
    rng = random.Random(seed)
    groups = config.activation_banks // BANKS_PER_CHAIN
    made = RandomProgram(rng, config)
    lists: list[list[Draft]] = []
    for chain in range(chains):
        made.drafts = []
        rng.choice([made.softmax, made.layernorm, made.gemm, made.gemm])(chain % groups)
        lists.append(made.drafts)
    mixed: list[Draft] = []
    while any(lists):
        mixed.append(rng.choice([drafts for drafts in lists[:groups] if drafts] or [next(filter(None, lists))]).pop(0))
        lists = [drafts for drafts in lists if drafts]
    program = [*with_tokens(mixed), Instruction("end", {})]
    text = program_bytes(program, config)
    dram = np.zeros(DATA + -(-len(made.data) // 4096) * 4096, np.uint8)
    dram[: len(text)] = np.frombuffer(text, np.uint8)
    dram[DATA : DATA + len(made.data)] = np.frombuffer(bytes(made.data), np.uint8)
    return dram
