"""Row sums of probabilities in every format, their bound in the proof, and levels that a configuration cannot hold."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hwsim.compiler import compile_network
from hwsim.compiler.proof import row_sum_bound
from hwsim.config import load_preset
from hwsim.errors import HwsimError
from hwsim.formats import Logarithmic, TwoScale, Uniform
from hwsim.network import Network
from hwsim.units.decoder_two_scale import decode_two_scale
from hwsim.units.encoder_codebook import encode_codebook
from hwsim.units.encoder_log import encode_log
from hwsim.units.encoder_two_scale import encode_two_scale
from tests import oracle
from tests.codebooks import random_codebook, tanq_codebook
from tests.random_network import random_network

EXP2 = oracle.exp2_table()

softmax_formats = st.one_of(
    st.builds(lambda bits: Uniform(bits=bits, signed=False), st.integers(2, 8)),
    st.integers(2, 8).flatmap(
        lambda bits: st.builds(
            lambda exponent: TwoScale(bits=bits, exponent=exponent, small_signed=False),
            st.integers(0, min(15, 17 - bits)),
        )
    ),
    st.builds(
        lambda bits, base, max_shift: Logarithmic(bits=bits, base=base, max_shift=max_shift),
        st.integers(2, 8), st.sampled_from(["two", "sqrt_two"]), st.integers(0, 15),
    ),
    st.builds(tanq_codebook, st.integers(2, 8), st.floats(0.8, 1.55), st.integers(8, 15)),
    st.builds(
        lambda bits, seed: random_codebook(random.Random(seed), bits, signed=False),
        st.integers(2, 8), st.integers(0, 99),
    ),
)  # fmt: skip


@settings(deadline=None, max_examples=150, derandomize=True)
@given(softmax_formats, st.integers(1, 300), st.integers(0, 2**32), st.integers(1, 3000))
def test_row_sums_of_real_softmax_rows_stay_below_the_bound(fmt: Any, tokens: int, seed: int, spread: int) -> None:
    row = np.random.default_rng(seed).integers(-spread, spread, tokens).tolist()
    codes = [oracle.encode_probability(p, fmt) for p in oracle.softmax_row(row, EXP2)]
    assert sum(oracle.term_value(oracle.decode(code, fmt)) for code in codes) <= row_sum_bound(fmt, tokens)


@pytest.mark.parametrize("bits", [3, 6, 8])
@pytest.mark.parametrize("tokens", [2, 17, 197, 1024])
def test_row_sum_bound_covers_every_row_that_a_sum_of_probabilities_allows(bits: int, tokens: int) -> None:
    # For every price l >= 0: sum f(p) <= l * P + T * max_p(f(p) - l * p). The least over l bounds all rows at once.
    total = 2**16 + tokens / 2
    p = np.arange(65537, dtype=np.int32)
    for exponent in range(min(15, 17 - bits) + 1):
        fmt = TwoScale(bits=bits, exponent=exponent, small_signed=False)
        mantissa, shift = decode_two_scale(encode_two_scale(p, fmt), fmt)
        decoded = mantissa.astype(np.int64) << shift

        def row_sum(price: float, decoded: NDArray[np.int64] = decoded) -> float:
            return price * total + tokens * float((decoded - price * p).max())

        assert least(row_sum, 0, decoded.max()) <= row_sum_bound(fmt, tokens) + 1


many_shifts: list[Any] = [
    *(Logarithmic(bits=bits, base=base, max_shift=10) for bits in (2, 4, 8) for base in ("two", "sqrt_two")),
    *(tanq_codebook(bits, 1.4, 14) for bits in (3, 8)),
    *(random_codebook(random.Random(bits), bits, signed=False) for bits in (2, 5, 8)),
]


@pytest.mark.parametrize("fmt", many_shifts, ids=lambda fmt: f"{fmt.kind}-{fmt.bits}")
@pytest.mark.parametrize("tokens", [1, 2, 17, 197, 1024])
def test_row_sum_bound_of_any_levels_is_the_least_that_a_price_proves(fmt: Any, tokens: int) -> None:
    # The same argument by prices, on every probability; here it must give the bound itself, no more and no less.
    total = 2**16 + tokens / 2
    p = np.arange(65537, dtype=np.int32)
    codes = encode_log(p, fmt) if isinstance(fmt, Logarithmic) else encode_codebook(p, fmt)
    mantissa, shift = fmt.terms()
    decoded = mantissa[codes].astype(np.int64) << shift[codes]

    def row_sum(price: float) -> float:
        return price * total + tokens * float((decoded - price * p).max())

    assert row_sum_bound(fmt, tokens) == pytest.approx(least(row_sum, 0, 2.0 * decoded.max() + 1), rel=1e-6, abs=1)


def least(convex: Callable[[float], float], low: float, high: float) -> float:
    """Least value of a convex function, by golden thirds."""
    for _ in range(120):
        third = (high - low) / 3
        if convex(low + third) < convex(high - third):
            high -= third
        else:
            low += third
    return convex(low)


def network_with(fmt: Any) -> Network:
    """Random network whose probabilities have this format."""
    network, name = random_network(1, depth=1, many_shifts=False), "blocks.0.attn.softmax.out"
    tensors = network.manifest.tensors
    tensors = tensors | {name: tensors[name].model_copy(update={"format": fmt})}
    return Network(network.manifest.model_copy(update={"tensors": tensors}), network.arrays)


TWO_SUMS = "pe_style=two_accumulator"


@pytest.mark.parametrize(
    ("fmt", "override", "sentence"),
    [
        (
            Logarithmic(bits=4, base="two", max_shift=2),
            TWO_SUMS,
            r"shifts by \[0, 1, 2\], expected one nonzero shift for two",
        ),
        (
            tanq_codebook(8, 1.36, 15),
            TWO_SUMS,
            r"shifts by \[0, 1, .*\], expected one nonzero shift for two_accumulator",
        ),
        (Logarithmic(bits=4, base="two", max_shift=8), "term_shift_bits=3", "shifts by 8, expected .* = 3 bits"),
        (tanq_codebook(8, 1.36, 15), "term_shift_bits=2", "shifts by [4-9], expected .* = 2 bits"),
        (
            random_codebook(random.Random(1), 8, 10, signed=False),
            "mantissa_bits=9",
            "run from .*, expected .* = 9 signed",
        ),
        (Logarithmic(bits=4, base="sqrt_two", max_shift=15), "accumulator_bits=28", "accumulators can reach"),
    ],
)
def test_levels_that_the_configuration_does_not_hold_are_refused(fmt: Any, override: str, sentence: str) -> None:
    network = network_with(fmt)
    with pytest.raises(HwsimError, match=rf"layer blocks\.0\.attn\.values.* {sentence}"):
        compile_network(network, load_preset("tiny", [override]))


def test_two_accumulators_hold_levels_of_one_shift() -> None:
    fmt = Logarithmic(bits=4, base="two", max_shift=1)
    network = network_with(fmt)
    compile_network(network, load_preset("tiny", ["pe_style=two_accumulator"]))
