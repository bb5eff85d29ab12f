"""Row encoder behind LayerNorm: bit-accurate model of ``rtl/hws_encoder_row.sv``.

    q    = clamp(round_shift(v * E_t, s_e) + z_t, lo, hi)                       |v| <= a, or no outliers
    q    = z_t,  o = clamp(round_shift(v * E_t, s_e - e), -2**15, 2**15 - 1)    |v| > a
    high = o >> 8 (int8),  low = o & 255 (uint8)                                0 where there is no outlier

``v`` int16, ``E_t`` 0..2**15-1, ``z_t`` a code, ``s_e`` 0..31, ``e`` 0..7 and at most ``s_e``, product 31 bits. Row t
has its own E_t and z_t. Ties round towards plus infinity.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hwsim.units.round_saturate import clamp, round_shift

SHIFT_MAX = 31
EXPONENT_MAX = 7
ENCODE_MULTIPLIER_MAX = (1 << 15) - 1
OUTLIER_MIN, OUTLIER_MAX = -(1 << 15), (1 << 15) - 1


class RowCodes(NamedTuple):
    """What LayerNorm's row encoder writes, each [rows, channels]."""

    codes: NDArray[np.int16]
    """int16, in lo..hi; the hardware stores the low 8 bits."""
    high: NDArray[np.int8]
    """High limbs of the outliers."""
    low: NDArray[np.uint8]
    """Low limbs of the outliers."""
    outliers: NDArray[np.bool_]
    """Where there is one, whatever its limbs are: the bits of the outlier map, before the OR over a row tile."""


def encode_rows(
    values: NDArray[np.int16],
    multipliers: NDArray[np.uint16],
    zero_points: NDArray[np.int16],
    shift: int,
    exponent: int,
    threshold: int | None,
    lo: int,
    hi: int,
) -> RowCodes:
    """Encode rows by their own scales, and take out what exceeds a threshold.

    Parameters
    ----------
    values : int16[rows, channels], LayerNorm's result at 16 bits
    multipliers : uint16[rows], E_t, at most 2**15 - 1
    zero_points : int16[rows], z_t, in lo..hi
    shift : s_e, 0..31
    exponent : e, 0..7 and at most ``shift``; without outliers any
    threshold : largest magnitude of an inlier, 0..2**15 or more; None without outliers
    lo, hi : smallest and largest code
    """
    rows = values.shape[:1]
    for name, array in (("multipliers", multipliers), ("zero_points", zero_points)):
        if array.shape != rows:
            raise ValueError(f"{name} must have shape {rows}, not {array.shape}")
    if multipliers.max(initial=0) > ENCODE_MULTIPLIER_MAX:
        raise ValueError(f"an encode multiplier must be 0..{ENCODE_MULTIPLIER_MAX}, not {multipliers.max()}")
    if not 0 <= shift <= SHIFT_MAX:
        raise ValueError(f"shift must be 0..{SHIFT_MAX}, not {shift}")
    if threshold is None:
        threshold, exponent = -OUTLIER_MIN, 0
    elif threshold < 0:
        raise ValueError(f"threshold must not be negative, not {threshold}")
    if not 0 <= exponent <= min(EXPONENT_MAX, shift):
        raise ValueError(f"exponent must be 0..{min(EXPONENT_MAX, shift)}, not {exponent}")
    codes = np.empty(values.shape, np.int16)
    wide = np.empty(values.shape, np.int16)
    outliers = np.empty(values.shape, np.bool_)
    _encode_rows(values, multipliers, zero_points, shift, exponent, threshold, lo, hi, codes, wide, outliers)
    return RowCodes(codes, (wide >> 8).astype(np.int8), (wide & 255).astype(np.uint8), outliers)


@njit(cache=True, nogil=True)
def _encode_rows(
    values: Any,
    multipliers: Any,
    zero_points: Any,
    shift: int,
    exponent: int,
    threshold: int,
    lo: int,
    hi: int,
    codes: Any,
    wide: Any,
    outliers: Any,
) -> None:
    for t in range(values.shape[0]):
        zero_point = np.int64(zero_points[t])
        for c in range(values.shape[1]):
            product = np.int64(values[t, c]) * np.int64(multipliers[t])
            outlier = abs(np.int64(values[t, c])) > threshold
            outliers[t, c] = outlier
            if outlier:
                codes[t, c] = zero_point
                wide[t, c] = clamp(round_shift(product, shift - exponent), OUTLIER_MIN, OUTLIER_MAX)
            else:
                codes[t, c] = clamp(round_shift(product, shift) + zero_point, lo, hi)
                wide[t, c] = 0
