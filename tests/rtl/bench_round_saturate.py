"""Bench of ``hws_round_saturate`` at the requantiser's widths: combinational, so it has no cycles to count."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import cocotb
from cocotb.triggers import Timer

from tests import oracle
from tests.rtl.stream import configuration, pack, unpack

CONFIG = configuration()
IN_BITS = CONFIG.accumulator_bits + 9 + CONFIG.multiplier_bits
OUT_BITS = 16
Sample = tuple[int, int, int, int, int]
"""x, shift, offset, lo, hi"""

INT16 = (-(1 << 15), (1 << 15) - 1)
RANGES = [INT16, (-128, 127), (0, 255), (-512, 511), (0, 0)]


def cases_round_saturate() -> Iterator[Sample]:
    rng = random.Random(5)
    # the table of docs/numerics.md
    for x in (-10, -7, -6, -5, -2, -1, 1, 2, 5, 6, 7, 10):
        yield x, 2, 0, *INT16
    smallest, largest = -(1 << (IN_BITS - 1)), (1 << (IN_BITS - 1)) - 1
    for shift in range(1 << CONFIG.multiplier_shift_bits):
        half = 1 << shift >> 1
        for x in (0, 1, -1, half, half - 1, -half, -half - 1, 3 * half, -3 * half, largest, smallest):
            if smallest <= x <= largest:
                for lo, hi in RANGES:
                    yield x, shift, rng.choice([0, 1, -1, 128, *INT16]), lo, hi
    for _ in range(3000):
        lo, hi = rng.choice(RANGES)
        shift = rng.randrange(IN_BITS - 1)
        near_bound = rng.choice([lo, hi]) << shift
        x = rng.choice([rng.randint(smallest, largest), near_bound + rng.randint(-(1 << shift), 1 << shift)])
        yield max(smallest, min(largest, x)), shift, rng.choice([0, rng.randint(*INT16)]), lo, hi


@cocotb.test()
async def bits(dut: Any) -> None:
    count = 0
    for x, shift, offset, lo, hi in cases_round_saturate():
        dut.x_i.value = pack([x], IN_BITS)
        dut.shift_i.value = shift
        for name, value in (("offset_i", offset), ("lo_i", lo), ("hi_i", hi)):
            getattr(dut, name).value = pack([value], OUT_BITS)
        await Timer(1, "ns")
        got = unpack(dut.y_o.value.to_unsigned(), OUT_BITS, 1)[0]
        want = oracle.clamp(oracle.round_shift(x, shift) + offset, lo, hi)
        assert got == want, f"round_saturate({x}, {shift}, {offset}, {lo}, {hi}) is {got}, expected {want}"
        count += 1
    assert count > 3000
