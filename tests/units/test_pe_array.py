from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.config import PeStyle
from hwsim.formats import Terms, TwoScale
from hwsim.units.decoder_two_scale import decode_two_scale
from hwsim.units.pe import pe_shift
from hwsim.units.pe_array import multiply
from tests import oracle

STYLES: list[PeStyle] = ["shift", "two_accumulator"]


def random_product(
    seed: int, rows: int, depth: int, columns: int, exponent: int, small_signed: bool
) -> tuple[Terms, np.ndarray]:
    rng = np.random.default_rng(seed)
    fmt = TwoScale(bits=8, exponent=exponent, small_signed=small_signed)
    codes = rng.integers(0, 256, (rows, depth)).astype(np.uint8)
    return decode_two_scale(codes, fmt), rng.integers(-128, 128, (columns, depth)).astype(np.int8)


def oracle_product(rows: Terms, columns: np.ndarray) -> list[list[int]]:
    terms = [list(zip(m, s, strict=True)) for m, s in zip(rows.mantissa.tolist(), rows.shift.tolist(), strict=True)]
    return oracle.gemm(terms, columns.tolist())


@pytest.mark.parametrize("style", STYLES)
@given(
    seed=st.integers(0, 2**32),
    rows=st.integers(1, 5),
    depth=st.integers(1, 70),
    columns=st.integers(1, 5),
    exponent=st.integers(0, 10),
    small_signed=st.booleans(),
)
def test_product_equals_the_oracle(
    style: PeStyle, seed: int, rows: int, depth: int, columns: int, exponent: int, small_signed: bool
) -> None:
    terms, weights = random_product(seed, rows, depth, columns, exponent, small_signed)
    assert multiply(terms, weights, style).tolist() == oracle_product(terms, weights)


@pytest.mark.parametrize("exponent", [0, 8, 9, 13])
def test_both_styles_agree_where_terms_are_wide(exponent: int) -> None:
    terms, weights = random_product(exponent, 7, 197, 9, exponent, True)
    one, two = (multiply(terms, weights, style) for style in STYLES)
    assert (one == two).all()
    assert one.tolist() == oracle_product(terms, weights)


def test_array_ends_where_the_single_pe_ends() -> None:
    terms, weights = random_product(3, 2, 50, 3, 5, False)
    acc = multiply(terms, weights, "shift")
    for t, n in np.ndindex(acc.shape):
        assert pe_shift(terms.mantissa[t], terms.shift[t], weights[n])[-1] == acc[t, n]


@pytest.mark.parametrize("style", STYLES)
def test_sum_just_below_the_accumulators_end_is_exact(style: PeStyle) -> None:
    depth = 1032
    rows = Terms(np.full((1, depth), 127, np.int16), np.full((1, depth), 14, np.uint8))
    columns = np.full((1, depth), 1, np.int8)
    assert multiply(rows, columns, style)[0, 0] == depth * (127 << 14) < 2**31
    assert multiply(rows, -columns, style)[0, 0] == -depth * (127 << 14)


def test_unequal_depths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"share K, not \(1, 3\) and \(2, 4\)"):
        multiply(Terms(np.zeros((1, 3), np.int16), np.zeros((1, 3), np.uint8)), np.zeros((2, 4), np.int8), "shift")


def test_two_accumulators_refuse_two_nonzero_shifts() -> None:
    rows = Terms(np.ones((1, 3), np.int16), np.array([[0, 1, 2]], np.uint8))
    with pytest.raises(ValueError, match=r"one nonzero shift, not \[0, 1, 2\]"):
        multiply(rows, np.ones((1, 3), np.int8), "two_accumulator")
