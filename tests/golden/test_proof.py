"""Golden's proof of the accumulators: never laxer than the compiler's, and exact on the worst codes."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from golden import proof
from golden.parameters import WeightParameters
from golden.quantizers import log, twin, two_scale
from golden.quantizers.log import GELU_MINIMUM
from hwsim.compiler import proof as compiler
from hwsim.errors import HwsimError
from hwsim.formats import ChannelScaled, Codebook, Logarithmic, RowUniform, TwoScale, Uniform
from hwsim.network import LayerNorm, Linear
from tests import oracle
from tests.codebooks import random_codebook, tanq_codebook
from tests.random_network import random_network

LIMIT = 2**31
EXP2 = oracle.exp2_table()

log_formats = st.builds(
    lambda bits, base, max_shift: Logarithmic(bits=bits, base=base, max_shift=max_shift),
    st.integers(2, 8), st.sampled_from(["two", "sqrt_two"]), st.integers(0, 31),
)  # fmt: skip
two_scale_formats = st.builds(
    lambda bits, exponent, signed: TwoScale(bits=bits, exponent=exponent, small_signed=signed),
    st.integers(2, 8), st.integers(0, 15), st.booleans(),
)  # fmt: skip
codebook_formats = st.builds(
    lambda bits, seed, shift, signed: random_codebook(random.Random(seed), bits, shift_max=shift, signed=signed),
    st.integers(2, 8), st.integers(0, 999), st.integers(0, 31), st.booleans(),
)  # fmt: skip
uniform_formats = st.builds(
    lambda bits, zero: Uniform(bits=bits, signed=False, zero_point=zero), st.integers(2, 8), st.integers(0, 3)
)
operands = st.one_of(log_formats, two_scale_formats, codebook_formats, uniform_formats)
probabilities = st.one_of(
    log_formats,
    two_scale_formats.filter(lambda fmt: not fmt.small_signed and fmt.payload_bits + fmt.exponent <= 16),
    codebook_formats.filter(lambda fmt: fmt.mantissas[0] >= 0),
    st.builds(tanq_codebook, st.integers(2, 8), st.floats(0.8, 1.55), st.integers(8, 31)),
    st.builds(lambda bits: Uniform(bits=bits, signed=False), st.integers(2, 8)),
)


def terms_of(fmt: Any) -> list[int]:
    codes = range(fmt.minimum, fmt.maximum + 1) if isinstance(fmt, Uniform) else range(2**fmt.bits)
    return [oracle.term_value(oracle.decode(code, fmt)) for code in codes]


@settings(deadline=None, max_examples=200, derandomize=True)
@given(operands)
def test_term_range_is_that_of_every_code_and_the_compiler_s(fmt: Any) -> None:
    terms = terms_of(fmt)
    assert proof.term_range(fmt) == (min(terms), max(terms)) == compiler.term_range(fmt)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(operands, st.integers(0, 2**32))
def test_accumulator_bound_is_the_sum_of_the_worst_codes(fmt: Any, seed: int) -> None:
    weight = np.random.default_rng(seed).integers(-128, 128, (3, 7))
    terms, expected = terms_of(fmt), []
    for row in weight.tolist():
        sums = [sum(max(0, *(sign * term * w for term in terms)) for w in row) for sign in (1, -1)]
        expected.append(max(sums))
    bound = proof.accumulator_bound(fmt, torch.from_numpy(weight).to(torch.int8)).tolist()
    if max(abs(term) for term in terms) < proof.TERM_LIMIT:
        assert bound == expected
    else:
        assert all(found >= LIMIT for found, exact in zip(bound, expected, strict=True) if exact)


def test_terms_beyond_the_limit_do_not_wrap() -> None:
    fmt = Codebook(bits=2, mantissas=(-(2**15), 0, 1, 2**15 - 1), shifts=(31, 0, 0, 31))
    weight = torch.full((1, 2**12), 127, dtype=torch.int8)
    assert int(proof.accumulator_bound(fmt, weight)) >= LIMIT


@settings(deadline=None, max_examples=300, derandomize=True)
@given(probabilities, st.integers(1, 1024))
def test_what_golden_admits_after_softmax_the_compiler_admits(fmt: Any, tokens: int) -> None:
    ours, theirs = proof.row_sum_bound(fmt, tokens), compiler.row_sum_bound(fmt, tokens)
    assert theirs <= ours < theirs + 1
    if proof.is_context_admitted(fmt, tokens):
        assert theirs * 128 < LIMIT


@settings(deadline=None, max_examples=60, derandomize=True)
@given(probabilities, st.integers(1, 200), st.integers(0, 2**32), st.integers(1, 3000))
def test_rows_of_softmax_stay_below_the_bound(fmt: Any, tokens: int, seed: int, spread: int) -> None:
    row = np.random.default_rng(seed).integers(-spread, spread, tokens).tolist()
    codes = [oracle.encode_probability(p, fmt) for p in oracle.softmax_row(row, EXP2)]
    assert sum(oracle.term_value(oracle.decode(code, fmt)) for code in codes) <= proof.row_sum_bound(fmt, tokens)


def test_row_sums_by_hand() -> None:
    # levels 0, 2, 3, 3 from 0, 2**14, 2**15, 2**17 - 1 on: the last is never emitted
    fmt = Codebook(bits=2, mantissas=(0, 2, 3, 3), shifts=(0, 0, 0, 0), thresholds=(2**14, 2**15, 2**17 - 1))
    assert proof.row_sum_bound(fmt, 1) == 3
    assert proof.row_sum_bound(fmt, 4) == 4 * (2 + Fraction(2**14 + Fraction(1, 2) - 2**14, 2**14))
    assert proof.row_sum_bound(fmt, 8) == 8 * 2 * Fraction(2**13 + Fraction(1, 2), 2**14)
    assert proof.row_sum_bound(Uniform(bits=8, signed=False), 2) == Fraction(2**16 + 1, 256) + 1
    # a first code with a level of its own, and equal thresholds
    fmt = Codebook(bits=2, mantissas=(1, 2, 5, 6), shifts=(0, 0, 0, 0), thresholds=(0, 0, 2**16))
    assert proof.row_sum_bound(fmt, 2) == 2 * (5 + Fraction(2**15 + Fraction(1, 2), 2**16))


@pytest.mark.parametrize(
    "fmt",
    [
        Uniform(bits=8, signed=True),
        Uniform(bits=8, signed=False, zero_point=1),
        Uniform(bits=9, signed=False),
        TwoScale(bits=8, exponent=3, small_signed=True),
        TwoScale(bits=8, exponent=10, small_signed=False),
        RowUniform(bits=8, signed=False),
        ChannelScaled(bits=8),
        Codebook(bits=2, mantissas=(0, 1, 2, 3), shifts=(0, 0, 0, 0)),
        Codebook(bits=2, mantissas=(-1, 1, 2, 3), shifts=(0, 0, 0, 0), thresholds=(1, 2, 3)),
    ],
    ids=lambda fmt: fmt.kind,
)
def test_formats_that_no_encoder_has_are_not_admitted(fmt: Any) -> None:
    assert not proof.is_context_admitted(fmt, 2)


@pytest.mark.parametrize("base", ["two", "sqrt_two"])
def test_the_largest_shift_is_the_last_that_is_admitted(base: Any) -> None:
    assert proof.largest_max_shift(8, base, 197) == 15
    largest = proof.largest_max_shift(8, base, 197, limit=31)
    assert largest == (23 if base == "two" else 16)
    fmt = Logarithmic(bits=8, base=base, max_shift=largest)
    assert compiler.row_sum_bound(fmt, 197) * 128 < LIMIT
    assert compiler.row_sum_bound(fmt.model_copy(update={"max_shift": largest + 1}), 197) * 128 >= LIMIT
    with pytest.raises(HwsimError, match="no shift is proved safe"):
        proof.largest_max_shift(8, base, 2**62)


@pytest.mark.parametrize("seed", range(8))
def test_rows_with_scales_are_never_laxer_than_the_compiler(seed: int) -> None:
    network = random_network(seed, row_scales=True)
    checked = 0
    for layer in network.layers:
        fmt = network.tensor(layer.input).format if isinstance(layer, Linear) else None
        if not isinstance(layer, Linear) or not isinstance(fmt, RowUniform):
            continue
        weight = torch.from_numpy(network.arrays[f"{layer.name}.weight"])
        bias = torch.from_numpy(network.arrays[f"{layer.name}.bias"]).long().abs()
        zero_points = network.row_arrays(layer.input).zero_points
        ends = int(zero_points.min()), int(zero_points.max())
        low, high = compiler.linear_terms(network, layer.input)
        loosest, tighter = proof.term_range(fmt), proof.term_range(fmt, ends)
        assert loosest[0] <= tighter[0] <= low
        assert high <= tighter[1] <= loosest[1]
        assert int((proof.accumulator_bound(fmt, weight) + bias).max()) >= compiler.linear_bound(network, layer)
        reach = outlier_reach(network, layer.input)
        exact = proof.accumulator_bound(fmt, weight, ends, reach) + bias
        assert int(exact.max()) == compiler.linear_bound(network, layer)
        checked += 1
    assert checked


def outlier_reach(network: Any, tensor: str) -> int:
    """Largest outlier of LayerNorm's results, as the encoder rounds it."""
    fmt, maker = network.tensor(tensor).format, network.maker(tensor)
    if not fmt.outliers:
        return 0
    assert isinstance(maker, LayerNorm)
    largest = int(network.row_arrays(tensor).encode_multipliers.max()) * 2**15
    return min(2**15, (largest >> (maker.encode_shift - fmt.exponent)) + 1)


