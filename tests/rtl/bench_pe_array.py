"""Bench of ``hws_pe_array``: tiles back to back. Both PE styles run the same two-scale cases against the same sums."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cocotb

from hwsim.units.timing import drain_cycles, pe_array_cycles
from tests import oracle
from tests.rtl.replay import golden_vectors
from tests.rtl.stream import Case, Stream, check_cases, check_reset, check_stalls, configuration, pack

CONFIG = configuration()
ROWS, COLUMNS, LANES = CONFIG.array_rows, CONFIG.array_columns, CONFIG.drain_lanes
MANTISSA_TOP, WEIGHT_TOP = 1 << (CONFIG.mantissa_bits - 1), 1 << (CONFIG.weight_bits - 1)
Term = tuple[int, int]


@dataclass
class Tile:
    """Operands of one tile: terms [row][step] and weights [column][step]."""

    rows: Sequence[Sequence[Term]]
    columns: Sequence[Sequence[int]]

    @property
    def depth(self) -> int:
        return len(self.rows[0])

    def words(self) -> list[tuple[int, ...]]:
        words = []
        for k in range(self.depth):
            mantissas, shifts = zip(*(row[k] for row in self.rows), strict=True)
            words.append(
                (
                    pack(mantissas, CONFIG.mantissa_bits),
                    pack(shifts, CONFIG.term_shift_bits),
                    pack([column[k] for column in self.columns], CONFIG.weight_bits),
                    int(k == self.depth - 1),
                )
            )
        return words

    def drained(self) -> list[tuple[int, ...]]:
        sums = [total for row in oracle.gemm(self.rows, self.columns) for total in row]
        assert all(abs(total) < 1 << (CONFIG.accumulator_bits - 1) for total in sums), "not a case: the sum overflows"
        groups = [sums[i : i + LANES] for i in range(0, len(sums), LANES)]
        return [(pack(group, CONFIG.accumulator_bits), int(i == len(groups) - 1)) for i, group in enumerate(groups)]


def tiles_case(name: str, tiles: Sequence[Tile]) -> Case:
    words = [word for tile in tiles for word in tile.words()]
    expected = [word for tile in tiles for word in tile.drained()]
    return Case(name, words, expected, pe_array_cycles([tile.depth for tile in tiles], CONFIG))


def random_tile(rng: random.Random, depth: int, shifts: Sequence[int]) -> Tile:
    """Mantissas small enough for any depth and shift here, but for a few of the largest magnitude."""
    room = (CONFIG.accumulator_bits - 2) - max(shifts) - (WEIGHT_TOP.bit_length() - 1) - depth.bit_length()
    top = min(MANTISSA_TOP, 1 << room)

    def term() -> Term:
        return rng.choice([rng.randrange(-top, top), -top, top - 1, 0]), rng.choice(shifts)

    def weight() -> int:
        return rng.choice([rng.randrange(-WEIGHT_TOP, WEIGHT_TOP), -WEIGHT_TOP, WEIGHT_TOP - 1, 0])

    return Tile(
        [[term() for _ in range(depth)] for _ in range(ROWS)],
        [[weight() for _ in range(depth)] for _ in range(COLUMNS)],
    )


def mixed_tile(rng: random.Random, step_shifts: Sequence[int]) -> Tile:
    """A tile whose rows all take the same shift in a step."""
    tile = random_tile(rng, len(step_shifts), [0])
    rows = [[(mantissa, shift) for (mantissa, _), shift in zip(row, step_shifts, strict=True)] for row in tile.rows]
    return Tile(rows, tile.columns)


def constant_tile(depth: int, mantissa: int, shift: int, weight: int) -> Tile:
    return Tile([[(mantissa, shift)] * depth] * ROWS, [[weight] * depth] * COLUMNS)


def counting_tile() -> Tile:
    """Each sum is its own row-major index, so that a wrong order shows itself."""
    rows = [[(row, 0), (1, 0)] for row in range(ROWS)]
    return Tile(rows, [[COLUMNS if COLUMNS < WEIGHT_TOP else 1, column] for column in range(COLUMNS)])


def cut(rows: Sequence[Sequence[Term]], columns: Sequence[Sequence[int]]) -> list[Tile]:
    """Tiles of a product, row by row; operands that a tile lacks are zero."""
    depth = len(rows[0])
    rows = [*rows, *[[(0, 0)] * depth] * (-len(rows) % ROWS)]
    columns = [*columns, *[[0] * depth] * (-len(columns) % COLUMNS)]
    return [
        Tile(rows[top : top + ROWS], columns[left : left + COLUMNS])
        for top in range(0, len(rows), ROWS)
        for left in range(0, len(columns), COLUMNS)
    ]


def cases_pe_array() -> list[Case]:
    rng = random.Random(16)
    drain = drain_cycles(CONFIG)
    two_scale = [0, 5]
    cases = [
        tiles_case("order", [counting_tile()]),
        tiles_case("one step", [random_tile(rng, 1, two_scale)]),
        tiles_case("one step a tile", [random_tile(rng, 1, two_scale) for _ in range(4)]),
        tiles_case(
            "depths around the drain",
            [random_tile(rng, depth, two_scale) for depth in (1, drain, drain - 1, drain + 1, 2, 2 * drain, 3, 1, 1)],
        ),
        # -2**8 * -2**7 << 15 = 2**30 is the largest term; two of them less a little are the largest sum
        tiles_case("largest terms", [constant_tile(1, -MANTISSA_TOP, 15, -WEIGHT_TOP), counting_tile()]),
        tiles_case("smallest sums", [constant_tile(2, MANTISSA_TOP - 1, 15, -WEIGHT_TOP)]),
        tiles_case("deep", [constant_tile(200, -MANTISSA_TOP, 7, -WEIGHT_TOP // 2), random_tile(rng, 197, [0, 3])]),
        # the coarse shift belongs to the tile: none, one, another, none again
        tiles_case(
            "exponents by tile",
            [random_tile(rng, depth, [0, m]) for depth, m in [(3, 0), (4, 9), (2, 1), (3, 0), (drain + 2, 15), (2, 2)]],
        ),
        tiles_case("coarse first, fine last", [mixed_tile(rng, [m, 0, 0]) for m in (5, 2)]),
        tiles_case("fine first, coarse last", [mixed_tile(rng, [0, 0, m]) for m in (2, 5)]),
        tiles_case("only coarse", [random_tile(rng, 5, [m]) for m in (3, 6)]),
    ]
    if CONFIG.pe_style == "shift":
        any_shift = list(range(13))
        cases.append(tiles_case("any shift", [random_tile(rng, depth, any_shift) for depth in (1, 7, drain + 3)]))
    return cases


async def started(dut: Any) -> Stream:
    stream = Stream(dut, ["in_mantissa_i", "in_shift_i", "in_weight_i", "in_last_i"], ["out_data_o", "out_last_o"])
    await stream.start()
    return stream


@cocotb.test()
async def bits_and_cycles(dut: Any) -> None:
    await check_cases(await started(dut), cases_pe_array())


@cocotb.test()
async def golden(dut: Any) -> None:
    cases = []
    for name, one in golden_vectors("pe_array").items():
        rows = [list(zip(*pair, strict=True)) for pair in zip(one["mantissa"], one["shift"], strict=True)]
        assert one["acc"] == oracle.gemm(rows, one["columns"]), "golden and oracle differ"
        cases.append(tiles_case(name, cut(rows, one["columns"])))
    await check_cases(await started(dut), cases)


def random_case(seed: int, tiles: int) -> Case:
    """Tiles of any depth around the drain, each with an exponent of its own."""
    rng = random.Random(seed)
    longest = drain_cycles(CONFIG) * 3 // 2
    return tiles_case(
        f"random {seed}", [random_tile(rng, rng.randint(1, longest), [0, rng.randint(0, 9)]) for _ in range(tiles)]
    )


@cocotb.test()
async def random_depths(dut: Any) -> None:
    await check_cases(await started(dut), [random_case(seed, 8) for seed in range(3)])


@cocotb.test()
async def stalls(dut: Any) -> None:
    await check_stalls(await started(dut), [*cases_pe_array()[2:4], random_case(10, 5)])


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    await check_reset(await started(dut), cases_pe_array()[7], cycles=(1, 3, 9, 20))
