"""Bench of ``hws_activation_buffer``: a model that follows ``docs/microarchitecture.md``, a byte at a time."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge
from cocotb.types import LogicArray

from hwsim.compiler.layout import Region, row_stride, words_of, write_region
from hwsim.rtl import READ_PORTS, WRITE_PORTS
from tests.rtl.stream import configuration, pack, unpack

CONFIG = configuration()
WORD = CONFIG.word_bytes
BANKS = CONFIG.activation_banks
BANK_WORDS = CONFIG.buffer_words // BANKS
ADDRESS_BITS = (CONFIG.buffer_words - 1).bit_length()
WORD_BITS = (WORD - 1).bit_length()


@dataclass
class Access:
    """One request of a port."""

    address: int
    skew: int = 0
    row: int = 0
    rotate: int = 0
    mask: int = 0
    data: list[int] = field(default_factory=lambda: [0] * WORD)

    @property
    def bank(self) -> int:
        return self.address // BANK_WORDS

    def places(self) -> list[tuple[int, int]]:
        """Word and sub-bank of each byte of the data."""
        places = []
        for i in range(WORD):
            b = (self.rotate + i) % WORD
            low = (b - self.row) % WORD
            places.append((self.address // WORD * WORD + low if self.skew else self.address, b))
        return places


Requests = dict[int, Access]
"""Request of each port that has one."""


class Buffer:
    """The unit, its model, and one cycle of both."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.memory: dict[tuple[int, int], int] = {}
        self.shown: list[list[int] | None] = [None] * READ_PORTS
        """What each port must show; None before its first data."""
        self.pending: list[dict[int, list[int]]] = [{}, {}]
        self.conflict = False
        self.data_defined = True
        """Not after a conflict."""

    async def start(self) -> None:
        self.dut.rst_ni.value = 0
        self.drive({}, {})
        cocotb.start_soon(Clock(self.dut.clk_i, 10, "ns").start(start_high=False))
        await FallingEdge(self.dut.clk_i)
        await FallingEdge(self.dut.clk_i)
        self.dut.rst_ni.value = 1

    def drive(self, reads: Requests, writes: Requests) -> None:
        """Set every input; payloads without a request are unknown where the simulator knows unknowns."""
        self._drive("read", READ_PORTS, reads, {"address": ADDRESS_BITS, "row": WORD_BITS, "rotate": WORD_BITS})
        widths = {"address": ADDRESS_BITS, "row": WORD_BITS, "rotate": WORD_BITS, "mask": WORD, "data": 8 * WORD}
        self._drive("write", WRITE_PORTS, writes, widths)

    def _drive(self, kind: str, ports: int, requests: Requests, widths: dict[str, int]) -> None:
        getattr(self.dut, f"{kind}_valid_i").value = sum(1 << port for port in requests)
        for name, width in ({"skew": 1} | widths).items():
            text = ""
            for port in range(ports):
                value = getattr(requests[port], name) if port in requests else None
                value = pack(value, 8) if isinstance(value, list) else value
                text = (unknown(width) if value is None else f"{value:0{width}b}") + text
            getattr(self.dut, f"{kind}_{name}_i").value = LogicArray(text)

    async def cycle(self, reads: Requests, writes: Requests) -> None:
        """One cycle: outputs are those of earlier requests, a read sees the memory before this cycle's writes."""
        await RisingEdge(self.dut.clk_i)
        self.drive(reads, writes)
        await FallingEdge(self.dut.clk_i)
        for port, data in self.pending.pop(0).items():
            self.shown[port] = data
        self.check()
        self.pending.append({port: [self.memory[place] for place in one.places()] for port, one in reads.items()})
        for one in writes.values():
            for i, place in enumerate(one.places()):
                if one.mask >> i & 1:
                    self.memory[place] = one.data[i]
        self.conflict = meet(reads) or meet(writes)

    def check(self) -> None:
        assert self.dut.conflict_o.value == int(self.conflict), f"conflict must be {self.conflict}"
        text = str(self.dut.read_data_o.value)
        for port, want in enumerate(self.shown):
            if want is not None and self.data_defined:
                end = len(text) - port * 8 * WORD
                got = text[end - 8 * WORD : end]
                assert set(got) <= {"0", "1"}, f"read port {port} is unknown"
                assert unpack(int(got, 2), 8, WORD, signed=False) == want, f"read port {port}"

    async def write_all(self, accesses: list[Access]) -> None:
        """Through the ports in turn, one a cycle."""
        for i, one in enumerate(accesses):
            await self.cycle({}, {i % WRITE_PORTS: one})

    async def read_all(self, accesses: list[Access]) -> list[list[int]]:
        """Data of each access, through the ports in turn, one a cycle."""
        results = []
        for i in range(len(accesses) + 2):
            await self.cycle({i % READ_PORTS: accesses[i]} if i < len(accesses) else {}, {})
            if i >= 2:
                shown = self.shown[(i - 2) % READ_PORTS]
                assert shown is not None
                results.append(shown)
        return results


def unknown(width: int) -> str:
    if cocotb.SIM_NAME.startswith("Icarus"):
        return "X" * width
    return f"{random.getrandbits(width):0{width}b}"


def meet(requests: Requests) -> bool:
    """Whether two requests are in one bank."""
    banks = [one.bank for one in requests.values()]
    return len(set(banks)) < len(banks)


def pool() -> list[int]:
    """Words under test: the first and the last block of every bank."""
    ends = [*range(WORD), *range(BANK_WORDS - WORD, BANK_WORDS)]
    return [bank * BANK_WORDS + word for bank in range(BANKS) for word in ends]


def random_bytes(rng: random.Random) -> list[int]:
    return list(rng.randbytes(WORD))


