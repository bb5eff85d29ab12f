"""Random rows with scales of their own: formats, zero points, multipliers and thresholds of all kinds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import RowUniform

VALUE_DEVIATION = 2000
"""Of LayerNorm's result of 16 bits."""
THRESHOLDS = (5.0, 2.2, 1.0, 0.3)
"""In deviations: no outliers, a few percent, a third, most."""


@dataclass(frozen=True, kw_only=True)
class RandomRows:
    """A format and what goes with it."""

    fmt: RowUniform
    encode_shift: int
    threshold: int | None
    arrays: dict[str, NDArray[np.integer]]
    """By the name that follows the tensor's."""


def random_rows(rng: np.random.Generator, rows: int, channels: int) -> RandomRows:
    """Draw one; codes mostly stay in range, and some rows have multipliers of 0 or of the largest value."""
    outliers = bool(rng.integers(4))
    fmt = RowUniform(
        bits=int(rng.choice([2, 3, 4, 6, 7, 8, 8])),
        signed=bool(rng.integers(2)),
        exponent=int(rng.integers(8)),
        outliers=outliers,
    )
    encode_shift = int(rng.integers(17, 21))
    middle = (fmt.minimum + fmt.maximum + 1) // 2
    zero_points = np.clip(rng.integers(middle - 3, middle + 4, rows), fmt.minimum, fmt.maximum)
    scales = rng.uniform(0.3, 1, rows)
    encode = np.minimum(row_deviation(fmt) / VALUE_DEVIATION / scales * 2**encode_shift, (1 << 15) - 1)
    encode, multipliers = np.rint(encode), np.rint(scales / scales.max() * 2**15)
    odd = rng.random(rows) < 0.05
    encode[odd] = rng.choice([0, (1 << 15) - 1], int(odd.sum()))
    multipliers[odd] = rng.choice([0, 1, 1 << 15], int(odd.sum()))
    threshold = int(rng.choice(THRESHOLDS) * VALUE_DEVIATION * rng.uniform(0.9, 1.1))
    if outliers and channels * rows > 8 and rng.random() < 0.1:
        threshold = 0
    return RandomRows(
        fmt=fmt,
        encode_shift=encode_shift,
        threshold=threshold if outliers else None,
        arrays={
            "zero_points": zero_points.astype(np.int16),
            "multipliers": multipliers.astype(np.uint16),
            "encode_multipliers": encode.astype(np.uint16),
        },
    )


def row_deviation(fmt: RowUniform) -> float:
    """Rough deviation of the codes, an exponent not counted."""
    return float((1 << fmt.bits) / 6)
