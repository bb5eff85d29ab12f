from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.nonlinear_error import layernorm_error
from hwsim.formats import ChannelScaled, Uniform
from hwsim.units.layernorm import layernorm
from tests import oracle

OUT = Uniform(bits=8, signed=False, zero_point=120)


def check(codes: np.ndarray, shifts: np.ndarray, affine: tuple, shift: int, epsilon: int) -> None:
    gamma, beta = affine
    got = layernorm(codes, shifts, gamma, beta, shift, epsilon, OUT)
    fmt = ChannelScaled(bits=8)
    expected = [oracle.layernorm_row(row, shifts, fmt, gamma, beta, shift, epsilon, 0, 255) for row in codes]
    assert got.tolist() == expected


def check_wide(codes: np.ndarray, shifts: np.ndarray, affine: tuple, shift: int, epsilon: int) -> None:
    """Rows of 16 bits, which the shifts do not reach."""
    gamma, beta = affine
    got = layernorm(codes, shifts, gamma, beta, shift, epsilon, OUT)
    expected = [oracle.layernorm_values(row, gamma, beta, shift, epsilon, 0, 255) for row in codes.tolist()]
    assert got.tolist() == expected


@given(
    seed=st.integers(0, 2**32),
    channels=st.integers(1, 200),
    bits=st.integers(4, 8),
    shift=st.integers(0, 31),
    epsilon=st.integers(0, 10**6),
)
def test_rows_equal_the_oracle(seed: int, channels: int, bits: int, shift: int, epsilon: int) -> None:
    rng = np.random.default_rng(seed)
    fmt = ChannelScaled(bits=bits)
    codes = rng.integers(fmt.minimum, fmt.maximum + 1, (2, channels)).astype(np.int8)
    shifts = rng.integers(0, 8, channels).astype(np.uint8)
    gamma = rng.integers(-(2**15), 2**15, channels).astype(np.int16)
    beta = rng.integers(-(2**31), 2**31, channels).astype(np.int32)
    check(codes, shifts, (gamma, beta), shift, epsilon)


@given(
    seed=st.integers(0, 2**32),
    channels=st.integers(1, 512),
    reach=st.sampled_from([100, 2**12, 2**15]),
    shift=st.integers(0, 31),
)
def test_wide_rows_equal_the_oracle(seed: int, channels: int, reach: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    # the widest rows of so many channels: D * D * 2**30 is 2**48
    codes = np.stack([rng.integers(-reach, reach, channels), rng.choice([-reach, reach - 1], channels)]).astype(
        np.int16
    )
    shifts = rng.integers(0, 8, channels).astype(np.uint8)
    gamma = rng.integers(-(2**15), 2**15, channels).astype(np.int16)
    beta = rng.integers(-(2**31), 2**31, channels).astype(np.int32)
    check_wide(codes, shifts, (gamma, beta), shift, int(rng.integers(10**6)))


@pytest.mark.parametrize(
    "row",
    [
        [-32768, 32767] * 256,
        [-32768] * 1024,
        [32767] * 1024,
        [-32768] * 64 + [32767] * 960,  # V is 0.94 of 2**48
        [0] * 1023 + [32767],
        [-32768, -1] * 512,
        [-32768] * 2048,
        [-8192] * 1024 + [8191] * 1024,  # Swin-B's widest merging, in 14 bits
    ],
    ids=["alternating", "smallest", "largest", "most", "outlier", "negative", "smallest of merging", "merging"],
)
def test_widest_wide_rows_equal_the_oracle(row: list[int]) -> None:
    codes, channels = np.array([row], np.int16), len(row)
    assert channels * sum(q * q for q in row) - sum(row) ** 2 < 2**48
    gamma, beta = np.full(channels, 3000, np.int16), np.full(channels, 120 << 12, np.int32)
    check_wide(codes, np.full(channels, 7, np.uint8), (gamma, beta), 12, 0)


def test_wide_rows_of_codes_equal_those_codes() -> None:
    codes = np.random.default_rng(3).integers(-128, 128, (3, 40)).astype(np.int8)
    shifts = np.zeros(40, np.uint8)
    affine = np.full(40, 9000, np.int16), np.full(40, 120 << 18, np.int32), 18, 100, OUT
    narrow = layernorm(codes, shifts, *affine)
    assert (layernorm(codes.astype(np.int16), shifts, *affine) == narrow).all()


@given(st.integers(0, 2**32), st.integers(2, 100))
def test_rows_that_do_not_saturate_equal_the_oracle(seed: int, channels: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(-40, 40, (3, channels)).astype(np.int8)
    shifts = rng.choice([0, 0, 0, 1, 2], channels).astype(np.uint8)
    gamma = rng.integers(5000, 12000, channels).astype(np.int16)
    beta = rng.integers(100 << 18, 140 << 18, channels).astype(np.int32)
    check(codes, shifts, (gamma, beta), 18, 100)


@pytest.mark.parametrize("code", [-128, 0, 127])
def test_constant_row_is_defined_and_gives_beta(code: int) -> None:
    channels = 64
    codes, zeros = np.full((1, channels), code, np.int8), np.zeros(channels, np.uint8)
    gamma, beta = np.full(channels, 32767, np.int16), np.arange(channels, dtype=np.int32) << 10
    got = layernorm(codes, zeros, gamma, beta, 10, 0, OUT)
    assert got[0].tolist() == list(range(channels))


def test_widest_row_equals_the_oracle() -> None:
    codes = np.array([[-128, 127] * 512, [127] * 1023 + [-128]], np.int8)
    shifts = np.full(1024, 7, np.uint8)
    gamma, beta = np.full(1024, 32767, np.int16), np.full(1024, 2**31 - 1, np.int32)
    check(codes, shifts, (gamma, beta), 22, 0)


def test_error_against_float_stays_below_2_to_minus_7() -> None:
    # The root is floored: with a deviation of 4 units, D * deviation is 768 and the error 1 in 768.
    assert layernorm_error(rows=200, channels=192, seed=0) < 2.0**-7


def test_rows_longer_than_the_unit_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 2048 channels, not 2049"):
        layernorm(
            np.zeros((1, 2049), np.int8), np.zeros(2049, np.uint8), np.zeros(2049, np.int16),
            np.zeros(2049, np.int32), 0, 0, OUT,
        )  # fmt: skip


def test_wrong_gamma_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"gamma must have shape \(4,\), not \(3,\)"):
        layernorm(
            np.zeros((1, 4), np.int8), np.zeros(4, np.uint8), np.zeros(3, np.int16), np.zeros(4, np.int32), 0, 0, OUT,
        )  # fmt: skip