def random_access(rng: random.Random, bank: int, near: int | None = None) -> Access:
    """Any access of a bank's words under test; often of the word ``near``."""
    word = rng.choice([*range(WORD), *range(BANK_WORDS - WORD, BANK_WORDS)])
    address = near if near is not None and rng.random() < 0.5 else bank * BANK_WORDS + word
    skew, row, rotate = rng.randrange(2), rng.randrange(WORD), rng.randrange(WORD)
    mask = rng.choice([0, (1 << WORD) - 1, (1 << WORD // 2) - 1, rng.getrandbits(WORD)])
    return Access(address, skew, row, rotate, mask, random_bytes(rng))


async def filled(dut: Any, rng: random.Random) -> Buffer:
    buffer = Buffer(dut)
    await buffer.start()
    full = (1 << WORD) - 1
    await buffer.write_all([Access(word, mask=full, data=random_bytes(rng)) for word in pool()])
    return buffer


@cocotb.test()
async def random_requests_on_all_ports(dut: Any) -> None:
    """No conflicts: every port's data, also while it holds, masked writes, and reads that overtake them."""
    rng = random.Random(1)
    buffer = await filled(dut, rng)
    for _ in range(800):
        busy = rng.choice([0.2, 0.6, 1.0])
        banks = rng.sample(range(BANKS), WRITE_PORTS)
        writes = {port: random_access(rng, banks[port]) for port in range(WRITE_PORTS) if rng.random() < busy}
        # half of the reads or more are in the banks that are written
        others = [bank for bank in range(BANKS) if bank not in banks][: READ_PORTS // 2]
        read_banks = [*rng.sample(banks, READ_PORTS - len(others)), *others]
        rng.shuffle(read_banks)
        nearest = {one.bank: one.address for one in writes.values()}
        ports = [port for port in range(READ_PORTS) if rng.random() < busy]
        reads = {port: random_access(rng, read_banks[port], nearest.get(read_banks[port])) for port in ports}
        assert not meet(reads)
        await buffer.cycle(reads, writes)
    await buffer.cycle({}, {})
    await buffer.cycle({}, {})
    await buffer.cycle({}, {})


@cocotb.test()
async def every_pair_of_ports_that_meets_is_told(dut: Any) -> None:
    rng = random.Random(2)
    buffer = await filled(dut, rng)
    buffer.data_defined = False
    for bank in (0, BANKS - 1):
        other = (bank + 1) % BANKS
        for ports, kind in ((READ_PORTS, "read"), (WRITE_PORTS, "write")):
            for p in range(ports):
                for q in range(p):
                    for last in (bank, other):
                        both = {q: random_access(rng, bank), p: random_access(rng, last)}
                        await buffer.cycle(*((both, {}) if kind == "read" else ({}, both)))
            one = random_access(rng, bank)
            await buffer.cycle({0: one}, {0: one})  # a read and a write are no conflict
            assert not buffer.conflict


@cocotb.test()
async def rows_and_columns_of_a_block_are_transposes(dut: Any) -> None:
    """Written by rows and read by columns, the other way round, and where the compiler thinks that the bytes lie."""
    rng = random.Random(3)
    buffer = await filled(dut, rng)
    rows, channels, base = 2 * WORD, 2 * WORD, BANK_WORDS - 2 * WORD
    assert words_of(rows, channels, False, WORD) == 4 * WORD
    region = Region(base=base, stride=row_stride(channels, False, WORD), halfwords=False, word_bytes=WORD)
    for by_rows in (True, False):
        codes = np.array([[rng.randrange(256) for _ in range(channels)] for _ in range(rows)], dtype=np.uint8)
        by_row = [(slice(r, r + 1), slice(c, c + WORD)) for r in range(rows) for c in range(0, channels, WORD)]
        by_column = [(slice(r, r + WORD), slice(c, c + 1)) for r in range(0, rows, WORD) for c in range(channels)]
        writes = []
        for where in by_row if by_rows else by_column:
            one = access_of(region, where, by_rows)
            one.mask, one.data = (1 << WORD) - 1, codes[where].ravel().tolist()
            writes.append(one)
        await buffer.write_all(writes)
        memory = np.zeros((base + 4 * WORD) * WORD, dtype=np.uint8)
        write_region(memory, region, codes)
        words = await buffer.read_all([Access(base + i) for i in range(4 * WORD)])
        assert np.array(words).ravel().tolist() == memory[base * WORD :].tolist()
        for wheres, along in ((by_row, True), (by_column, False)):
            data = await buffer.read_all([access_of(region, where, along) for where in wheres])
            assert data == [codes[where].ravel().tolist() for where in wheres]


def access_of(region: Region, where: tuple[slice, slice], along_row: bool) -> Access:
    """The accesses of the table in ``docs/microarchitecture.md``."""
    row, channel = where[0].start, where[1].start
    address = region.base + row // WORD * region.stride + channel
    return Access(address, int(along_row), row % WORD, (row + channel) % WORD)


@cocotb.test()
async def reset_forgets_requests(dut: Any) -> None:
    """Neither a conflict nor data of a request from before the reset comes out after it."""
    rng = random.Random(4)
    buffer = await filled(dut, rng)
    first, second = random_access(rng, 0), random_access(rng, 0)
    for port in range(READ_PORTS):
        await buffer.cycle({port: first}, {})
    await buffer.cycle({}, {})
    await buffer.cycle({}, {})
    await RisingEdge(dut.clk_i)
    buffer.drive({0: second, 1: second}, {})
    await RisingEdge(dut.clk_i)
    buffer.drive({}, {})
    dut.rst_ni.value = 0
    await FallingEdge(dut.clk_i)
    assert dut.conflict_o.value == 0
    dut.rst_ni.value = 1
    for _ in range(4):
        await buffer.cycle({}, {})
