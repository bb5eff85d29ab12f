from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.formats import Logarithmic
from hwsim.units.decoder_log import decode_log
from tests import oracle

formats = st.builds(
    lambda bits, base, max_shift: Logarithmic(bits=bits, base=base, max_shift=max_shift),
    st.integers(2, 8),
    st.sampled_from(["two", "sqrt_two"]),
    st.integers(0, 31),
)


@given(formats)
def test_every_code_decodes_as_the_oracle(fmt: Logarithmic) -> None:
    mantissa, shift = decode_log(np.arange(1 << fmt.bits).astype(np.uint8), fmt)
    assert list(zip(mantissa.tolist(), shift.tolist(), strict=True)) == [
        oracle.decode(code, fmt) for code in range(1 << fmt.bits)
    ]


@given(formats)
def test_decoder_agrees_with_the_formats_own_table(fmt: Logarithmic) -> None:
    mantissa, shift = decode_log(np.arange(1 << fmt.bits).astype(np.uint8), fmt)
    assert (mantissa == fmt.terms().mantissa).all()
    assert (shift == fmt.terms().shift).all()


@given(formats)
def test_values_fall_by_the_base_and_end_with_zeros(fmt: Logarithmic) -> None:
    terms = fmt.terms()
    values = terms.mantissa.astype(np.int64) << terms.shift
    last = fmt.largest_code
    assert (values[: last + 1] > 0).all()
    assert (values[last + 1 :] == 0).all()
    base = 2 if fmt.base == "two" else 2**0.5
    assert values[:last] / values[1 : last + 1] == pytest.approx(base, rel=2e-4)


def test_codes_of_the_numerics_page() -> None:
    decoded = decode_log(np.array([0, 1, 3, 4, 7], np.uint8), Logarithmic(bits=3, base="two", max_shift=3))
    assert list(zip(*(part.tolist() for part in decoded), strict=True)) == [(1, 3), (1, 2), (1, 0), (0, 0), (0, 0)]
    decoded = decode_log(np.array([0, 1, 2, 3, 4, 5], np.uint8), Logarithmic(bits=3, base="sqrt_two", max_shift=2))
    assert decoded.mantissa.tolist() == [128, 181, 128, 181, 128, 0]
    assert decoded.shift.tolist() == [2, 1, 1, 0, 0, 0]
