from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hwsim.units.pe import combine, pe_shift, pe_two_accumulator

steps = st.lists(st.tuples(st.integers(-255, 255), st.booleans(), st.integers(-128, 127)), min_size=1, max_size=40)


@given(steps, st.integers(0, 7))
def test_every_step_equals_the_sum_so_far(operands: list[tuple[int, bool, int]], exponent: int) -> None:
    mantissa, flag, weight = (list(part) for part in zip(*operands, strict=True))
    got = pe_shift(
        np.array(mantissa, np.int16), np.array(flag).astype(np.uint8) * np.uint8(exponent), np.array(weight, np.int8)
    )
    products = [m * w * 2 ** (exponent * f) for m, f, w in operands]
    assert got.tolist() == [sum(products[: k + 1]) for k in range(len(products))]


@given(steps, st.integers(0, 7))
def test_two_accumulators_combine_to_the_same_sum(operands: list[tuple[int, bool, int]], exponent: int) -> None:
    mantissa, flag, weight = (list(part) for part in zip(*operands, strict=True))
    m, f, w = np.array(mantissa, np.int16), np.array(flag).astype(np.uint8), np.array(weight, np.int8)
    one, two = pe_shift(m, f * np.uint8(exponent), w), pe_two_accumulator(m, f, w)
    combined = [int(combine(small, large, exponent)) for small, large in zip(two.small, two.large, strict=True)]
    assert one.tolist() == combined


def test_a_step_uses_one_accumulator_only() -> None:
    sums = pe_two_accumulator(np.array([3, 5], np.int16), np.array([0, 1], np.uint8), np.array([7, -2], np.int8))
    assert sums.small.tolist() == [21, 21]
    assert sums.large.tolist() == [0, -10]
