from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.formats import TwoScale
from hwsim.units.decoder_two_scale import decode_two_scale
from hwsim.units.encoder_two_scale import encode_two_scale
from tests import oracle

formats = st.integers(2, 8).flatmap(
    lambda bits: st.builds(
        lambda exponent: TwoScale(bits=bits, exponent=exponent, small_signed=False),
        st.integers(0, 15).filter(lambda m: 16 - (bits - 1) - m >= 0),
    )
)


@given(formats, st.lists(st.integers(0, 65536), min_size=1, max_size=50))
def test_equals_the_oracle(fmt: TwoScale, probabilities: list[int]) -> None:
    got = encode_two_scale(np.array(probabilities, np.int32), fmt)
    assert got.tolist() == [oracle.encode_probability(p, fmt) for p in probabilities]


@pytest.mark.parametrize("exponent", [3, 9])
def test_every_probability_equals_the_oracle(exponent: int) -> None:
    fmt = TwoScale(bits=8, exponent=exponent, small_signed=False)
    got = encode_two_scale(np.arange(65537, dtype=np.int32), fmt)
    assert got.tolist() == [oracle.encode_probability(p, fmt) for p in range(65537)]


@given(formats)
def test_decoded_value_is_within_half_a_step_of_its_region(fmt: TwoScale) -> None:
    p = np.arange(65537, dtype=np.int32)
    codes = encode_two_scale(p, fmt)
    terms = decode_two_scale(codes, fmt)
    fine = 2 ** (16 - fmt.payload_bits - fmt.exponent)
    error = np.abs((terms.mantissa.astype(np.int64) << terms.shift) * fine - p)
    flagged = codes >= 1 << fmt.payload_bits
    below_top = p < 65536 - (fine << fmt.exponent) // 2
    assert (error[~flagged] * 2 <= fine).all()
    assert (error[flagged & below_top] * 2 <= fine << fmt.exponent).all()


def test_coarse_payload_is_rounded_once() -> None:
    # 1.49994 coarse steps; the fine code is 6 of 4 to a coarse step, and rounding that again would give 2.
    fmt = TwoScale(bits=3, exponent=2, small_signed=False)
    p = (1 << 14) + (1 << 13) - 1
    assert oracle.round_shift(oracle.round_shift(p, 12), 2) == 2
    assert encode_two_scale(np.array([p], np.int32), fmt).tolist() == [0b101]


def test_one_is_the_largest_code() -> None:
    assert encode_two_scale(np.array([65536], np.int32), TwoScale(bits=8, exponent=5, small_signed=False))[0] == 255


def test_step_below_a_unit_of_the_probability_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at least 2\*\*-16, not 2\*\*-17"):
        encode_two_scale(np.zeros(1, np.int32), TwoScale(bits=8, exponent=10, small_signed=False))


def test_signed_fine_region_is_refused() -> None:
    with pytest.raises(ValueError, match="unsigned fine region"):
        encode_two_scale(np.zeros(1, np.int32), TwoScale(bits=8, exponent=5, small_signed=True))
