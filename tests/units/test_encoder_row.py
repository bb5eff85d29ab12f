from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.units.encoder_row import RowCodes, encode_rows
from tests import oracle

INT16 = st.integers(-(2**15), 2**15 - 1)
RANGES = st.sampled_from([(-128, 127), (0, 255), (-8, 7)])


def one_row(values: list[int], multiplier: int, zero_point: int, *rest: int | None) -> RowCodes:
    return encode_rows(
        np.array([values], np.int16), np.array([multiplier], np.uint16), np.array([zero_point], np.int16), *rest
    )


def as_tuples(got: RowCodes) -> list[tuple[int, int, int, bool]]:
    return list(zip(*(array.reshape(-1).tolist() for array in got), strict=True))


@given(
    values=st.lists(INT16, min_size=1, max_size=20),
    multiplier=st.integers(0, 2**15 - 1),
    bounds=RANGES,
    shift=st.integers(0, 31),
    threshold=st.none() | st.integers(0, 2**16 - 1),
    data=st.data(),
)
def test_equals_the_oracle(
    values: list[int],
    multiplier: int,
    bounds: tuple[int, int],
    shift: int,
    threshold: int | None,
    data: st.DataObject,
) -> None:
    zero_point = data.draw(st.integers(*bounds))
    exponent = data.draw(st.integers(0, min(7, shift)))
    rest = shift, exponent, threshold, *bounds
    got = as_tuples(one_row(values, multiplier, zero_point, *rest))
    assert got == [oracle.encode_row(v, multiplier, zero_point, *rest) for v in values]


@pytest.mark.parametrize("v", [-(2**15), 2**15 - 1, -1, 0, 1])
@pytest.mark.parametrize("multiplier", [0, 1, 2**15 - 1])
@pytest.mark.parametrize(("shift", "exponent"), [(0, 0), (7, 7), (31, 0), (31, 7)])
def test_corners_equal_the_oracle(v: int, multiplier: int, shift: int, exponent: int) -> None:
    for threshold in (None, 0, abs(v), abs(v) - 1 if v else 0):
        rest = shift, exponent, threshold, -128, 127
        assert as_tuples(one_row([v], multiplier, 5, *rest)) == [oracle.encode_row(v, multiplier, 5, *rest)]


def test_a_value_at_the_threshold_is_no_outlier() -> None:
    assert one_row([-101, -100, 100, 101], 1, 0, 0, 0, 100, -128, 127).outliers.tolist() == [[True, False, False, True]]


def test_limbs_say_the_outlier_again() -> None:
    got = one_row([-300, 300, 20], 1 << 14, 3, 14, 2, 100, -128, 127)
    assert got.codes.tolist() == [[3, 3, 23]]
    assert (got.high.astype(int) * 256 + got.low).tolist() == [[-1200, 1200, 0]]


def test_a_largest_magnitude_of_32768_has_no_outlier() -> None:
    assert not one_row([-(2**15), 2**15 - 1], 1, 0, 0, 0, 2**15, -128, 127).outliers.any()


def test_each_row_has_its_own_scale() -> None:
    values = np.array([[64, -64], [64, -64]], np.int16)
    got = encode_rows(values, np.array([1, 2], np.uint16), np.array([0, 9], np.int16), 1, 0, None, -128, 127)
    assert got.codes.tolist() == [[32, -32], [73, -55]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"multipliers": np.zeros(3, np.uint16)}, r"multipliers must have shape \(2,\), not \(3,\)"),
        ({"zero_points": np.zeros(1, np.int16)}, r"zero_points must have shape \(2,\), not \(1,\)"),
        ({"multipliers": np.full(2, 1 << 15, np.uint16)}, r"multiplier must be 0\.\.32767, not 32768"),
        ({"shift": 32}, r"shift must be 0\.\.31, not 32"),
        ({"exponent": 8}, r"exponent must be 0\.\.7, not 8"),
        ({"shift": 3, "exponent": 4}, r"exponent must be 0\.\.3, not 4"),
        ({"threshold": -1}, "threshold must not be negative, not -1"),
    ],
)
def test_what_the_hardware_lacks_is_refused(change: dict[str, object], message: str) -> None:
    good = {
        "values": np.zeros((2, 4), np.int16), "multipliers": np.zeros(2, np.uint16), "lo": -128, "hi": 127,
        "zero_points": np.zeros(2, np.int16), "shift": 9, "exponent": 2, "threshold": 40,
    }  # fmt: skip
    encode_rows(**good)
    with pytest.raises(ValueError, match=message):
        encode_rows(**good | change)
