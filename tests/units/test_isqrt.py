from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.nonlinear_error import isqrt_error
from hwsim.units.isqrt import isqrt
from tests import oracle


@given(st.lists(st.integers(0, 2**48 - 1), min_size=1, max_size=20))
def test_equals_the_oracle(values: list[int]) -> None:
    assert isqrt(np.array(values)).tolist() == [oracle.isqrt(v) for v in values]


@given(st.integers(1, 2**24 - 1))
def test_squares_and_their_neighbours(root: int) -> None:
    square = root * root
    assert isqrt(np.array([square - 1, square, square + 1])).tolist() == [root - 1, root, root]


def test_first_thousands_and_last() -> None:
    values = [*range(5000), 2**48 - 1, (2**24 - 1) ** 2, (2**24 - 1) ** 2 - 1]
    assert isqrt(np.array(values)).tolist() == [math.isqrt(v) for v in values]


def test_error_against_float_stays_below_one() -> None:
    assert isqrt_error(count=20000, seed=0) < 1.0


@pytest.mark.parametrize("value", [-1, 2**48])
def test_value_out_of_range_is_refused(value: int) -> None:
    with pytest.raises(ValueError, match=r"isqrt takes 0 to 2\*\*48 - 1"):
        isqrt(np.array([value]))
