from __future__ import annotations

from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.formats import Logarithmic
from hwsim.units.decoder_log import decode_log
from hwsim.units.encoder_log import HALF_POWER, QUARTER_POWER, THREE_QUARTER_POWER, encode_log
from tests import oracle

EVERY = np.arange(65537, dtype=np.int32)
formats = st.builds(
    lambda bits, base, max_shift: Logarithmic(bits=bits, base=base, max_shift=max_shift),
    st.integers(2, 8),
    st.sampled_from(["two", "sqrt_two"]),
    st.integers(0, 31),
)


def test_the_constants_are_powers_rounded_up() -> None:
    for constant, eighths in [(HALF_POWER, 4 * 33), (QUARTER_POWER, 4 * 32 + 2), (THREE_QUARTER_POWER, 4 * 33 + 2)]:
        assert (constant - 1) ** 8 < 2**eighths < constant**8


@given(formats, st.lists(st.integers(0, 65536), min_size=1, max_size=20))
def test_equals_the_oracle(fmt: Logarithmic, probabilities: list[int]) -> None:
    got = encode_log(np.array(probabilities, np.int32), fmt)
    assert got.tolist() == [oracle.encode_probability(p, fmt) for p in probabilities]


@pytest.mark.parametrize("base", ["two", "sqrt_two"])
def test_around_every_threshold_equals_the_oracle(base: str) -> None:
    fmt = Logarithmic.model_validate({"bits": 6, "base": base, "max_shift": 20})
    ends = [round(2 ** (16 - quarter / 4)) + delta for quarter in range(66) for delta in (-1, 0, 1)]
    probabilities = [p for p in ends if 0 <= p <= 65536]
    got = encode_log(np.array(probabilities, np.int32), fmt)
    assert got.tolist() == [oracle.encode_probability(p, fmt) for p in probabilities]


@pytest.mark.parametrize(("base", "factor"), [("two", 1), ("sqrt_two", 2)])
def test_every_probability_takes_the_nearest_code_in_the_log_domain(base: str, factor: int) -> None:
    fmt = Logarithmic.model_validate({"bits": 8, "base": base, "max_shift": 31})
    codes = encode_log(EVERY, fmt)
    assert codes[0] == fmt.zero_code
    assert codes[1:].tolist() == [round(factor * (16 - log2(p))) for p in range(1, 65537)]


@given(formats)
def test_a_code_without_a_value_is_never_emitted(fmt: Logarithmic) -> None:
    codes = encode_log(EVERY, fmt)
    assert ((codes <= fmt.largest_code) | (codes == fmt.zero_code)).all()
    assert ((decode_log(codes, fmt).mantissa == 0) == (codes == fmt.zero_code)).all()
