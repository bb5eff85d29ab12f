from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.nonlinear_error import encoded_softmax_error, softmax_error
from hwsim.formats import TwoScale, Uniform
from hwsim.units.softmax import encode_uniform, softmax
from tests import oracle

TABLE = oracle.exp2_table()
ENTRIES = np.array(TABLE, np.uint32)
scores = st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=40)


@given(scores)
def test_row_equals_the_oracle(row: list[int]) -> None:
    assert softmax(np.array([row], np.int16), ENTRIES)[0].tolist() == oracle.softmax_row(row, TABLE)


@given(st.lists(st.integers(-4600, 0), min_size=1, max_size=40), st.integers(-2000, 2000))
def test_row_of_close_scores_equals_the_oracle(row: list[int], offset: int) -> None:
    row = [score + offset for score in row]
    assert softmax(np.array([row], np.int16), ENTRIES)[0].tolist() == oracle.softmax_row(row, TABLE)


@given(scores, st.integers(-100, 100))
def test_probabilities_do_not_change_with_an_offset(row: list[int], offset: int) -> None:
    row = [score // 2 for score in row]
    shifted = [score + offset for score in row]
    both = softmax(np.array([row, shifted], np.int16), ENTRIES)
    assert (both[0] == both[1]).all()


@pytest.mark.parametrize(
    "row", [[0], [-32768], [32767, -32768], [5] * 197, [0] * 1023 + [32767], [-4608, 0], [-4607, 0]]
)
def test_corners_equal_the_oracle(row: list[int]) -> None:
    assert softmax(np.array([row], np.int16), ENTRIES)[0].tolist() == oracle.softmax_row(row, TABLE)


def test_single_score_has_probability_one() -> None:
    assert softmax(np.array([[-123]], np.int16), ENTRIES).tolist() == [[65536]]


def test_exponential_vanishes_eighteen_octaves_below_the_top() -> None:
    octave = 256
    row = softmax(np.array([[0, -17 * octave, -17 * octave - 1, -18 * octave]], np.int16), ENTRIES)[0]
    assert row.tolist() == [65535, 1, 0, 0]


@given(st.integers(1, 300), st.integers(0, 2**32), st.integers(0, 4000))
def test_row_sums_stay_below_the_bound_of_the_proof(tokens: int, seed: int, spread: int) -> None:
    row = np.random.default_rng(seed).integers(-spread, spread + 1, (1, tokens)).astype(np.int16)
    assert softmax(row, ENTRIES).sum() <= 2**16 + tokens / 2


@given(st.integers(2, 8), st.lists(st.integers(0, 65536), min_size=1, max_size=50))
def test_uniform_encoding_equals_the_oracle(bits: int, probabilities: list[int]) -> None:
    fmt = Uniform(bits=bits, signed=False)
    got = encode_uniform(np.array(probabilities, np.int32), fmt)
    assert got.tolist() == [oracle.encode_probability(p, fmt) for p in probabilities]


def test_error_against_float_stays_below_16_units_of_2_to_minus_16() -> None:
    # Each of the 197 exponentials is rounded to a unit, so their sum is off by up to 98 units of 65536 or more.
    assert softmax_error(rows=300, tokens=197, seed=0) < 16 * 2**-16
    assert softmax_error(rows=300, tokens=5, seed=0) < 3 * 2**-16


def test_two_scale_codes_are_within_six_tenths_of_a_step_of_float() -> None:
    assert encoded_softmax_error(rows=300, tokens=197, seed=0, exponent=4) < 0.6


def test_signed_code_of_a_probability_is_refused() -> None:
    with pytest.raises(ValueError, match="unsigned codes"):
        encode_uniform(np.zeros(1, np.int32), Uniform(bits=8, signed=True))


def test_table_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(256,\), not \(16,\)"):
        softmax(np.zeros((1, 1), np.int16), np.zeros(16, np.uint32))


def test_two_scale_and_uniform_agree_on_zero_and_one() -> None:
    ends = np.array([0, 65536], np.int32)
    assert encode_uniform(ends, Uniform(bits=8, signed=False)).tolist() == [0, 255]
    assert [oracle.encode_probability(p, TwoScale(bits=8, exponent=4, small_signed=False)) for p in ends] == [0, 255]
