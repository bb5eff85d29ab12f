"""Largest error of each non-linear unit against float64 on the same integer inputs.

``python -m benchmarks.nonlinear_error`` prints the table. Inputs are seeded; the test suite bounds each figure.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import TwoScale, Uniform
from hwsim.units.decoder_two_scale import decode_two_scale
from hwsim.units.encoder_two_scale import encode_two_scale
from hwsim.units.isqrt import isqrt
from hwsim.units.layernorm import layernorm
from hwsim.units.reciprocal import reciprocal
from hwsim.units.softmax import softmax
from tests import oracle

EXP2 = np.array(oracle.exp2_table(), np.uint32)


def _score_rows(rows: int, tokens: int, seed: int) -> NDArray[np.int16]:
    """Normal scores whose spread runs from flat to one-hot, int16[rows, tokens]."""
    rng = np.random.default_rng(seed)
    spread = np.geomspace(8, 6000, rows)[:, None]
    return np.clip(np.rint(rng.normal(size=(rows, tokens)) * spread), -(2**15), 2**15 - 1).astype(np.int16)


def _float_softmax(scores: NDArray[np.int16]) -> NDArray[np.float64]:
    powers = np.exp2((scores - scores.max(1, keepdims=True).astype(np.float64)) / 256)
    return powers / powers.sum(1, keepdims=True)


def softmax_error(rows: int, tokens: int, seed: int) -> float:
    """Largest ``|p - softmax|`` of Q0.16 probabilities, before the encoder."""
    scores = _score_rows(rows, tokens, seed)
    return float(np.abs(softmax(scores, EXP2) / 2**16 - _float_softmax(scores)).max())


def encoded_softmax_error(rows: int, tokens: int, seed: int, exponent: int) -> float:
    """Largest error of 8-bit two-scale codes in steps of each code's region, codes at the top left out."""
    scores = _score_rows(rows, tokens, seed)
    fmt = TwoScale(bits=8, exponent=exponent, small_signed=False)
    codes = encode_two_scale(softmax(scores, EXP2), fmt)
    mantissa, shift = decode_two_scale(codes, fmt)
    steps = _float_softmax(scores) * 2.0 ** (fmt.payload_bits + exponent) / 2.0**shift
    return float(np.abs(mantissa - steps)[codes < 255].max())


def layernorm_error(rows: int, channels: int, seed: int) -> float:
    """Largest ``|n - (y - mean) / deviation|`` where the float lies within -16..16; a grid of 2**-10."""
    rng = np.random.default_rng(seed)
    out_fmt = Uniform(bits=16, signed=True)
    shifts = 3 * (rng.random(channels) < 0.05).astype(np.uint8)
    codes = np.clip(np.rint(rng.normal(size=(rows, channels)) * np.geomspace(4, 60, rows)[:, None]), -128, 127)
    ones, zeros = np.ones(channels, np.int16), np.zeros(channels, np.int32)
    normal = layernorm(codes.astype(np.int8), shifts, ones, zeros, 0, 0, out_fmt) / 2**10
    values = codes * 2.0**shifts
    expected = (values - values.mean(1, keepdims=True)) / values.std(1, keepdims=True)
    return float(np.abs(normal - expected)[np.abs(expected) < 16].max())


def gelu_error(scale: float, fine_step: float, exponent: int) -> float:
    """Largest error of the GELU table in steps of each entry's region, saturated entries left out."""
    fmt = TwoScale(bits=8, exponent=exponent, small_signed=True)
    y = np.arange(-512, 512) * scale
    expected = np.array([gelu(x) for x in y])
    codes = np.array([oracle.encode_two_scale_signed(x, fine_step, fmt) for x in expected], np.uint8)
    mantissa, shift = decode_two_scale(codes, fmt)
    inside = (codes != 255) & (codes != 64)
    return float(np.abs(mantissa - expected / fine_step / 2.0**shift)[inside].max())


def gelu(x: float) -> float:
    """``x * Phi(x)``, the exact GELU."""
    return 0.5 * x * (1 + math.erf(x / math.sqrt(2)))


def isqrt_error(count: int, seed: int) -> float:
    """Largest ``sqrt(V) - isqrt(V)``; below 1 by definition."""
    values = np.random.default_rng(seed).integers(0, 2**48, count)
    return float((np.sqrt(values.astype(np.longdouble)) - isqrt(values)).max())


def reciprocal_error(count: int, seed: int) -> float:
    """Largest relative error of ``R / 2**(z + 15)``."""
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 2 ** rng.integers(1, 47, count))
    got = reciprocal(values)
    return float(np.abs(got.mantissa / np.exp2(got.bit_length + 15.0) * values - 1).max())


def measure(rows: int) -> list[tuple[str, float, str]]:
    """Unit, largest error and its unit, for every non-linear unit."""
    return [
        ("softmax, Q0.16", softmax_error(rows, 197, 0) * 2**16, "units of 2**-16"),
        ("softmax, two-scale 8 bits m=4", encoded_softmax_error(rows, 197, 0, 4), "steps of the region"),
        ("GELU table, two-scale 8 bits m=2", gelu_error(2.0**-6, 2.0**-6, 2), "steps of the region"),
        ("LayerNorm, before the affine", layernorm_error(rows, 192, 0) * 2**10, "units of 2**-10"),
        ("isqrt", isqrt_error(rows * 100, 0), "units"),
        ("reciprocal", reciprocal_error(rows * 100, 0) * 2**15, "relative, in 2**-15"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000, help="random rows of softmax and LayerNorm")
    for unit, error, meaning in measure(parser.parse_args().rows):
        print(f"{unit:34} {error:8.4f} {meaning}")


if __name__ == "__main__":
    main()
