"""Bench of decoder, array and requantiser in a row: a whole GEMM, from codes to codes, in ``gemm_cycles``."""

from __future__ import annotations

import random
from typing import Any

import cocotb

from hwsim.formats import TwoScale
from hwsim.units.timing import gemm_cycles
from tests import oracle
from tests.rtl.stream import Case, Stream, check_cases, check_reset, check_stalls, configuration, pack

CONFIG = configuration()
ROWS, COLUMNS, LANES = CONFIG.array_rows, CONFIG.array_columns, CONFIG.drain_lanes
CODE_BITS, OUT_BITS = 8, 16


def gemm_case(name: str, fmt: TwoScale, shape: tuple[int, int], copies: int, seed: int) -> Case:
    """Row tiles of ``copies`` products; each column tile is the same one, as the path has parameters for one."""
    rng = random.Random(seed)
    row_tiles, depth = shape
    weights = [[rng.randrange(-128, 128) for _ in range(depth)] for _ in range(COLUMNS)]
    bias = [rng.randrange(-20000, 20000) for _ in range(COLUMNS)]
    multiplier = [rng.randrange(1 << 14, 1 << 15) for _ in range(COLUMNS)]
    shift = [rng.randrange(20, 26) for _ in range(COLUMNS)]
    lo, hi, zero_point = -128, 127, 4
    words, expected = [], []
    for _ in range(row_tiles * copies):
        codes = [[rng.randrange(1 << fmt.bits) for _ in range(depth)] for _ in range(ROWS)]
        for k in range(depth):
            step = (
                pack([row[k] for row in codes], CODE_BITS),
                pack([column[k] for column in weights], CONFIG.weight_bits),
            )
            words.append((*step, int(k == depth - 1)))
        sums = oracle.gemm([[oracle.decode(code, fmt) for code in row] for row in codes], weights)
        out = [
            oracle.requantize(total, bias[n], multiplier[n], shift[n], zero_point, lo, hi)
            for row in sums
            for n, total in enumerate(row)
        ]
        groups = [out[i : i + LANES] for i in range(0, len(out), LANES)]
        expected += [(pack(group, OUT_BITS), int(i == len(groups) - 1)) for i, group in enumerate(groups)]
    settings = {
        "bits_i": fmt.bits,
        "exponent_i": fmt.exponent,
        "small_signed_i": int(fmt.small_signed),
        "bias_i": pack(bias, CONFIG.accumulator_bits),
        "multiplier_i": pack(multiplier, CONFIG.multiplier_bits),
        "shift_i": pack(shift, CONFIG.multiplier_shift_bits),
        "zero_point_i": zero_point,
        "lo_i": pack([lo], OUT_BITS),
        "hi_i": pack([hi], OUT_BITS),
    }
    cycles = gemm_cycles(row_tiles * ROWS, COLUMNS, depth, copies, CONFIG)
    return Case(name, words, expected, cycles, settings)


def cases_gemm_path() -> list[Case]:
    gelu = TwoScale(bits=8, exponent=4, small_signed=True)
    softmax = TwoScale(bits=8, exponent=6, small_signed=False)
    return [
        gemm_case("one tile", gelu, (1, 24), 1, 1),
        gemm_case("shallow tiles", softmax, (3, 3), 2, 2),
        gemm_case("deep tiles", gelu, (2, 50), 2, 3),
        gemm_case("narrow codes", TwoScale(bits=4, exponent=2, small_signed=True), (2, 9), 1, 4),
    ]


async def started(dut: Any) -> Stream:
    stream = Stream(dut, ["in_code_i", "in_weight_i", "in_last_i"], ["out_data_o", "out_last_o"])
    await stream.start(cases_gemm_path()[0].settings)
    return stream


@cocotb.test()
async def bits_and_cycles(dut: Any) -> None:
    await check_cases(await started(dut), cases_gemm_path())


@cocotb.test()
async def stalls(dut: Any) -> None:
    await check_stalls(await started(dut), cases_gemm_path()[:2])


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    await check_reset(await started(dut), cases_gemm_path()[1], cycles=(2, 7, 15))
