"""Each integer operator equals the oracle's Python ints."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch

from golden import integer_ops as ops
from golden.export_parts import exp2_table, multiplier
from hwsim.formats import TwoScale, Uniform
from tests import oracle

GENERATOR = torch.Generator().manual_seed(0)


def integers(low: int, high: int, *shape: int) -> torch.Tensor:
    return torch.randint(low, high + 1, shape, generator=GENERATOR)


@pytest.mark.parametrize("shift", [0, 1, 2, 17, 47])
def test_round_shift(shift: int) -> None:
    x = torch.cat([torch.arange(-20, 21), integers(-(2**46), 2**46, 200)])
    assert ops.round_shift(x, shift).tolist() == [oracle.round_shift(v, shift) for v in x.tolist()]


@pytest.mark.parametrize("fmt", [
    Uniform(bits=8, signed=True), Uniform(bits=8, signed=False, zero_point=117), Uniform(bits=4, signed=False),
    TwoScale(bits=8, exponent=3, small_signed=True), TwoScale(bits=8, exponent=9, small_signed=False),
    TwoScale(bits=4, exponent=0, small_signed=True),
])  # fmt: skip
def test_terms(fmt: Uniform | TwoScale) -> None:
    low, high = (fmt.minimum, fmt.maximum) if isinstance(fmt, Uniform) else (0, 2**fmt.bits - 1)
    codes = torch.arange(low, high + 1)
    assert ops.terms(codes, fmt).tolist() == [oracle.term_value(oracle.decode(c, fmt)) for c in codes.tolist()]


def test_requantise() -> None:
    acc = integers(-(2**31) + 1, 2**31 - 1, 300)
    mult, shift = integers(0, 2**15 - 1, 300), integers(0, 47, 300)
    out = Uniform(bits=16, signed=True, zero_point=-7)
    expected = [
        oracle.requantize(a, 0, m, s, -7, out.minimum, out.maximum)
        for a, m, s in zip(acc.tolist(), mult.tolist(), shift.tolist(), strict=True)
    ]
    assert ops.requantise(acc, mult, shift, out).tolist() == expected


def test_an_accumulator_beyond_32_bits_is_caught() -> None:
    with pytest.raises(AssertionError, match="32 bits"):
        ops.product(torch.full((1, 3), 2.0**30).double(), torch.ones(1, 3).double())
    with pytest.raises(AssertionError, match="2\\*\\*53"):
        ops.product(torch.full((1, 3), 2.0**52).double(), torch.ones(1, 3).double())


def test_isqrt_and_bit_length() -> None:
    roots = integers(1, 2**24 - 1, 300)
    v = torch.cat([torch.arange(1, 300), roots**2, roots**2 - 1, roots**2 + 1, torch.tensor([2**48 - 1])]).clamp(min=1)
    assert ops.isqrt(v).tolist() == [math.isqrt(x) for x in v.tolist()]
    assert ops.bit_length(v).tolist() == [x.bit_length() for x in v.tolist()]


def test_exp2_table_is_exact() -> None:
    assert exp2_table().tolist() == oracle.exp2_table()


@pytest.mark.parametrize("spread", [100, 4000, 65535])
def test_softmax(spread: int) -> None:
    table = oracle.exp2_table()
    scores = integers(-(spread + 1) // 2, spread // 2, 20, 37)
    found = ops.softmax_q16(scores, torch.tensor(table))
    assert found.tolist() == [oracle.softmax_row(row, table) for row in scores.tolist()]


@pytest.mark.parametrize("fmt", [
    Uniform(bits=8, signed=False), TwoScale(bits=8, exponent=0, small_signed=False),
    TwoScale(bits=8, exponent=4, small_signed=False), TwoScale(bits=8, exponent=9, small_signed=False),
])  # fmt: skip
def test_every_probability_encodes_like_the_oracle(fmt: Uniform | TwoScale) -> None:
    p = torch.arange(2**16 + 1)
    assert ops.encode_probability(p, fmt).tolist() == [oracle.encode_probability(v, fmt) for v in p.tolist()]


@pytest.mark.parametrize("epsilon", [0, 1, 92, 10**6])
def test_layernorm(epsilon: int) -> None:
    y = integers(-4064, 4064, 12, 24)
    y[0] = 7  # a constant row
    gamma, beta = integers(-(2**15), 2**15 - 1, 24), integers(-(2**30), 2**30, 24)
    out = Uniform(bits=8, signed=False, zero_point=120)
    expected = []
    for row in y.tolist():
        normal = oracle.layernorm_normalise(row, epsilon)
        pairs = zip(normal, gamma.tolist(), beta.tolist(), strict=True)
        expected.append([oracle.clamp(oracle.round_shift(n * g + b, 18), 0, 255) for n, g, b in pairs])
    assert ops.layernorm(y, epsilon, gamma, beta, 18, out).tolist() == expected


@pytest.mark.parametrize("ratio", [0.0, 1e-12, 2**-34, 2**-33, 0.3, 0.99999, 1.0, 1.5, 3000.7, 32767.0])
def test_multiplier_is_the_nearest_and_normalised(ratio: float) -> None:
    mult, shift = multiplier(ratio, "x")
    assert 0 <= shift <= 47
    assert 2**14 <= mult < 2**15 or ratio < 2**-33
    assert abs(Fraction(mult, 2**shift) - Fraction(ratio)) <= Fraction(1, 2 ** (shift + 1))
