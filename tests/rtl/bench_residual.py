"""Bench of ``hws_residual``: the skip connection, the embedding's constant, and residual streams of 16 bits."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import cocotb

from hwsim.formats import ChannelTwoScale
from hwsim.units.timing import residual_cycles
from tests import oracle
from tests.rtl.replay import golden_vectors
from tests.rtl.stream import Case, Stream, check_cases, check_reset, check_stalls, configuration, pack

CONFIG = configuration()
LANES = CONFIG.drain_lanes
CODE_BITS, STREAM_BITS, OUT_BITS = 8, 16, 16
INT16 = (-(1 << 15), (1 << 15) - 1)
Item = tuple[int, int, int, int]
"""old code or constant, branch, old flag, new flag"""


def residual_case(
    name: str,
    items: Sequence[Item],
    new: ChannelTwoScale,
    guard_bits: int,
    old: ChannelTwoScale | None = None,
    mult: int = 0,
    shift: int = 0,
    *,
    wide: bool = False,
) -> Case:
    """Items in order, ``drain_lanes`` a word, every seventh a last one. Without ``old`` the stream is constant.

    With ``wide`` the sum is the result, whatever the new format.
    """
    items = [*items, *[(0, 0, 0, 0)] * (-len(items) % LANES)]
    words: list[tuple[int, ...]] = []
    expected: list[tuple[int, ...]] = []
    junk = random.Random(len(items))
    for i in range(0, len(items), LANES):
        stream, branch, old_flags, new_flags = zip(*items[i : i + LANES], strict=True)
        last = int(len(words) % 7 == 6)
        raw = [value if old is None else (value & 0xFF) | junk.getrandbits(8) << 8 for value in stream]
        flags = pack(old_flags, 1), pack(new_flags, 1)
        words.append((pack(raw, STREAM_BITS), pack(branch, STREAM_BITS), *flags, last))
        results = []
        for value, added, old_flag, new_flag in items[i : i + LANES]:
            grid = value if old is None else oracle.rescale_skip(value, old, old_flag, mult, shift)
            if wide:
                results.append(oracle.residual_add_wide(grid, added))
            else:
                results.append(oracle.residual_add(grid, added, guard_bits, new, new_flag) & 0xFF)
        expected.append((pack(results, OUT_BITS), last))
    lo, hi = oracle.code_range(new)
    settings = {
        "constant_i": int(old is None),
        "wide_i": int(wide),
        "multiplier_i": mult,
        "shift_i": shift,
        "old_exponent_i": 0 if old is None else old.exponent,
        "new_exponent_i": new.exponent,
        "guard_i": guard_bits,
        "lo_i": pack([lo], CODE_BITS),
        "hi_i": pack([hi], CODE_BITS),
    }
    return Case(name, words, expected, residual_cycles(len(words)), settings)


def with_flags(pairs: Sequence[tuple[int, int]]) -> list[Item]:
    return [(*pair, old_flag, new_flag) for pair in pairs for old_flag in (0, 1) for new_flag in (0, 1)]


def corner_cases() -> list[Case]:
    lo, hi = INT16
    codes = [(q, b) for q in (-128, -1, 0, 1, 127) for b in (lo, lo + 1, -4, 0, 3, 4, hi - 1, hi)]
    constants = [(c, b) for c in (lo, -1, 0, 1, hi) for b in (lo, -1, 0, 1, hi)]
    # a code's ties: y = (2 k + 1) * 2**(g - 1), and their neighbours, up to the ends of the code
    ties = [(0, 8 * k + 4 + delta) for k in (-130, -129, -128, -127, -1, 0, 126, 127, 128) for delta in (-1, 0, 1)]
    # ties of the rescaled stream: q / 2
    halves = [(q, b) for q in range(-9, 10) for b in (0, -3)]
    wide, narrow = ChannelTwoScale(bits=8, exponent=7), ChannelTwoScale(bits=4, exponent=1)
    none = ChannelTwoScale(bits=8, exponent=0)
    return [
        residual_case("largest values", with_flags(codes), wide, 7, wide, (1 << 15) - 1, 0),
        residual_case("16 bits saturate", with_flags(codes), none, 3, wide, 16384, 13),
        residual_case("the sum saturates before the code", with_flags(codes), wide, 0, wide, 20000, 12),
        residual_case("largest shift", with_flags(codes), wide, 3, wide, (1 << 15) - 1, 47),
        residual_case("dead stream", with_flags(codes), wide, 3, wide, 0, 0),
        residual_case("ties of the stream", with_flags(halves), none, 0, none, 16384, 15),
        residual_case("ties of the code", with_flags(ties), none, 3, none, 0, 0),
        residual_case("four bits", with_flags(codes), narrow, 2, none, 16384, 14),
        residual_case("constant", with_flags(constants), wide, 3),
        residual_case("constant without guard bits", with_flags(constants + ties), none, 0),
        # the rest of the configuration does not reach the constant
        residual_case("constant beside a multiplier", with_flags(constants), wide, 3, None, 12345, 9),
        # neither does the new format reach the sum
        residual_case("wide", with_flags(constants + ties), wide, 3, None, 12345, 9, wide=True),
        residual_case("wide beside a narrow format", with_flags(constants), narrow, 7, wide=True),
        residual_case("wide sum with an old code", with_flags(codes), wide, 3, wide, 20000, 12, wide=True),
    ]


def random_case(rng: random.Random, count: int) -> Case:
    """Streams and branches that land inside the code's range and around its ends."""
    new, old = (ChannelTwoScale(bits=rng.choice([8, 8, 8, 5]), exponent=rng.randint(0, 7)) for _ in range(2))
    guard_bits = rng.choice([3, 3, rng.randint(0, 7)])
    constant = rng.random() < 0.3
    mult = rng.randrange(1 << 14, 1 << 15)
    # M / 2**s near 2**g
    shift = max(0, 14 - guard_bits + rng.randint(-2, 3))
    reach = min(15, 7 + guard_bits + rng.randint(0, new.exponent + 1))
    lo, hi = oracle.code_range(old)
    items = [
        (
            rng.randint(*INT16) >> rng.randint(0, 6) if constant else rng.randint(lo, hi),
            rng.randint(-(1 << reach), (1 << reach) - 1),
            rng.randrange(2),
            rng.randrange(2),
        )
        for _ in range(count)
    ]
    form = "constant" if constant else f"skip {old.exponent}, {mult} >> {shift}"
    name = f"{form}, to {new.exponent} with {guard_bits} guard bits"
    wide = constant and rng.random() < 0.5
    return residual_case(name, items, new, guard_bits, None if constant else old, mult, shift, wide=wide)


