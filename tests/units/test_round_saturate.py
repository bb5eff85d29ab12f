from __future__ import annotations

from fractions import Fraction
from math import ceil, floor, trunc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.units.round_saturate import clamp, round_saturate, round_shift
from tests import oracle

NUMERICS = Path(__file__).resolve().parents[2] / "docs" / "numerics.md"


def ties_away(x: Fraction) -> int:
    return floor(x + Fraction(1, 2)) if x > 0 else ceil(x - Fraction(1, 2))


MODES = {
    "round_shift": lambda x: int(round_shift(int(x * 4), 2)),
    "towards zero": trunc,
    "ties away": ties_away,
    "ties to even": round,
}


def rounding_table() -> list[tuple[int, str, int]]:
    """Each cell below the marker in docs/numerics.md: x, mode, rounded."""
    section = NUMERICS.read_text().split("<!-- rounding-table")[1].split("Only the column")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]
    return [
        (int(row[0].split("/")[0]), mode, int(cell))
        for row in rows
        for mode, cell in zip(head[1:], row[1:], strict=True)
    ]


@pytest.mark.parametrize(("x", "mode", "rounded"), rounding_table())
def test_table_of_the_numerics_page_holds(x: int, mode: str, rounded: int) -> None:
    assert MODES[mode](Fraction(x, 4)) == rounded


def test_table_of_the_numerics_page_is_whole() -> None:
    table = rounding_table()
    assert {mode for _, mode, _ in table} == set(MODES)
    assert len(table) == 12 * len(MODES)


def test_ties_round_towards_plus_infinity() -> None:
    assert [int(round_shift(x, 1)) for x in (-3, -1, 1, 3)] == [-1, 0, 1, 2]


def test_shift_zero_is_the_identity() -> None:
    assert [int(round_shift(x, 0)) for x in (-7, 0, 7)] == [-7, 0, 7]


@given(st.integers(-(2**62) + 2**47, 2**62 - 2**47), st.integers(0, 47))
def test_round_shift_equals_the_oracle(x: int, shift: int) -> None:
    assert round_shift(x, shift) == oracle.round_shift(x, shift)


@given(st.integers(-(2**40), 2**40), st.integers(-(2**16), 2**16), st.integers(0, 2**17))
def test_clamp_equals_the_oracle(x: int, lo: int, width: int) -> None:
    assert clamp(x, lo, lo + width) == oracle.clamp(x, lo, lo + width)


@given(st.lists(st.integers(-(2**47), 2**47 - 1), min_size=1, max_size=20), st.integers(0, 47), st.integers(2, 16))
def test_round_saturate_equals_the_oracle(xs: list[int], shift: int, bits: int) -> None:
    lo, hi = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    expected = [oracle.clamp(oracle.round_shift(x, shift), lo, hi) for x in xs]
    assert round_saturate(np.array(xs), shift, lo, hi).tolist() == expected


def test_saturates_at_both_ends() -> None:
    assert round_saturate(np.array([-(2**47), 2**47 - 1]), 0, -128, 127).tolist() == [-128, 127]


@pytest.mark.parametrize("shift", [-1, 48])
def test_shift_out_of_range_is_refused(shift: int) -> None:
    with pytest.raises(ValueError, match=r"shift must be 0\.\.47"):
        round_saturate(np.zeros(1, np.int64), shift, 0, 1)


def test_empty_range_is_refused() -> None:
    with pytest.raises(ValueError, match="lo must not be above hi"):
        round_saturate(np.zeros(1, np.int64), 0, 1, 0)
