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


def check_row(acc: int, bias: int, mult: int, shift: int, row: int, fmt: Uniform) -> None:
    got = requantize(
        np.array([[acc]], np.int32),
        np.array([bias], np.int32),
        np.array([mult], np.int16),
        np.array([shift], np.uint8),
        fmt,
        np.array([row], np.uint16),
    )
    bounds = fmt.zero_point, *oracle.code_range(fmt)
    assert got[0, 0] == oracle.requantize_row(acc, bias, mult, shift, row, *bounds)


@pytest.mark.parametrize("fmt", OUTPUTS, ids=str)
@given(
    acc=st.integers(-(2**30), 2**30),
    bias=st.integers(-(2**30), 2**30),
    mult=st.integers(0, 2**15 - 1),
    shift=st.integers(0, 55),
    row=st.integers(0, 2**15),
)
def test_row_scales_equal_the_oracle(fmt: Uniform, acc: int, bias: int, mult: int, shift: int, row: int) -> None:
    check_row(acc, bias, mult, shift, row, fmt)


@given(
    target=st.integers(-300, 300),
    nudge=st.integers(-2, 2),
    mult=st.integers(2**14, 2**15 - 1),
    shift=st.integers(24, 48),
    row=st.integers(2**10, 2**15),
)
def test_row_scales_equal_the_oracle_where_they_do_not_saturate(
    target: int, nudge: int, mult: int, shift: int, row: int
) -> None:
    acc = ((target << shift) // mult << 7) // row + nudge
    if abs(acc) < 2**31:
        check_row(acc, 0, mult, shift, row, OUTPUTS[3])


@pytest.mark.parametrize("acc", CORNERS)
@pytest.mark.parametrize("mult", [0, 1, 2**14, 2**15 - 1])
@pytest.mark.parametrize("shift", [0, 1, 31, 54, 55])
def test_corners_of_row_scales_equal_the_oracle(acc: int, mult: int, shift: int) -> None:
    for bias in (0, 2**31 - 1, -(2**31)):
        for row in (0, 1, 2**15 - 1, 2**15):
            check_row(acc, bias, mult, shift, row, OUTPUTS[3])


def test_a_row_scale_of_one_changes_nothing_but_the_guard_bits() -> None:
    acc = np.arange(-400, 400, dtype=np.int32).reshape(2, 400)
    columns = np.full(400, 77, np.int32), np.full(400, 21001, np.int16)
    plain = requantize(acc, *columns, np.full(400, 16, np.uint8), OUTPUTS[0])
    ones = np.full(2, 1 << 15, np.uint16)
    assert (plain == requantize(acc, *columns, np.full(400, 24, np.uint8), OUTPUTS[0], ones)).all()


@pytest.mark.parametrize(
    ("shift", "rows", "message"),
    [
        (56, [1, 1], r"shift must be 0\.\.55, not 56"),
        (9, [1], r"row_multipliers must have shape \(2,\), not \(1,\)"),
        (9, [1, 32769], r"a row multiplier must be 0\.\.32768, not 32769"),
    ],
)
def test_wrong_row_scales_are_refused(shift: int, rows: list[int], message: str) -> None:
    zeros = np.zeros((2, 1), np.int32), np.zeros(1, np.int32), np.zeros(1, np.int16)
    with pytest.raises(ValueError, match=message):
        requantize(*zeros, np.full(1, shift, np.uint8), OUTPUTS[0], np.array(rows, np.uint16))
