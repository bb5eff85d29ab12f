"""Bench of ``hws_residual``: the skip connection, the embedding's constant, and residual streams of 11 to 16 bits."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import cocotb

from hwsim.formats import ChannelScaled, Uniform
from hwsim.units.timing import residual_cycles
from tests import oracle
from tests.rtl.replay import golden_vectors
from tests.rtl.stream import Case, Stream, check_cases, check_reset, check_stalls, configuration, pack

CONFIG = configuration()
LANES = CONFIG.drain_lanes
STREAM_BITS, OUT_BITS, SHIFT_BITS = 16, 16, 3
SHIFTS = range(1 << SHIFT_BITS)
INT16 = (-(1 << 15), (1 << 15) - 1)
Item = tuple[int, int, int, int]
"""old code or constant, branch, old shift, new shift"""


def residual_case(
    name: str,
    items: Sequence[Item],
    new: ChannelScaled | Uniform,
    guard_bits: int,
    mult: int = 0,
    shift: int = 0,
    *,
    constant: bool = False,
) -> Case:
    """Items in order, ``drain_lanes`` a word, every seventh a last one."""
    items = [*items, *[(0, 0, 0, 0)] * (-len(items) % LANES)]
    words: list[tuple[int, ...]] = []
    expected: list[tuple[int, ...]] = []
    lo, hi = oracle.code_range(new)
    junk = random.Random(len(items))
    for i in range(0, len(items), LANES):
        stream, branch, *shifts = zip(*items[i : i + LANES], strict=True)
        last = int(len(words) % 7 == 6)
        raw = [value if constant else (value & 0xFF) | junk.getrandbits(8) << 8 for value in stream]
        packed = [pack(each, SHIFT_BITS) for each in shifts]
        words.append((pack(raw, STREAM_BITS), pack(branch, STREAM_BITS), *packed, last))
        results = []
        for value, added, old_shift, new_shift in items[i : i + LANES]:
            grid = value if constant else oracle.rescale_skip(value, old_shift, mult, shift)
            results.append(oracle.residual_add(grid, added, guard_bits, new_shift, lo, hi))
        expected.append((pack(results, OUT_BITS), last))
    settings = {
        "constant_i": int(constant),
        "multiplier_i": mult,
        "shift_i": shift,
        "guard_i": guard_bits,
        "lo_i": pack([lo], OUT_BITS),
        "hi_i": pack([hi], OUT_BITS),
    }
    return Case(name, words, expected, residual_cycles(len(words)), settings)


def with_shifts(
    pairs: Sequence[tuple[int, int]], old: Sequence[int] = SHIFTS, new: Sequence[int] = SHIFTS
) -> list[Item]:
    return [(*pair, old_shift, new_shift) for pair in pairs for old_shift in old for new_shift in new]


def corner_cases() -> list[Case]:
    lo, hi = INT16
    codes = [(q, b) for q in (-128, -1, 0, 1, 127) for b in (lo, lo + 1, -4, 0, 3, 4, hi - 1, hi)]
    constants = [(c, b) for c in (lo, -1, 0, 1, hi) for b in (lo, -1, 0, 1, hi)]
    # a code's ties: y = (2 k + 1) * 2**(g - 1), and their neighbours, up to the ends of the code
    ties = [(0, 8 * k + 4 + delta) for k in (-130, -129, -128, -127, -1, 0, 126, 127, 128) for delta in (-1, 0, 1)]
    # ties of the rescaled stream: q / 2
    halves = [(q, b) for q in range(-9, 10) for b in (0, -3)]
    code, narrow, ends = ChannelScaled(bits=8), ChannelScaled(bits=4), (0, 7)
    no = (0,)
    return [
        residual_case("largest values", with_shifts(codes, ends, ends), code, 7, (1 << 15) - 1, 0),
        residual_case("every pair of shifts", with_shifts([(-128, 77), (127, -300)]), code, 1, 16384, 14),
        residual_case("16 bits saturate", with_shifts(codes, SHIFTS, no), code, 3, 16384, 13),
        residual_case("the sum saturates before the code", with_shifts(codes, ends, ends), code, 0, 20000, 12),
        residual_case("largest shift", with_shifts(codes, ends, ends), code, 3, (1 << 15) - 1, 47),
        residual_case("dead stream", with_shifts(codes, ends, ends), code, 3, 0, 0),
        residual_case("ties of the stream", with_shifts(halves, no, no), code, 0, 16384, 15),
        residual_case("ties of the code", with_shifts(ties, no, no), code, 3, 0, 0),
        residual_case("four bits", with_shifts(codes, no, (0, 1)), narrow, 2, 16384, 14),
        residual_case("constant", with_shifts(constants), code, 3, constant=True),
        residual_case("constant without guard bits", with_shifts(constants + ties, no, no), code, 0, constant=True),
        # the rest of the configuration does not reach the constant
        residual_case("constant beside a multiplier", with_shifts(constants), code, 3, 12345, 9, constant=True),
        *[
            residual_case(f"{bits} bits", with_shifts(constants + ties, ends, no), signed(bits), 0, constant=True)
            for bits in range(11, 17)
        ],
        residual_case("16 bits of an old code", with_shifts(codes), signed(16), 3, 20000, 12),
    ]


def signed(bits: int) -> Uniform:
    return Uniform(bits=bits, signed=True)


def random_case(rng: random.Random, count: int) -> Case:
    """Streams and branches that land inside the code's range and around its ends."""
    new = rng.choice([ChannelScaled(bits=8), ChannelScaled(bits=5), signed(rng.randint(11, 16))])
    guard_bits = rng.choice([3, 3, rng.randint(0, 7)])
    constant = rng.random() < 0.3
    mult = rng.randrange(1 << 14, 1 << 15)
    # M / 2**s near 2**g
    shift = max(0, 14 - guard_bits + rng.randint(-2, 3))
    reach = min(15, new.bits - 1 + guard_bits + rng.randint(0, 8))
    items = [
        (
            rng.randint(*INT16) >> rng.randint(0, 6) if constant else rng.randint(-128, 127),
            rng.randint(-(1 << reach), (1 << reach) - 1),
            rng.choice(SHIFTS),
            rng.choice(SHIFTS),
        )
        for _ in range(count)
    ]
    form = "constant" if constant else f"skip, {mult} >> {shift}"
    name = f"{form}, to {new.bits} bits with {guard_bits} guard bits"
    return residual_case(name, items, new, guard_bits, mult, shift, constant=constant)


