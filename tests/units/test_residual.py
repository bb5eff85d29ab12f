from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.formats import ChannelScaled, Uniform
from hwsim.units.residual import add_encode, rescale
from tests import oracle

formats = st.builds(lambda bits: ChannelScaled(bits=bits), st.integers(2, 8)) | st.builds(
    lambda bits: Uniform(bits=bits, signed=True), st.integers(11, 16)
)


@given(st.integers(0, 2**32), st.integers(0, 2**15 - 1), st.integers(0, 47))
def test_rescaled_stream_equals_the_oracle(seed: int, mult: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(-128, 128, (2, 9)).astype(np.int8)
    shifts = rng.integers(0, 8, 9).astype(np.uint8)
    expected = [
        [oracle.rescale_skip(code, channel, mult, shift) for code, channel in zip(row, shifts, strict=True)]
        for row in codes
    ]
    assert rescale(codes, shifts, mult, shift).tolist() == expected


def test_stream_with_one_scale_stays_as_it_is() -> None:
    codes = np.array([[-32768, -1, 0, 32767]], np.int16)
    assert rescale(codes, np.zeros(4, np.uint8), 1, 0).tolist() == codes.tolist()


@given(formats, st.integers(0, 2**32), st.integers(0, 7), st.sampled_from([2**6, 2**10, 2**15, 2**29]))
def test_sum_and_encoding_equal_the_oracle(
    fmt: ChannelScaled | Uniform, seed: int, guard_bits: int, reach: int
) -> None:
    rng = np.random.default_rng(seed)
    stream = rng.integers(-reach, reach, (2, 9)).astype(np.int32)
    branch = rng.integers(-min(reach, 2**15), min(reach, 2**15), (2, 9)).astype(np.int16)
    shifts = rng.integers(0, 8, 9).astype(np.uint8)
    ends = oracle.code_range(fmt)
    expected = [
        [oracle.residual_add(s, b, guard_bits, shift, *ends) for s, b, shift in zip(srow, brow, shifts, strict=True)]
        for srow, brow in zip(stream, branch, strict=True)
    ]
    got = add_encode(stream, branch, guard_bits, shifts, fmt)
    assert got.dtype == (np.int8 if fmt.bits <= 8 else np.int16)
    assert got.tolist() == expected


def test_sum_saturates_at_16_bits_before_the_encoder() -> None:
    big = np.array([[32767]], np.int16)
    got = add_encode(big.astype(np.int32), big, 3, np.full(1, 7, np.uint8), ChannelScaled(bits=8))
    assert got.tolist() == [[32]]  # 32767 / 2**10, not 65534 / 2**10


def test_constant_of_the_embedding_takes_the_streams_place() -> None:
    fmt = ChannelScaled(bits=8)
    constant, branch = np.array([[80, -80]], np.int16), np.array([[8, 4]], np.int16)
    assert add_encode(constant, branch, 3, np.array([0, 1], np.uint8), fmt).tolist() == [[11, -5]]


@pytest.mark.parametrize("bits", [11, 14, 15, 16])
def test_sum_saturates_at_the_bits_of_the_stream(bits: int) -> None:
    lo, hi = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    ends, branch = np.array([[lo, hi, lo, hi]], np.int16), np.array([[-1, 1, hi, lo]], np.int16)
    fmt = Uniform(bits=bits, signed=True)
    assert add_encode(ends, branch, 0, np.zeros(4, np.uint8), fmt).tolist() == [[lo, hi, -1, -1]]


def test_largest_rescaled_value_fits_32_bits() -> None:
    got = rescale(np.array([[-128]], np.int8), np.full(1, 7, np.uint8), 2**15 - 1, 0)
    assert got.tolist() == [[-(2**14) * (2**15 - 1)]]


def test_unequal_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one shape, not \(1, 2\) and \(2, 2\)"):
        add_encode(
            np.zeros((1, 2), np.int32),
            np.zeros((2, 2), np.int16),
            3,
            np.zeros(2, np.uint8),
            ChannelScaled(bits=8),
        )