def test_rows_by_hand() -> None:
    fmt = RowUniform(bits=4, signed=False, exponent=2, outliers=True)
    assert proof.term_range(fmt) == (-(2**15), 2**15 - 1)
    assert proof.term_range(fmt, (3, 5), 20) == (-256, 255)
    assert proof.term_range(fmt, (3, 5), 257) == (-512, 257)
    plain = RowUniform(bits=4, signed=True, exponent=2)
    assert proof.term_range(plain, (-1, 2)) == (-40, 32)
    with pytest.raises(HwsimError, match="channel_scaled"):
        proof.term_range(ChannelScaled(bits=8))


WEIGHT = WeightParameters(
    codes=torch.tensor([[100, -50, 20], [-1, 2, -3]], dtype=torch.int8), scale=torch.ones(2) / 64, bits=8
)


@pytest.mark.parametrize(
    "p",
    [
        two_scale.calibrate_gelu(3.0, 8, 4),
        log.calibrate_gelu(3.0, 4, "two", 10),
        log.calibrate_gelu(3.0, 8, "sqrt_two", 12),
        twin.calibrate_gelu(3.0, 8, 4),
    ],
    ids=["two_scale", "log2", "log_sqrt2", "twin"],
)
@pytest.mark.parametrize("output", [0, 1])
@pytest.mark.parametrize("sign", [1, -1])
def test_bias_and_offset_are_admitted_up_to_the_limit(p: Any, output: int, sign: int) -> None:
    """The integer bias is that of the export: ``(bias + offset * sum(w)) / unit`` of the accumulator."""
    room = LIMIT - int(proof.accumulator_bound(p.format, WEIGHT.codes)[output])
    accumulator_unit = Fraction(p.unit) * Fraction(float(WEIGHT.scale[output]))
    constant = Fraction(p.offset) * int(WEIGHT.codes[output].sum()) * Fraction(float(WEIGHT.scale[output]))
    for steps, expected in ((room - 1500, True), (room + 1500, False)):  # float32 has 24 bits of 31
        bias = torch.zeros(2)
        bias[output] = float(sign * steps * accumulator_unit - constant)
        assert proof.is_admitted(p, WEIGHT, bias) == expected


def test_the_offset_counts() -> None:
    p = log.calibrate_gelu(3.0, 4, "two", 10)
    zero = log.LogQuantiser(format=p.format, largest=p.largest)
    room = LIMIT - int(proof.accumulator_bound(p.format, WEIGHT.codes)[0])
    unit = p.unit / 64
    half = -70 * GELU_MINIMUM / 64 / 2  # of what the offset takes from output 0
    for steps, without, with_offset in ((-room * unit + half, True, False), (room * unit + half, False, True)):
        bias = torch.tensor([steps, 0.0])
        assert proof.is_admitted(zero, WEIGHT, bias) == without
        assert proof.is_admitted(p, WEIGHT, bias) == with_offset
