"""Bench of ``hws_layernorm``."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge

from hwsim.formats import ChannelTwoScale
from hwsim.units.timing import RADICAND_BITS, layernorm_cycles
from tests import oracle
from tests.rtl.replay import golden_vectors
from tests.rtl.stream import Case, Stream, check_cases, check_reset, check_stalls, configuration, pack

CONFIG = configuration()
LANES = CONFIG.layernorm_lanes
CODE_BITS, OUT_BITS, GAMMA_BITS, BETA_BITS = 8, 16, 16, 32
INT8, UINT8, INT16 = (-128, 127), (0, 255), (-(1 << 15), (1 << 15) - 1)


@dataclass
class Layer:
    """Parameters of one LayerNorm."""

    flags: Sequence[int]
    gamma: Sequence[int]
    beta: Sequence[int]
    exponent: int
    shift: int
    epsilon: int
    lo: int
    hi: int

    @property
    def channels(self) -> int:
        return len(self.flags)

    def settings(self) -> dict[str, int]:
        return {
            "channels_i": self.channels,
            "exponent_i": self.exponent,
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
    fmt = ChannelTwoScale(bits=CODE_BITS, exponent=layer.exponent)
    affine = layer.gamma, layer.beta, layer.shift, layer.epsilon, layer.lo, layer.hi
    for row in rows:
        assert _variance(row, layer) < 1 << RADICAND_BITS, f"{name} is no case: its variance is too large"
        out = oracle.layernorm_row(row, layer.flags, fmt, *affine)
        for start in range(0, layer.channels, LANES):
            beat = list(row[start : start + LANES])
            beat += [junk.randrange(-128, 128) for _ in range(LANES - len(beat))]
            words.append((pack(beat, CODE_BITS),))
            last = int(start + LANES >= layer.channels)
            expected.append((pack(out[start : start + LANES], OUT_BITS), last))
    cycles = layernorm_cycles(len(rows), layer.channels, CONFIG)
    return LayerCase(name, words, expected, cycles, layer.settings(), layer=layer)


def _variance(row: Sequence[int], layer: Layer) -> int:
    values = [code << (layer.exponent * flag) for code, flag in zip(row, layer.flags, strict=True)]
    return layer.channels * sum(v * v for v in values) - sum(values) ** 2 + layer.epsilon


def random_layer(rng: random.Random, channels: int, exponent: int, shift: int, bounds: tuple[int, int]) -> Layer:
    """A layer whose outputs spread over its range and a little beyond."""
    gamma_top = min(1 << 15, max(2, bounds[1] * (1 << shift) // (3 << 10)))
    beta_top = min(1 << 31, max(2, bounds[1] * (1 << shift) // 2))
    return Layer(
        flags=[int(rng.random() < 0.3) for _ in range(channels)],
        gamma=[rng.randrange(-gamma_top, gamma_top) for _ in range(channels)],
        beta=[rng.randrange(-beta_top, beta_top) for _ in range(channels)],
        exponent=exponent,
        shift=shift,
        epsilon=rng.randrange(1, 1000),
        lo=bounds[0],
        hi=bounds[1],
    )


def random_rows(rng: random.Random, count: int, channels: int) -> list[list[int]]:
    return [[max(-128, min(127, round(rng.gauss(0, 40)))) for _ in range(channels)] for _ in range(count)]


def corner_cases() -> list[LayerCase]:
    rng = random.Random(1)
    channels = 5 * LANES - 1
    every = Layer([1] * channels, [1 << 14] * channels, [0] * channels, 7, 8, 1, *INT16)
    none = Layer([0] * channels, [-(1 << 15)] * channels, [(1 << 31) - 1] * channels, 7, 16, 0, *INT16)
    alternating = [(-128, 127)[c % 2] for c in range(channels)]
    outlier = [127] + [0] * (channels - 1)
    rows = [[0] * channels, [-128] * channels, [127] * channels, alternating, outlier, outlier[::-1]]
    shift31 = Layer([0, 1] * LANES, [32767] * 2 * LANES, [-(1 << 31)] * 2 * LANES, 3, 31, (1 << 46) + 12345, *UINT8)
    shift0 = Layer([0, 1] * LANES, [1, -1] * LANES, [100] * 2 * LANES, 1, 0, 7, *INT8)
    return [
        layer_case("largest magnitudes", every, rows),
        layer_case("constant rows without epsilon", none, rows),
        layer_case("largest shift and epsilon", shift31, random_rows(rng, 3, 2 * LANES)),
        layer_case("no shift", shift0, random_rows(rng, 3, 2 * LANES)),
    ]


def largest_case() -> LayerCase:
    """Most channels of the largest values: the variance needs all of its 48 bits."""
    channels = CONFIG.layernorm_channels_max
    layer = Layer([1] * channels, [3000] * channels, [5] * channels, 7, 10, 0, *INT16)
    return layer_case("most channels", layer, [[-128, 127] * (channels // 2), [-128] * channels])


def cases_layernorm() -> list[LayerCase]:
    rng = random.Random(3)
    cases = corner_cases()
    # one channel, ragged last beats; more rows than there are buffers, of less and more beats than the root takes
    shapes = [(9, 1), (3, 2), (4, LANES - 1 or 1), (4, LANES), (12, LANES + 1), (7, 3 * LANES + 1), (3, 96), (2, 128)]
    shapes += [(9, beats * LANES) for beats in (23, 24, 25, 26, 31)]
    for i, (rows, channels) in enumerate(shapes):
        layer = random_layer(rng, channels, i % 8, 10 + i, [INT8, UINT8, INT16][i % 3])
        cases.append(layer_case(f"{rows} rows of {channels}", layer, random_rows(rng, rows, channels), seed=i))
    return [*cases, largest_case()]


def random_cases(seed: int, count: int) -> list[LayerCase]:
    rng = random.Random(seed)
    cases = []
    for i in range(count):
        rows, channels = rng.randint(1, 10), rng.randint(1, 7 * LANES)
        layer = random_layer(rng, channels, rng.randint(0, 7), rng.randint(6, 24), rng.choice([INT8, UINT8, INT16]))
        cases.append(layer_case(f"{rows} rows of {channels}", layer, random_rows(rng, rows, channels), seed=i))
    return cases


async def load_parameters(stream: Stream, case: Case) -> None:
    """Write flags, gamma and beta of every channel."""
    assert isinstance(case, LayerCase)
    dut, layer = stream.dut, case.layer
    for channel in range(layer.channels):
        dut.param_write_i.value = 1 << (channel % LANES)
        dut.param_beat_i.value = channel // LANES
        dut.param_flag_i.value = layer.flags[channel]
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
    keys = ("flags", "gamma", "beta", "exponent", "shift", "epsilon", "lo", "hi")
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
