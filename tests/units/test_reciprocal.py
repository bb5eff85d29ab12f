from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.nonlinear_error import reciprocal_error
from hwsim.units.reciprocal import reciprocal
from tests import oracle


@given(st.lists(st.integers(1, 2**47 - 1), min_size=1, max_size=20))
def test_equals_the_oracle(values: list[int]) -> None:
    got = reciprocal(np.array(values))
    assert got.mantissa.tolist() == [oracle.reciprocal(v) for v in values]
    assert got.bit_length.tolist() == [v.bit_length() for v in values]


@given(st.integers(0, 46), st.integers(-2, 2))
def test_neighbours_of_powers_of_two_equal_the_oracle(power: int, nudge: int) -> None:
    value = max(1, 2**power + nudge)
    assert reciprocal(np.array([value])).mantissa[0] == oracle.reciprocal(value)


def test_mantissa_is_2_to_16_of_a_power_of_two_and_at_least_2_to_15() -> None:
    assert reciprocal(2 ** np.arange(47)).mantissa.tolist() == [2**16] * 47
    assert reciprocal(np.array([2**46 - 1])).mantissa[0] == 2**15


def test_relative_error_stays_below_2_to_minus_15() -> None:
    assert reciprocal_error(count=20000, seed=0) < 2.0**-15


@pytest.mark.parametrize("value", [0, 2**47])
def test_value_out_of_range_is_refused(value: int) -> None:
    with pytest.raises(ValueError, match="reciprocal takes 1 to"):
        reciprocal(np.array([value]))