def cases_residual() -> list[Case]:
    rng = random.Random(14)
    return [*corner_cases(), *[random_case(rng, 160) for _ in range(24)], random_case(rng, 1)]


async def started(dut: Any) -> Stream:
    ports = ["in_stream_i", "in_branch_i", "in_old_shift_i", "in_new_shift_i", "in_last_i"]
    stream = Stream(dut, ports, ["out_data_o", "out_last_o"])
    await stream.start(cases_residual()[0].settings)
    return stream


@cocotb.test()
async def bits_and_cycles(dut: Any) -> None:
    await check_cases(await started(dut), cases_residual())


@cocotb.test()
async def golden(dut: Any) -> None:
    cases = []
    for name, one in golden_vectors("residual").items():
        channels = range(len(one["shifts"]))
        items = [
            (stream[c], branch[c], one["shifts"][c], one["new_shifts"][c])
            for stream, branch in zip(one["stream"], one["branch"], strict=True)
            for c in channels
        ]
        how = one["guard_bits"], one["mult"], one["shift"]
        case = residual_case(name, items, ChannelScaled(bits=8), *how, constant="embed" in name)
        out = [code for row in one["out"] for code in row]
        out += [0] * (-len(out) % LANES)
        assert [word[0] for word in case.expected] == [
            pack(out[i : i + LANES], OUT_BITS) for i in range(0, len(out), LANES)
        ], f"{name}: golden and oracle differ"
        cases.append(case)
    await check_cases(await started(dut), cases)


@cocotb.test()
async def stalls(dut: Any) -> None:
    cases = cases_residual()
    await check_stalls(await started(dut), [cases[1], cases[9], *cases[11:13], *cases[19:23]])


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    await check_reset(await started(dut), cases_residual()[0])
