"""A proof, from the bytes of a program alone, that every order that queues and tokens allow has one result.

    tokens     the k-th wait of queue q for queue p takes the k-th post of p for q; both exist, none is left over
    clock      last instruction of each queue whose result is written before an instruction starts
    hazards    whoever wrote, or read, a byte before (in program order) is done before it is read, or written, again
    banks      no two instructions that may run at the same time read, or write, one bank through two ports

A byte that is read has been written. The array alone overlaps two instructions: the drain of one with the
operands of the next, which a fence forbids.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler.executable import Executable
from hwsim.compiler.footprint import Footprint, Side, footprints, insides, outlier_tile
from hwsim.compiler.layout import Region, byte_index
from hwsim.compiler.limits import ROWS_MAX
from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError
from hwsim.isa import INSTRUCTION_BYTES, LOAD_TARGETS, QUEUES, Instruction, decode, queues_of

TOKENS_MAX = 255
ARRAY = QUEUES.index("array")
INSIDE = ("weights 0", "weights 1", "table", "layernorm", "codebook", "thresholds", "row_multipliers")


def check_executable(executable: Executable) -> None:
    """Check a program as it lies in DRAM.

    Raises
    ------
    HwsimError
        Naming the first instruction that is wrong, and why.
    """
    program = read_program(executable)
    check_program(program, executable.config)
    _check_dram(program, executable)


def read_program(executable: Executable) -> list[Instruction]:
    """Instructions in DRAM, segment by segment as the loads of the program bring them.

    Raises
    ------
    HwsimError
        If a segment is not loaded by the first instruction of the one before it.
    """
    size, address = executable.config.segment_instructions, executable.program_address
    program: list[Instruction] = []
    count, segment = size, 0
    while True:
        for place in range(count):
            start = address + place * INSTRUCTION_BYTES
            program.append(decode(executable.dram[start : start + INSTRUCTION_BYTES].tobytes()))
            if program[-1].operation == "end":
                return program
        first = program[segment * size]
        segment += 1
        is_load = first.operation == "load" and LOAD_TARGETS[first["target"]] == "program"
        if count != size or not is_load or first["bank"] != segment % 2:
            raise HwsimError(f"instruction {len(program) - count}: expected the load of segment {segment}, not {first}")
        address, count = first["address"], first["beats"] * executable.config.beat_bytes // INSTRUCTION_BYTES


def check_program(program: list[Instruction], config: AcceleratorConfig) -> None:
    """Check instructions, ``end`` the last."""
    checker = _Checker(program, config)
    for number, one in enumerate(program[:-1]):
        try:
            checker.check(number, one)
        except HwsimError as error:
            raise HwsimError(f"instruction {number} ({one.operation}): {error}") from error
    for (giver, taker), posts in checker.posts.items():
        if posts:
            name = f"{QUEUES[giver]} to {QUEUES[taker]}"
            raise HwsimError(f"instruction {posts[0]}: nobody takes its token from {name}, expected a wait")


def _check_dram(program: list[Instruction], executable: Executable) -> None:
    """Beats, and that nothing is stored twice, or loaded before it is stored: the DMA keeps its order."""
    beat = executable.config.beat_bytes
    stored = np.full(len(executable.dram) // beat, -1, np.int64)
    loaded = stored.copy()
    for number, one in enumerate(program):
        if one.queue != "dma":
            continue
        start, end = one["address"], one["address"] + one["beats"] * beat
        if start % beat or end > len(executable.dram):
            raise HwsimError(f"instruction {number}: address is {start}, expected a beat of the DRAM's image")
        beats = slice(start // beat, end // beat)
        if one.operation == "load":
            loaded[beats] = number
            continue
        before = max(int(stored[beats].max()), int(loaded[beats].max()))
        if before >= 0:
            raise HwsimError(f"instructions {before} and {number} meet in DRAM, expected a place for what is stored")
        stored[beats] = number


_Touch = tuple[NDArray[np.int64], str, bool, Side]
"""Bytes, name of the matrix, whether it is written, side of the array."""


class _Checker:
    def __init__(self, program: list[Instruction], config: AcceleratorConfig) -> None:
        self.program, self.config = program, config
        self.bank_words = config.buffer_words // config.activation_banks
        self.posts: dict[tuple[int, int], deque[int]] = {(p, q): deque() for p in range(4) for q in range(4)}
        self.queues: list[list[int]] = [[] for _ in QUEUES]
        self.index: dict[int, int] = {}
        self.clocks: dict[int, list[int]] = {}
        self.banks: dict[int, tuple[int, int, int, int]] = {}
        names = [*INSIDE, *(outlier_tile(tile) for tile in range(-(-ROWS_MAX // config.array_rows)))]
        first = config.buffer_words * config.word_bytes
        self.places = {name: place for place, name in enumerate(names, start=first)}
        size = first + len(names)
        self.written = np.zeros(size, np.bool_)
        # number of the instruction in its queue, from 1; pages that nobody touches stay unwritten zeros
        self.last_write = np.zeros((len(QUEUES), size), np.int32)
        self.last_read = np.zeros((len(QUEUES), size), np.int32)
        self.loaded = dict.fromkeys(names, 0)

    def check(self, number: int, one: Instruction) -> None:
        """Check one instruction against all before it, and remember it."""
        if one.queue is None:
            raise HwsimError("stands before the end of the program, expected at its end only")
        queue = QUEUES.index(one.queue)
        self.index[number] = index = len(self.queues[queue])
        clock = self.clocks[number] = self._clock(one, queue, index)
        found = footprints(one, self.config)
        self._check_banks(number, one, queue, found)
        touched: list[_Touch] = [(self._bytes(each), each.name, each.writes, each.side) for each in found]
        _keep_apart(touched)
        touched += self._check_insides(one)
        for where, name, writes, side in touched:
            done = list(clock)
            if queue == ARRAY and side == "drain":
                done[ARRAY] = index - 1  # drains follow each other
            if not writes and not self.written[where].all():
                raise HwsimError(f"reads bytes of {name} that nothing has written")
            self._ordered(where, name, done, self.last_write, queue)
            if writes:
                done[queue] = index  # within a queue, an earlier instruction has read before a later one writes
                self._ordered(where, name, done, self.last_read, queue)
        for where, _, writes, _ in touched:
            (self.last_write if writes else self.last_read)[queue][where] = index + 1
            if writes:
                self.written[where] = True
        self.queues[queue].append(number)
        for taker in queues_of(one["post"]):
            self._post(number, queue, QUEUES.index(taker))

    def _check_insides(self, one: Instruction) -> list[_Touch]:
        """Check that what is used of each memory beside the activation buffer is loaded; one place stands for each."""
        touched: list[_Touch] = []
        for each in insides(one, self.config):
            if each.writes:
                self.loaded[each.name] = each.entries
            elif each.entries > self.loaded[each.name]:
                raise HwsimError(f"uses {each.entries} of {each.name}, of which {self.loaded[each.name]} are loaded")
            # the drain reads parameters and the table to the end of an instruction, and only the DMA writes them
            touched.append((np.array([self.places[each.name]]), each.name, each.writes, "drain"))
        return touched

    def _clock(self, one: Instruction, queue: int, index: int) -> list[int]:
        before = self.queues[queue][-1:]
        clock = list(self.clocks[before[0]]) if before else [-1] * len(QUEUES)
        clock[queue] = max(-1, index - 2) if queue == ARRAY and not one["fence"] else index - 1
        for name in queues_of(one["wait"]):
            giver = QUEUES.index(name)
            if not self.posts[giver, queue]:
                raise HwsimError(f"waits for a token of {name}, expected one that an earlier instruction posts")
            maker = self.posts[giver, queue].popleft()
            clock = [max(pair) for pair in zip(clock, self.clocks[maker], strict=True)]
            clock[giver] = max(clock[giver], self.index[maker])
        return clock

    def _post(self, number: int, giver: int, taker: int) -> None:
        self.posts[giver, taker].append(number)
        # takers that are in their queue or have started leave the rest to those that the program has not reached
        most = TOKENS_MAX - self.config.queue_depth - 1
        if len(self.posts[giver, taker]) > most:
            raise HwsimError(f"posts a token too many for {QUEUES[taker]}, expected at most {most} at a time")

    def _ordered(
        self, where: NDArray[np.int64], name: str, done: list[int], last: NDArray[np.int32], queue: int
    ) -> None:
        for other in range(len(QUEUES)):
            latest = int(last[other][where].max()) - 1
            if latest > done[other]:
                verb = "written" if last is self.last_write else "read"
                raise HwsimError(
                    f"touches {name} before instruction {self.queues[other][latest]} of {QUEUES[other]} has surely"
                    f" {verb} it, expected a {'fence' if other == queue else 'token'}"
                )

    def _check_banks(self, number: int, one: Instruction, queue: int, found: list[Footprint]) -> None:
        reads = writes = operands = skips = 0
        by_port: dict[tuple[bool, str], int] = {}
        for each in found:
            mask, mine = each.banks(self.bank_words), (each.writes, each.port or each.name)
            others = [taken for port, taken in by_port.items() if port != mine and port[0] == each.writes]
            if any(taken & mask for taken in others):
                verb = "writes" if each.writes else "reads"
                raise HwsimError(
                    f"{verb} {each.name} in a bank that another of its ports {verb}, expected a bank for each"
                )
            by_port[mine] = by_port.get(mine, 0) | mask
            if each.writes:
                writes |= mask
                continue
            reads |= mask
            if queue == ARRAY:
                operands |= mask if each.side == "operand" else 0
                skips |= mask if each.side == "drain" else 0
        self.banks[number] = reads, writes, operands, skips
        clock = self.clocks[number]
        if queue == ARRAY and clock[ARRAY] < self.index[number] - 1:
            before = self.queues[ARRAY][-1]
            if self.banks[before][3] & operands:
                raise HwsimError(f"reads a bank that the drain of instruction {before} reads, expected a fence")
        for p, numbers in enumerate(self.queues):
            if p == queue:
                continue
            for other in numbers[clock[p] + 1 :]:
                if self.banks[other][0] & reads or self.banks[other][1] & writes:
                    raise HwsimError(f"may meet instruction {other} of {QUEUES[p]} in a bank, expected a token")

    def _bytes(self, each: Footprint) -> NDArray[np.int64]:
        region = each.region
        offsets = _offsets(
            each.rows, each.channels, each.row, each.channel, region.stride, region.halfwords, region.word_bytes
        )
        size = self.config.buffer_words * self.config.word_bytes
        where = offsets + region.base * region.word_bytes
        if where.max() >= size:
            raise HwsimError(f"{each.name} reaches byte {where.max()}, expected at most {size - 1}")
        return where


@lru_cache(maxsize=256)
def _offsets(
    rows: int, channels: int, row: int, channel: int, stride: int, halfwords: bool, word_bytes: int
) -> NDArray[np.int64]:
    region = Region(base=0, stride=stride, halfwords=halfwords, word_bytes=word_bytes)
    at = row + np.arange(rows, dtype=np.int64)[:, None], channel + np.arange(channels, dtype=np.int64)[None, :]
    first = byte_index(region, *at).reshape(-1)
    return np.concatenate([first, first + 1]) if halfwords else first


def _keep_apart(touched: list[_Touch]) -> None:
    """Refuse an instruction that writes where it reads: its rows overlap in time."""
    for where, name, writes, _ in touched:
        for other, other_name, other_writes, _ in touched:
            apart = other.max() < where.min() or where.max() < other.min()
            if writes and not other_writes and not apart and np.isin(where, other).any():
                raise HwsimError(f"{name} and {other_name} share bytes, expected none")
