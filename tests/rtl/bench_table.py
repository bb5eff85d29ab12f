"""Bench of ``hws_table``."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge

from hwsim.formats import Uniform
from hwsim.units.timing import table_cycles
from tests import oracle
from tests.rtl.replay import golden_vectors
from tests.rtl.stream import Case, Stream, check_cases, check_reset, check_stalls, configuration, pack

CONFIG = configuration()
LANES = CONFIG.drain_lanes
CODE_BITS, DATA_BITS, ADDRESS_BITS = 8, 16, 10


@dataclass
class TableCase(Case):
    """A case that knows its entries."""

    entries: Sequence[int] = field(kw_only=True)


def table_case(
    name: str, fmt: Uniform, codes: Sequence[int], seed: int, entries: Sequence[int] | None = None
) -> TableCase:
    """Codes in order, ``drain_lanes`` a word; every fifth word is a last one. The table is random unless given."""
    rng = random.Random(seed)
    entries = entries or [rng.randrange(256) for _ in range(1 << fmt.bits)]
    codes = [*codes, *[fmt.maximum] * (-len(codes) % LANES)]
    words, expected = [], []
    for i in range(0, len(codes), LANES):
        group = codes[i : i + LANES]
        last = int(len(words) % 5 == 4)
        words.append((pack(group, DATA_BITS), last))
        expected.append((pack([oracle.lookup(y, fmt.minimum, entries) for y in group], CODE_BITS), last))
    settings = {"lo_i": pack([fmt.minimum], ADDRESS_BITS)}
    return TableCase(name, words, expected, table_cycles(len(words)), settings, entries=entries)


def cases_table() -> list[TableCase]:
    rng = random.Random(6)
    cases = []
    for seed, (bits, signed) in enumerate([(10, True), (10, False), (8, True), (4, False)]):
        fmt = Uniform(bits=bits, signed=signed)
        every = list(range(fmt.minimum, fmt.maximum + 1))
        cases.append(table_case(f"every code of {fmt}", fmt, rng.sample(every, len(every)), seed))
    # each lane meets each entry, so a copy that missed a write would show
    fmt = Uniform(bits=10, signed=True)
    turns = [y for y in range(fmt.minimum, fmt.maximum + 1) for _ in range(LANES)]
    return [*cases, table_case("every entry in every lane", fmt, turns, 9), table_case("one word", fmt, [-512], 10)]


async def load_entries(stream: Stream, case: Case) -> None:
    """Write every entry, in an order of its own."""
    assert isinstance(case, TableCase)
    dut = stream.dut
    for i in random.Random(len(case.words)).sample(range(len(case.entries)), len(case.entries)):
        dut.table_write_i.value = 1
        dut.table_address_i.value = i
        dut.table_code_i.value = case.entries[i]
        await FallingEdge(dut.clk_i)
    dut.table_write_i.value = 0


async def started(dut: Any) -> Stream:
    dut.table_write_i.value = 0
    stream = Stream(dut, ["in_data_i", "in_last_i"], ["out_code_o", "out_last_o"], load_entries)
    await stream.start(cases_table()[0].settings)
    return stream


@cocotb.test()
async def bits_and_cycles(dut: Any) -> None:
    await check_cases(await started(dut), cases_table())


@cocotb.test()
async def golden(dut: Any) -> None:
    one = golden_vectors("table")[""]
    fmt = Uniform(bits=ADDRESS_BITS, signed=one["lo"] < 0)
    case = table_case("gelu", fmt, one["input"], 0, one["table"])
    assert [oracle.lookup(y, one["lo"], one["table"]) for y in one["input"]] == one["out"], "golden and oracle differ"
    await check_cases(await started(dut), [case])


@cocotb.test()
async def stalls(dut: Any) -> None:
    await check_stalls(await started(dut), cases_table()[1:4])


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    await check_reset(await started(dut), cases_table()[2], cycles=(1, 2, 5))
