from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.formats import Uniform, storage_dtype
from hwsim.units.decoder_uniform import decode_uniform
from tests import oracle


@given(st.integers(2, 10), st.booleans(), st.data())
def test_every_code_decodes_as_the_oracle(bits: int, signed: bool, data: st.DataObject) -> None:
    lo, hi = oracle.code_range(Uniform(bits=bits, signed=signed))
    fmt = Uniform(bits=bits, signed=signed, zero_point=data.draw(st.integers(lo, hi)))
    codes = np.arange(lo, hi + 1).astype(storage_dtype(fmt))
    mantissa, shift = decode_uniform(codes, fmt)
    assert list(zip(mantissa.tolist(), shift.tolist(), strict=True)) == [oracle.decode(c, fmt) for c in codes]


@given(st.integers(2, 8), st.booleans(), st.data())
def test_decoder_agrees_with_the_formats_own_table(bits: int, signed: bool, data: st.DataObject) -> None:
    lo, hi = oracle.code_range(Uniform(bits=bits, signed=signed))
    fmt = Uniform(bits=bits, signed=signed, zero_point=data.draw(st.integers(lo, hi)))
    codes = np.arange(lo, hi + 1).astype(storage_dtype(fmt))
    terms = fmt.terms()
    mantissa, shift = decode_uniform(codes, fmt)
    raw = codes.astype(np.int64) % (1 << bits)
    assert (mantissa == terms.mantissa[raw]).all()
    assert (shift == terms.shift[raw]).all()


def test_every_code_has_the_same_shift() -> None:
    codes = np.arange(-128, 128, dtype=np.int8)
    plain, shifted = (decode_uniform(codes, Uniform(bits=8, signed=True, zero_point=3), shift) for shift in (0, 5))
    assert (plain.mantissa == shifted.mantissa).all()
    assert set(shifted.shift.tolist()) == {5}


def test_zero_point_decodes_to_zero() -> None:
    fmt = Uniform(bits=8, signed=False, zero_point=77)
    assert decode_uniform(np.full((2, 3), 77, np.uint8), fmt).mantissa.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_extremes_need_nine_signed_bits() -> None:
    lowest = decode_uniform(np.array([0], np.uint8), Uniform(bits=8, signed=False, zero_point=255))
    highest = decode_uniform(np.array([127], np.int8), Uniform(bits=8, signed=True, zero_point=-128))
    assert (lowest.mantissa[0], highest.mantissa[0]) == (-255, 255)


def test_sixteen_bit_row_operand_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 15 bits, not 16"):
        decode_uniform(np.zeros(1, np.int16), Uniform(bits=16, signed=True))
