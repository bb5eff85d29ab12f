from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.formats import ChannelTwoScale
from hwsim.units.residual import add_encode, add_wide, rescale
from tests import oracle

formats = st.builds(
    lambda bits, exponent: ChannelTwoScale(bits=bits, exponent=exponent), st.integers(2, 8), st.integers(0, 7)
)


@given(formats, st.integers(0, 2**32), st.integers(0, 2**15 - 1), st.integers(0, 47))
def test_rescaled_stream_equals_the_oracle(fmt: ChannelTwoScale, seed: int, mult: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(fmt.minimum, fmt.maximum + 1, (2, 9)).astype(np.int8)
    flags = rng.integers(0, 2, 9).astype(np.uint8)
    expected = [
        [oracle.rescale_skip(code, fmt, flag, mult, shift) for code, flag in zip(row, flags, strict=True)]
        for row in codes
    ]
    assert rescale(codes, flags, fmt, mult, shift).tolist() == expected


@given(formats, st.integers(0, 2**32), st.integers(0, 7), st.sampled_from([2**6, 2**10, 2**15, 2**29]))
def test_sum_and_encoding_equal_the_oracle(fmt: ChannelTwoScale, seed: int, guard_bits: int, reach: int) -> None:
    rng = np.random.default_rng(seed)
    stream = rng.integers(-reach, reach, (2, 9)).astype(np.int32)
    branch = rng.integers(-min(reach, 2**15), min(reach, 2**15), (2, 9)).astype(np.int16)
    flags = rng.integers(0, 2, 9).astype(np.uint8)
    expected = [
        [oracle.residual_add(s, b, guard_bits, fmt, f) for s, b, f in zip(srow, brow, flags, strict=True)]
        for srow, brow in zip(stream, branch, strict=True)
    ]
    assert add_encode(stream, branch, guard_bits, flags, fmt).tolist() == expected


def test_sum_saturates_at_16_bits_before_the_encoder() -> None:
    fmt = ChannelTwoScale(bits=8, exponent=7)
    big = np.array([[32767]], np.int16)
    got = add_encode(big.astype(np.int32), big, 3, np.ones(1, np.uint8), fmt)
    assert got.tolist() == [[32]]  # 32767 / 2**10, not 65534 / 2**10


def test_constant_of_the_embedding_takes_the_streams_place() -> None:
    fmt = ChannelTwoScale(bits=8, exponent=1)
    constant, branch = np.array([[80, -80]], np.int16), np.array([[8, 4]], np.int16)
    assert add_encode(constant, branch, 3, np.array([0, 1], np.uint8), fmt).tolist() == [[11, -5]]


@given(st.integers(0, 2**32), st.sampled_from([2**6, 2**14, 2**15]))
def test_wide_sum_equals_the_oracle(seed: int, reach: int) -> None:
    rng = np.random.default_rng(seed)
    stream, branch = (rng.integers(-reach, reach, (3, 9)).astype(np.int16) for _ in range(2))
    expected = [
        [oracle.residual_add_wide(s, b) for s, b in zip(srow, brow, strict=True)]
        for srow, brow in zip(stream, branch, strict=True)
    ]
    got = add_wide(stream, branch)
    assert got.dtype == np.int16
    assert got.tolist() == expected


def test_wide_sum_saturates() -> None:
    ends = np.array([[-32768, 32767, -32768, 32767]], np.int16)
    branch = np.array([[-1, 1, 32767, -32768]], np.int16)
    assert add_wide(ends, branch).tolist() == [[-32768, 32767, -1, -1]]


def test_largest_rescaled_value_fits_32_bits() -> None:
    fmt = ChannelTwoScale(bits=8, exponent=7)
    got = rescale(np.array([[-128]], np.int8), np.ones(1, np.uint8), fmt, 2**15 - 1, 0)
    assert got.tolist() == [[-(2**14) * (2**15 - 1)]]


def test_unequal_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one shape, not \(2, 1\) and \(2, 2\)"):
        add_wide(np.zeros((2, 1), np.int16), np.zeros((2, 2), np.int16))
    with pytest.raises(ValueError, match=r"one shape, not \(1, 2\) and \(2, 2\)"):
        add_encode(
            np.zeros((1, 2), np.int32),
            np.zeros((2, 2), np.int16),
            3,
            np.zeros(2, np.uint8),
            ChannelTwoScale(bits=8, exponent=1),
        )