def cases_residual() -> list[Case]:
    rng = random.Random(14)
    return [*corner_cases(), *[random_case(rng, 160) for _ in range(24)], random_case(rng, 1)]


async def started(dut: Any) -> Stream:
    ports = ["in_stream_i", "in_branch_i", "in_old_flag_i", "in_new_flag_i", "in_last_i"]
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
        channels = range(len(one["flags"]))
        items = [
            (stream[c], branch[c], one["flags"][c], one["new_flags"][c])
            for stream, branch in zip(one["stream"], one["branch"], strict=True)
            for c in channels
        ]
        old = ChannelTwoScale(bits=CODE_BITS, exponent=one["exponent"]) if "embed" not in name else None
        new = ChannelTwoScale(bits=CODE_BITS, exponent=one["new_exponent"])
        case = residual_case(name, items, new, one["guard_bits"], old, one["mult"], one["shift"])
        out = [code for row in one["out"] for code in row]
        out += [0] * (-len(out) % LANES)
        assert [word[0] for word in case.expected] == [
            pack([code & 0xFF for code in out[i : i + LANES]], OUT_BITS) for i in range(0, len(out), LANES)
        ], f"{name}: golden and oracle differ"
        cases.append(case)
    await check_cases(await started(dut), cases)


@cocotb.test()
async def stalls(dut: Any) -> None:
    cases = cases_residual()
    await check_stalls(await started(dut), [cases[1], cases[8], cases[11], *cases[14:18]])


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    await check_reset(await started(dut), cases_residual()[0])
