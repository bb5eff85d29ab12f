"""Bench of ``hws_encoder_row``: values around the threshold, at ties and at the ends, with a scale a word."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import cocotb

from hwsim.units.timing import row_encoder_cycles
from tests import oracle
from tests.rtl.stream import Case, Stream, check_cases, check_reset, check_stalls, configuration, pack

CONFIG = configuration()
LANES = CONFIG.layernorm_lanes
CODE_BITS, VALUE_BITS, ZERO_POINT_BITS = 8, 16, 9
LOWEST, HIGHEST = -(1 << 15), (1 << 15) - 1
MULTIPLIER_MAX = (1 << 15) - 1


@dataclass
class Settings:
    """Configuration of the encoder."""

    shift: int
    exponent: int = 0
    threshold: int | None = None
    lo: int = -128
    hi: int = 127
    encode: bool = True


def row_case(name: str, settings: Settings, values: list[int], seed: int) -> Case:
    """Values in order, Lanes a word, each word with a row's numbers; some lanes do not exist."""
    rng = random.Random(seed)
    values = values + [0] * (-len(values) % LANES)
    words: list[tuple[int, ...]] = []
    expected: list[tuple[int, ...]] = []
    for i in range(0, len(values), LANES):
        group = values[i : i + LANES]
        multiplier = rng.choice([MULTIPLIER_MAX, 1, 0, *[rng.randrange(1 << 14, 1 << 15)] * 9])
        zero_point = rng.choice([settings.lo, settings.hi, rng.randint(settings.lo, settings.hi)])
        keep = rng.choice([(1 << LANES) - 1] * 3 + [(1 << rng.randint(0, LANES)) - 1])
        last = int(len(words) % 5 == 4)
        numbers = multiplier, pack([zero_point], ZERO_POINT_BITS)
        words.append((pack(group, VALUE_BITS), keep, *numbers, last))
        results = [_encode(v, multiplier, zero_point, settings, bool(keep >> lane & 1)) for lane, v in enumerate(group)]
        columns = list(zip(*results, strict=True))
        expected.append((*(pack(column, CODE_BITS) for column in columns[:3]), pack(columns[3], 1), last))
    threshold = settings.threshold
    ports = {
        "encode_i": int(settings.encode), "outliers_i": int(threshold is not None), "shift_i": settings.shift,
        "exponent_i": settings.exponent, "threshold_i": rng.getrandbits(16) if threshold is None else threshold,
        "lo_i": pack([settings.lo], VALUE_BITS), "hi_i": pack([settings.hi], VALUE_BITS),
    }  # fmt: skip
    return Case(name, words, expected, row_encoder_cycles(len(words)), ports)


def _encode(v: int, multiplier: int, zero_point: int, one: Settings, keep: bool) -> tuple[int, int, int, int]:
    if not keep:
        return 0, 0, 0, 0
    if not one.encode:
        return v, 0, 0, 0
    code, high, low, outlier = oracle.encode_row(
        v, multiplier, zero_point, one.shift, one.exponent, one.threshold, one.lo, one.hi
    )
    return code, high, low, int(outlier)


def values_of(settings: Settings, rng: random.Random) -> list[int]:
    """Ends, both sides of the threshold, ties of a multiplier near 2**14, and a spread over magnitudes."""
    values = [LOWEST, LOWEST + 1, -1, 0, 1, HIGHEST]
    if settings.threshold is not None:
        values += [sign * (settings.threshold + delta) for sign in (-1, 1) for delta in (-1, 0, 1, 2)]
    values += [(2 * k + 1) << max(0, settings.shift - 15) for k in range(-8, 8)]
    spread = [rng.getrandbits(rng.randint(1, 15)) * rng.choice([-1, 1]) for _ in range(120)]
    inside = [v for v in values + spread if LOWEST <= v <= HIGHEST]
    rng.shuffle(inside)
    return inside


def cases_encoder_row() -> list[Case]:
    rng = random.Random(3)
    settings = [
        *(Settings(shift, lo=lo, hi=hi) for shift in (0, 12, 19, 31) for lo, hi in ((-128, 127), (0, 255), (-8, 7))),
        *(Settings(shift, exponent, 300) for shift in (7, 20, 31) for exponent in (0, 3, 7)),
        *(Settings(18, 2, threshold, 0, 255) for threshold in (0, 1, HIGHEST - 1, HIGHEST, 1 << 15, (1 << 16) - 1)),
        Settings(31, 7, 5, encode=False),
        Settings(3, encode=False),
    ]
    return [row_case(f"{one}", one, values_of(one, rng), seed) for seed, one in enumerate(settings)]


async def started(dut: Any) -> Stream:
    ports = ["in_value_i", "in_keep_i", "in_multiplier_i", "in_zero_point_i", "in_last_i"]
    results = ["out_code_o", "out_high_o", "out_low_o", "out_outlier_o", "out_last_o"]
    stream = Stream(dut, ports, results)
    await stream.start(cases_encoder_row()[0].settings)
    return stream


@cocotb.test()
async def bits_and_cycles(dut: Any) -> None:
    await check_cases(await started(dut), cases_encoder_row())


@cocotb.test()
async def sweep(dut: Any) -> None:
    """Every value of 16 bits or one of 17 neighbours."""
    await check_cases(
        await started(dut), [row_case("sweep", Settings(21, 3, 9000), list(range(LOWEST, 1 << 15, 17)), 1)]
    )


@cocotb.test()
async def stalls(dut: Any) -> None:
    await check_stalls(await started(dut), cases_encoder_row()[12:16])


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    await check_reset(await started(dut), cases_encoder_row()[13])
