"""Bench of ``hws_requantizer``."""

from __future__ import annotations

import random
from typing import Any

import cocotb

from hwsim.units.timing import requantizer_cycles
from tests import oracle
from tests.rtl.replay import golden_vectors
from tests.rtl.stream import Case, Stream, check_cases, check_reset, check_stalls, configuration, pack

CONFIG = configuration()
OUT_BITS = 16
Item = tuple[int, int, int, int]
"""acc, bias, multiplier, shift"""
ROW_ONE = 1 << 15


def requantizer_case(
    name: str, items: list[Item], zero_point: int, lo: int, hi: int, tile: int = 5, rows: list[int] | None = None
) -> Case:
    """Items in order, ``drain_lanes`` a word; every ``tile``-th word is a last one.

    The row multipliers go round and round, a word each; without them any number is at their port.
    """
    lanes = CONFIG.drain_lanes
    items = items + [(0, 0, 0, 0)] * (-len(items) % lanes)
    words, expected = [], []
    for i in range(0, len(items), lanes):
        acc, bias, multiplier, shift = zip(*items[i : i + lanes], strict=True)
        last = int(len(words) % tile == tile - 1)
        row = rows[len(words) % len(rows)] if rows else 40503 * i % (1 << 16)
        packed = pack(acc, CONFIG.accumulator_bits), pack(bias, CONFIG.accumulator_bits)
        words.append(
            (*packed, pack(multiplier, CONFIG.multiplier_bits), pack(shift, CONFIG.multiplier_shift_bits), row, last)
        )
        bounds = zero_point, lo, hi
        codes = [
            oracle.requantize_row(*item, row, *bounds) if rows else oracle.requantize(*item, *bounds)
            for item in items[i : i + lanes]
        ]
        expected.append((pack(codes, OUT_BITS), last))
    settings = {"zero_point_i": zero_point, "lo_i": lo, "hi_i": hi}
    packed_settings = {key: pack([value], OUT_BITS) for key, value in settings.items()}
    packed_settings["row_scales_i"] = int(rows is not None)
    return Case(name, words, expected, requantizer_cycles(len(words)), packed_settings)


def row_corner_items() -> list[Item]:
    top = (1 << 31) - 1
    pairs = [(0, 0), (1, 0), (-1, 0), (top, 0), (-top - 1, 0), (top, top), (-top - 1, -top - 1), (0, top), (3, -1)]
    return [
        (acc, bias, multiplier, shift)
        for shift in (0, 1, 7, 8, 23, 54, 55)
        for acc, bias in pairs
        for multiplier in (0, 1, ROW_ONE - 1, 1 << 14, -ROW_ONE)
        for _ in range(CONFIG.drain_lanes)
    ]


def corner_items() -> list[Item]:
    top = (1 << 31) - 1
    items: list[Item] = [(0, 0, 1 << 14, 0), (1, -1, 1 << 14, 14)]
    for shift in (0, 1, 14, 15, 30, 46, 47):
        for acc, bias in ((0, 0), (1, 0), (-1, 0), (top, 0), (-top, 0), (top - 5, 5), (-top, top), (3, -6)):
            items += [(acc, bias, multiplier, shift) for multiplier in (0, 1, 1 << 14, (1 << 15) - 1)]
    # ties: (acc * 2**14) / 2**15 = acc / 2
    return items + [(acc, 0, 1 << 14, 15) for acc in range(-9, 10)]


def bound_items(zero_point: int, lo: int, hi: int) -> list[Item]:
    """Codes around both ends of the range: 2**14 / 2**14 leaves the accumulator as it is."""
    wanted = [bound + delta for bound in (lo, hi) for delta in range(-2, 3)]
    return [(code - zero_point, 0, 1 << 14, 14) for code in wanted]


def random_items(seed: int, count: int, magnitude: int) -> list[Item]:
    """Accumulators whose codes land inside the range and around its ends."""
    rng = random.Random(seed)
    items = []
    for _ in range(count):
        acc = rng.randint(-magnitude, magnitude)
        multiplier = rng.randrange(1 << 14, 1 << 15)
        shift = max(0, min(47, 14 + magnitude.bit_length() - rng.randint(4, 17)))
        items.append((acc, rng.randint(-magnitude // 4, magnitude // 4), multiplier, shift))
    return items


def random_row_items(seed: int) -> list[Item]:
    """As ``random_items``, with the guard bits in their shifts."""
    return [(acc, bias, m, shift + 8) for acc, bias, m, shift in random_items(seed, 300, 1 << 22)]


def row_multipliers(seed: int) -> list[int]:
    rng = random.Random(seed)
    return [rng.choice([ROW_ONE, rng.randrange(ROW_ONE)]) >> rng.randint(0, 3) for _ in range(41)]


def cases_requantizer() -> list[Case]:
    int8, uint8, int10, int16 = (-128, 127), (0, 255), (-512, 511), (-(1 << 15), (1 << 15) - 1)
    corners = corner_items()
    return [
        requantizer_case("corners, int16", corners + bound_items(0, *int16), 0, *int16),
        requantizer_case("corners, uint8", corners + bound_items(113, *uint8), 113, *uint8),
        requantizer_case("bounds, int8", bound_items(-3, *int8), -3, *int8),
        requantizer_case("random, int8", random_items(1, 300, 1 << 20), 0, *int8),
        requantizer_case("random, uint8", random_items(2, 300, 1 << 24), 128, *uint8),
        requantizer_case("random, 10 bits", random_items(3, 300, 1 << 17), 0, *int10),
        requantizer_case("random, int16", random_items(4, 300, 1 << 29), 0, *int16),
        requantizer_case("one word", random_items(5, 1, 1 << 20), -7, *int8, tile=1),
        requantizer_case("rows, corners", row_corner_items(), 0, *int16, rows=[ROW_ONE, 0, 1, 127, ROW_ONE - 1]),
        requantizer_case(
            "rows, ties", [(acc, 0, 1 << 14, 22) for acc in range(-300, 300)], 3, *int16, rows=[64, 192, 96, 320]
        ),
        requantizer_case("rows, int8", random_row_items(6), 5, *int8, rows=row_multipliers(7)),
        requantizer_case("rows, int16", random_row_items(8), 0, *int16, rows=row_multipliers(9)),
    ]


async def started(dut: Any) -> Stream:
    ports = ["in_acc_i", "in_bias_i", "in_multiplier_i", "in_shift_i", "in_row_multiplier_i", "in_last_i"]
    stream = Stream(dut, ports, ["out_data_o", "out_last_o"])
    await stream.start(cases_requantizer()[0].settings)
    return stream


@cocotb.test()
async def bits_and_cycles(dut: Any) -> None:
    await check_cases(await started(dut), cases_requantizer())


@cocotb.test()
async def golden(dut: Any) -> None:
    cases = []
    for name, one in golden_vectors("requantizer").items():
        items = list(zip(one["acc"], one["bias"], one["mult"], one["shift"], strict=True))
        bounds = one["zero_point"], one["lo"], one["hi"]
        assert one["out"] == [oracle.requantize(*item, *bounds) for item in items], "golden and oracle differ"
        cases.append(requantizer_case(name, items, *bounds))
    await check_cases(await started(dut), cases)


@cocotb.test()
async def stalls(dut: Any) -> None:
    await check_stalls(await started(dut), [*cases_requantizer()[1:4], cases_requantizer()[-2]])


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    await check_reset(await started(dut), cases_requantizer()[2])
