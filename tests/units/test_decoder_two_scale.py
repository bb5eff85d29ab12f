from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hwsim.formats import TwoScale
from hwsim.units.decoder_two_scale import decode_two_scale
from tests import oracle

formats = st.builds(
    lambda bits, exponent, small_signed: TwoScale(bits=bits, exponent=exponent, small_signed=small_signed),
    st.integers(2, 8),
    st.integers(0, 15),
    st.booleans(),
)


@given(formats)
def test_every_code_decodes_as_the_oracle(fmt: TwoScale) -> None:
    codes = np.arange(1 << fmt.bits).astype(np.uint8)
    mantissa, shift = decode_two_scale(codes, fmt)
    assert list(zip(mantissa.tolist(), shift.tolist(), strict=True)) == [oracle.decode(c, fmt) for c in codes]


@given(formats)
def test_decoder_agrees_with_the_formats_own_table(fmt: TwoScale) -> None:
    mantissa, shift = decode_two_scale(np.arange(1 << fmt.bits).astype(np.uint8), fmt)
    assert (mantissa == fmt.terms().mantissa).all()
    assert (shift == fmt.terms().shift).all()


def test_sign_belongs_to_the_fine_region_only() -> None:
    fmt = TwoScale(bits=8, exponent=3, small_signed=True)
    decoded = decode_two_scale(np.array([[0x40, 0x7F], [0xC0, 0xFF]], np.uint8), fmt)
    assert decoded.mantissa.tolist() == [[-64, -1], [64, 127]]
    assert decoded.shift.tolist() == [[0, 0], [3, 3]]
