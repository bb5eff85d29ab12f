"""Bench of ``hws_layernorm``: residual rows of codes with a shift for each channel, and of 16 bits."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge

from hwsim.units.timing import RADICAND_BITS, layernorm_cycles
from tests import oracle
from tests.rtl.replay import golden_vectors
from tests.rtl.stream import Case, Stream, check_cases, check_reset, check_stalls, configuration, pack

CONFIG = configuration()
LANES = CONFIG.layernorm_lanes
CODE_BITS, STREAM_BITS, OUT_BITS, GAMMA_BITS, BETA_BITS = 8, 16, 16, 16, 32
INT8, UINT8, INT16 = (-128, 127), (0, 255), (-(1 << 15), (1 << 15) - 1)


@dataclass
class Layer:
    """Parameters of one LayerNorm."""

    shifts: Sequence[int]
    gamma: Sequence[int]
    beta: Sequence[int]
    shift: int
    epsilon: int
    lo: int
    hi: int
    wide: bool = False
    """Rows of 16 bits, which the shifts do not reach."""

    @property
    def channels(self) -> int:
        return len(self.shifts)

    def settings(self) -> dict[str, int]:
        return {
            "channels_i": self.channels,
            "wide_i": int(self.wide),
            "epsilon_i": self.epsilon,
            "shift_i": self.shift,
            "lo_i": pack([self.lo], OUT_BITS),
            "hi_i": pack([self.hi], OUT_BITS),
        }


@dataclass
class LayerCase(Case):
    """A case that knows its layer, for the parameter memories."""

    layer: Layer = field(kw_only=True)


def layer_case(name: str, layer: Layer, rows: Sequence[Sequence[int]], *, seed: int = 0) -> LayerCase:
    junk = random.Random(seed)
    words: list[tuple[int, ...]] = []
    expected: list[tuple[int, ...]] = []
    bits = STREAM_BITS if layer.wide else CODE_BITS
    affine = layer.gamma, layer.beta, layer.shift, layer.epsilon, layer.lo, layer.hi
    for row in rows:
        values = _values(row, layer)
        variance = layer.channels * sum(v * v for v in values) - sum(values) ** 2 + layer.epsilon
        assert variance < 1 << RADICAND_BITS, f"{name} is no case: its variance is too large"
        out = oracle.layernorm_values(values, *affine)
        for start in range(0, layer.channels, LANES):
            beat = list(row[start : start + LANES])
            beat += [junk.getrandbits(bits) for _ in range(LANES - len(beat))]
            # codes of 8 bits take half of the port
            words.append((pack(beat, bits) | junk.getrandbits((STREAM_BITS - bits) * LANES) << bits * LANES,))
            last = int(start + LANES >= layer.channels)
            expected.append((pack(out[start : start + LANES], OUT_BITS), last))
    cycles = layernorm_cycles(len(rows), layer.channels, CONFIG)
    return LayerCase(name, words, expected, cycles, layer.settings(), layer=layer)


def _values(row: Sequence[int], layer: Layer) -> list[int]:
    """What the residual codes of a row stand for."""
    if layer.wide:
        return list(row)
    return [oracle.term_value(term) for term in zip(row, layer.shifts, strict=True)]


def random_layer(
    rng: random.Random, channels: int, shift: int, bounds: tuple[int, int], *, wide: bool = False
) -> Layer:
    """A layer whose outputs spread over its range and a little beyond."""
    gamma_top = min(1 << 15, max(2, bounds[1] * (1 << shift) // (3 << 10)))
    beta_top = min(1 << 31, max(2, bounds[1] * (1 << shift) // 2))
    return Layer(
        shifts=[rng.choice([0, rng.randint(0, 7)]) for _ in range(channels)],
        gamma=[rng.randrange(-gamma_top, gamma_top) for _ in range(channels)],
        beta=[rng.randrange(-beta_top, beta_top) for _ in range(channels)],
        shift=shift,
        epsilon=rng.randrange(1, 1000),
        lo=bounds[0],
        hi=bounds[1],
        wide=wide,
    )


def random_rows(rng: random.Random, count: int, channels: int, *, wide: bool = False) -> list[list[int]]:
    bounds, deviation = (INT16, rng.choice([20, 3000, 10_000])) if wide else (INT8, 40)
    return [[oracle.clamp(round(rng.gauss(0, deviation)), *bounds) for _ in range(channels)] for _ in range(count)]


def corner_cases() -> list[LayerCase]:
    rng = random.Random(1)
    channels = 5 * LANES - 1
    every = Layer([7] * channels, [1 << 14] * channels, [0] * channels, 8, 1, *INT16)
    none = Layer([0] * channels, [-(1 << 15)] * channels, [(1 << 31) - 1] * channels, 16, 0, *INT16)
    alternating = [(-128, 127)[c % 2] for c in range(channels)]
    outlier = [127] + [0] * (channels - 1)
    rows = [[0] * channels, [-128] * channels, [127] * channels, alternating, outlier, outlier[::-1]]
    shift31 = Layer([0, 3] * LANES, [32767] * 2 * LANES, [-(1 << 31)] * 2 * LANES, 31, (1 << 46) + 12345, *UINT8)
    shift0 = Layer([0, 1] * LANES, [1, -1] * LANES, [100] * 2 * LANES, 0, 7, *INT8)
    return [
        layer_case("largest magnitudes", every, rows),
        layer_case("every shift", replace(every, shifts=[c % 8 for c in range(channels)]), rows),
        layer_case("constant rows without epsilon", none, rows),
        layer_case("largest shift and epsilon", shift31, random_rows(rng, 3, 2 * LANES)),
        layer_case("no shift", shift0, random_rows(rng, 3, 2 * LANES)),
    ]


def wide_corner_cases() -> list[LayerCase]:
    """Ends of 16 bits, as many as the variance admits, with shifts that must not count."""
    lo, hi = INT16
    rng = random.Random(2)
    channels = 5 * LANES - 1
    layer = Layer([c % 8 for c in range(channels)], [1 << 14] * channels, [0] * channels, 8, 1, *INT16, wide=True)
    alternating = [(lo, hi)[c % 2] for c in range(channels)]
    outlier = [hi] + [0] * (channels - 1)
    # rows whose low bytes are those of other codes
    bytes_ = [rng.choice([lo, -129, -128, -1, 0, 127, 128, 255, 256, hi]) for _ in range(channels)]
    rows = [[0] * channels, [lo] * channels, [hi] * channels, alternating, outlier, outlier[::-1], bytes_]
    return [
        layer_case("wide: largest magnitudes", layer, rows),
        layer_case("wide: constant rows without epsilon", replace(layer, epsilon=0), rows[:3]),
        layer_case("wide: largest shift and epsilon", replace(layer, shift=31, epsilon=(1 << 46) + 99), rows),
    ]


def largest_cases() -> list[LayerCase]:
    """Most channels of the largest values: variances that need all of their 48 bits, and the largest sums."""
    channels = CONFIG.layernorm_channels_max
    shift = 7 if channels <= 1024 else 6  # of 8-bit codes: (1024 * 255 * 2**7 / 2)**2 < 2**48
    layer = Layer([shift] * channels, [3000] * channels, [5] * channels, 10, 0, *INT16)
    lo, hi = INT16
    most = min(channels, 512)  # alternating ends: (512 * 2**15)**2 = 2**48
    half = Layer([7] * most, [3000] * most, [5] * most, 10, 0, *INT16, wide=True)
    ragged = Layer([7] * (channels - 1), [3000] * (channels - 1), [5] * (channels - 1), 10, 0, *INT16, wide=True)
    # two values, as far from each other as V admits: near either end, and around zero
    step = (1 << 25) // channels - 1
    rows = [[lo, min(hi, lo + step)] * (channels // 2), [max(lo, hi - step), hi] * (channels // 2)]
    rows += [[lo] * channels, [hi] * channels]
    return [
        layer_case("most channels", layer, [[-128, 127] * (channels // 2), [-128] * channels]),
        layer_case("wide: largest variance", half, [[lo, hi] * (most // 2), [hi, lo] * (most // 2)]),
        layer_case("wide: most channels", replace(layer, wide=True), rows),
        # D is no power of two: the top of S2 reaches V
        layer_case("wide: largest sums", ragged, [[lo] * (channels - 1), [hi] * (channels - 1)]),
    ]


def cases_layernorm() -> list[LayerCase]:
    rng = random.Random(3)
    cases = [*corner_cases(), *wide_corner_cases()]
    # one channel, ragged last beats; more rows than there are buffers, of less and more beats than the root takes
    shapes = [(9, 1), (3, 2), (4, LANES - 1 or 1), (4, LANES), (12, LANES + 1), (7, 3 * LANES + 1), (3, 96), (2, 128)]
    shapes += [(9, beats * LANES) for beats in (23, 24, 25, 26, 31)]
    for i, (rows, channels) in enumerate(shapes):
        layer = random_layer(rng, channels, 10 + i, [INT8, UINT8, INT16][i % 3])
        cases.append(layer_case(f"{rows} rows of {channels}", layer, random_rows(rng, rows, channels), seed=i))
    # codes and 16 bits in turn
    for i, (rows, channels) in enumerate([(1, 1), (5, LANES), (9, 3 * LANES + 1), (6, 24 * LANES), (4, 96)]):
        wide = i % 2 == 0
        layer = random_layer(rng, channels, 10 + i, [UINT8, INT16][i % 2], wide=wide)
        data = random_rows(rng, rows, channels, wide=wide)
        cases.append(layer_case(f"{rows} {'wide ' if wide else ''}rows of {channels}", layer, data, seed=i))
    return [*cases, *largest_cases()]


def random_cases(seed: int, count: int) -> list[LayerCase]:
    rng = random.Random(seed)
    cases = []
    for i in range(count):
        rows, channels = rng.randint(1, 10), rng.randint(1, 7 * LANES)
        bounds, wide = rng.choice([INT8, UINT8, INT16]), rng.random() < 0.5
        layer = random_layer(rng, channels, rng.randint(6, 24), bounds, wide=wide)
        name = f"{rows} {'wide ' if wide else ''}rows of {channels}"
        cases.append(layer_case(name, layer, random_rows(rng, rows, channels, wide=wide), seed=i))
    return cases


async def load_parameters(stream: Stream, case: Case) -> None:
    """Write shift, gamma and beta of every channel."""
    assert isinstance(case, LayerCase)
    dut, layer = stream.dut, case.layer
    for channel in range(layer.channels):
        dut.param_write_i.value = 1 << (channel % LANES)
        dut.param_beat_i.value = channel // LANES
        dut.param_shift_i.value = layer.shifts[channel]
        dut.param_gamma_i.value = pack([layer.gamma[channel]], GAMMA_BITS)
        dut.param_beta_i.value = pack([layer.beta[channel]], BETA_BITS)
        await FallingEdge(dut.clk_i)
    dut.param_write_i.value = 0


async def started(dut: Any) -> Stream:
    stream = Stream(dut, ["in_code_i"], ["out_data_o", "out_last_o"], load_parameters)
    dut.param_write_i.value = 0
    await stream.start(cases_layernorm()[0].settings)
    return stream


@cocotb.test()
async def bits_and_cycles(dut: Any) -> None:
    await check_cases(await started(dut), cases_layernorm())


@cocotb.test()
async def golden(dut: Any) -> None:
    one = golden_vectors("layernorm")[""]
    keys = ("shifts", "gamma", "beta", "shift", "epsilon", "lo", "hi")
    case = layer_case("golden", Layer(**{key: one[key] for key in keys}), one["codes"])
    beats = [row[start : start + LANES] for row in one["out"] for start in range(0, len(row), LANES)]
    assert [word[0] for word in case.expected] == [pack(beat, OUT_BITS) for beat in beats], "golden and oracle differ"
    await check_cases(await started(dut), [case])


@cocotb.test()
async def random_shapes(dut: Any) -> None:
    await check_cases(await started(dut), random_cases(7, 20))


@cocotb.test()
async def stalls(dut: Any) -> None:
    short = [case for case in cases_layernorm() if case.layer.channels <= 5 * LANES]
    await check_stalls(await started(dut), [*short, *random_cases(8, 3)])


@cocotb.test()
async def reset_in_flight(dut: Any) -> None:
    await check_reset(await started(dut), cases_layernorm()[0], cycles=(1, 4, 9, 30))
