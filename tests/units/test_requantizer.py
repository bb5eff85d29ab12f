from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.formats import Uniform
from hwsim.units.requantizer import requantize
from tests import oracle

OUTPUTS = [
    Uniform(bits=8, signed=True),
    Uniform(bits=8, signed=False, zero_point=131),
    Uniform(bits=10, signed=True),
    Uniform(bits=16, signed=True),
    Uniform(bits=4, signed=False, zero_point=3),
]
CORNERS = [0, 1, -1, 2**31 - 1, -(2**31), 2**30, -(2**30)]


def check(acc: int, bias: int, mult: int, shift: int, fmt: Uniform) -> None:
    got = requantize(
        np.array([[acc]], np.int32),
        np.array([bias], np.int32),
        np.array([mult], np.int16),
        np.array([shift], np.uint8),
        fmt,
    )
    assert got[0, 0] == oracle.requantize(acc, bias, mult, shift, fmt.zero_point, *oracle.code_range(fmt))


@pytest.mark.parametrize("fmt", OUTPUTS, ids=str)
@given(
    acc=st.integers(-(2**30), 2**30),
    bias=st.integers(-(2**30), 2**30),
    mult=st.integers(0, 2**15 - 1),
    shift=st.integers(0, 47),
)
def test_equals_the_oracle(fmt: Uniform, acc: int, bias: int, mult: int, shift: int) -> None:
    check(acc, bias, mult, shift, fmt)


@pytest.mark.parametrize("fmt", OUTPUTS, ids=str)
@given(
    target=st.integers(-300, 300),
    nudge=st.integers(-2, 2),
    mult=st.integers(2**14, 2**15 - 1),
    shift=st.integers(16, 40),
)
def test_equals_the_oracle_where_it_does_not_saturate(
    fmt: Uniform, target: int, nudge: int, mult: int, shift: int
) -> None:
    acc = (target << shift) // mult + nudge
    if abs(acc) < 2**31:
        check(acc, 0, mult, shift, fmt)


@pytest.mark.parametrize("acc", CORNERS)
@pytest.mark.parametrize("mult", [0, 1, 2**14, 2**15 - 1])
@pytest.mark.parametrize("shift", [0, 1, 31, 46, 47])
def test_corners_equal_the_oracle(acc: int, mult: int, shift: int) -> None:
    for fmt in OUTPUTS:
        check(acc, 0, mult, shift, fmt)


def test_ties_round_towards_plus_infinity() -> None:
    acc = np.array([[-6, -2, 2, 6]], np.int32)
    got = requantize(acc, np.zeros(4, np.int32), np.ones(4, np.int16), np.full(4, 2, np.uint8), OUTPUTS[0])
    assert got.tolist() == [[-1, 0, 1, 2]]


def test_each_column_has_its_own_parameters() -> None:
    acc = np.array([[100, 100], [-100, -100]], np.int32)
    got = requantize(
        acc, np.array([0, 28], np.int32), np.array([1, 3], np.int16), np.array([0, 2], np.uint8), OUTPUTS[0]
    )
    assert got.tolist() == [[100, 96], [-100, -54]]


def test_output_has_the_storage_dtype_of_its_format() -> None:
    acc, bias, mult, shift = (
        np.zeros((1, 1), np.int32),
        np.zeros(1, np.int32),
        np.zeros(1, np.int16),
        np.zeros(1, np.uint8),
    )
    dtypes = [str(requantize(acc, bias, mult, shift, fmt).dtype) for fmt in OUTPUTS]
    assert dtypes == ["int8", "uint8", "int16", "int16", "uint8"]


def test_wrong_parameter_shape_is_refused() -> None:
    acc = np.zeros((2, 3), np.int32)
    with pytest.raises(ValueError, match=r"mult must have shape \(3,\), not \(2,\)"):
        requantize(acc, np.zeros(3, np.int32), np.zeros(2, np.int16), np.zeros(3, np.uint8), OUTPUTS[0])


def test_shift_of_48_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shift must be 0\.\.47, not 48"):
        requantize(
            np.zeros((1, 1), np.int32),
            np.zeros(1, np.int32),
            np.zeros(1, np.int16),
            np.array([48], np.uint8),
            OUTPUTS[0],
        )
