from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.nonlinear_error import gelu_error
from hwsim.formats import Uniform, storage_dtype
from hwsim.units.table import lookup
from tests import oracle


@given(st.integers(2, 10), st.booleans(), st.integers(0, 2**32))
def test_every_code_finds_the_oracles_entry(bits: int, signed: bool, seed: int) -> None:
    fmt = Uniform(bits=bits, signed=signed)
    entries = np.random.default_rng(seed).integers(0, 256, 1 << bits).astype(np.uint8)
    y = np.arange(fmt.minimum, fmt.maximum + 1).astype(storage_dtype(fmt)).reshape(2, -1)
    expected = [[oracle.lookup(code, fmt.minimum, entries) for code in row] for row in y]
    assert lookup(y, fmt, entries).tolist() == expected


def test_smallest_code_takes_entry_zero() -> None:
    fmt = Uniform(bits=10, signed=True)
    entries = np.arange(1024).astype(np.uint8)
    assert lookup(np.array([-512, -1, 0, 511], np.int16), fmt, entries).tolist() == [0, 255, 0, 255]


def test_gelu_table_is_within_half_a_step_of_float() -> None:
    assert gelu_error(scale=2.0**-6, fine_step=2.0**-6, exponent=2) <= 0.5 + 2**-40


def test_table_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1024 entries, not shape \(512,\)"):
        lookup(np.zeros(1, np.int16), Uniform(bits=10, signed=True), np.zeros(512, np.uint8))
