"""ADFQ-ViT's per-patch outlier-aware quantiser (arXiv 2407.02763), after LayerNorm: a scale and a zero point by token.

    inlier,  |x| <= threshold:  code = clamp(floor(x / scale_t + 1/2) + z_t),  value = (code - z_t) * scale_t
    outlier, |x| >  threshold:  code = z_t, and beside it floor(x / (scale_t * 2**-e) + 1/2) in 16 bits

Known from the official code: scales and zero points are static, by token position, found with the outliers set to
zero; a threshold of 5 or 10; outliers stay in full precision, which is what ``fake_quantize`` does. Our decision: the
16 bits of an outlier in integer mode, and everything in ``row_arrays`` (docs/numerics.md, "Row encoder").
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from golden.quantizers.base import Quantiser
from golden.quantizers.ranges import asymmetric, find
from hwsim.errors import HwsimError
from hwsim.formats import RowUniform
from hwsim.network import RowArrays

OUTLIER_LIMIT = 2**15
HEADROOM = 2
"""How much larger than the largest one of the calibration an outlier may be."""
LARGEST_EXPONENT = 7
LARGEST_ENCODE_SHIFT = 31
MULTIPLIER_ONE = 2**15
TABLE_ROWS = 1024
"""Rows that the accelerator's table of scales holds."""


@dataclass(frozen=True, kw_only=True)
class RowQuantiser(Quantiser):
    """A format with the scales and zero points of T tokens."""

    format: RowUniform
    scales: Tensor
    """float32[T]"""
    zero_points: Tensor
    """int64[T], codes"""
    threshold: float | None
    """Largest magnitude of an inlier; without one every element is an inlier."""
    period: int | None = None
    """Token t has the scale of token t mod period; None: each has its own."""

    @property
    def unit(self) -> float:
        """Value of one unit of the terms in the row with the largest scale."""
        return float(self.scales.max()) * 2.0**-self.format.exponent

    def is_outlier(self, x: Tensor) -> Tensor:
        """Which elements are outliers, bool of the shape of ``x``."""
        if self.threshold is None:
            return torch.zeros_like(x, dtype=torch.bool)
        return x.abs() > self.threshold

    def quantize(self, x: Tensor) -> Tensor:
        """Codes as whole numbers, float32, the zero point where there is an outlier; x : float32[..., T, D]."""
        zero = self.zero_points[:, None]
        codes = (torch.floor(x / self.scales[:, None] + 0.5) + zero).clamp_(self.format.minimum, self.format.maximum)
        return torch.where(self.is_outlier(x), zero, codes)

    def dequantize(self, codes: Tensor) -> Tensor:
        """Values of codes, 0 where there is an outlier."""
        return (codes - self.zero_points[:, None]) * self.scales[:, None]

    def fake_quantize(self, x: Tensor) -> Tensor:
        """As published: inliers by their codes, outliers as they are."""
        return torch.where(self.is_outlier(x), x, self.dequantize(self.quantize(x)))

    def outliers(self, x: Tensor) -> Tensor:
        """Outliers on the grid ``scale_t * 2**-e``, 0 where there is none, int16[..., T, D]."""
        wide = torch.floor(x / self._outlier_units() + 0.5).clamp_(-OUTLIER_LIMIT, OUTLIER_LIMIT - 1)
        return torch.where(self.is_outlier(x), wide, 0).to(torch.int16)

    def fake_quantize_integer(self, x: Tensor) -> Tensor:
        """As integer mode has it: inliers by their codes, outliers by their 16 bits."""
        return self.dequantize(self.quantize(x)) + self.outliers(x) * self._outlier_units()

    def share_of_outliers(self, x: Tensor) -> float:
        """Outliers over elements."""
        return float(self.is_outlier(x).double().mean())

    def multipliers(self) -> Tensor:
        """m_t, each scale over the largest one, Q1.15, int64[T]."""
        ratio = self.scales.double() / self.scales.double().max()
        return torch.floor(ratio * MULTIPLIER_ONE + 0.5).to(torch.int64)

    def at_tokens(self, tokens: Tensor) -> RowQuantiser:
        """The same for some of the tokens, such as those of a sample; tokens : int64[R]."""
        return replace(self, scales=self.scales[tokens], zero_points=self.zero_points[tokens])

    def _outlier_units(self) -> Tensor:
        """float32[T, 1]"""
        return (self.scales * 2.0**-self.format.exponent)[:, None]


def calibrate_rows(
    x: Tensor, bits: int, threshold: float | None, rule: str = "percentile_mse", period: int | None = None
) -> RowQuantiser:
    """Scale and zero point of each token over images and channels, outliers set to zero first.

    Known (ADFQ-ViT's code): asymmetric codes, percentile-MSE. Our decision: the exponent is the largest at which an
    outlier twice as large as any here, or as the threshold, fits 16 bits, and no scale is so small that it would not
    fit at exponent 0.

    Parameters
    ----------
    x : float32[n, T, D]
    threshold : largest magnitude of an inlier, None for no outliers
    rule : of the range, as in ``golden.quantizers.ranges.find``
    period : after how many tokens, a divisor of T, scales repeat (our decision, where the row table is too short)

    Raises
    ------
    HwsimError
        If there is no such rule.
    """
    if period is not None and period < x.shape[1]:
        once = calibrate_rows(x.reshape(-1, period, x.shape[2]), bits, threshold, rule)
        times = x.shape[1] // period
        scales, zeros = once.scales.repeat(times), once.zero_points.repeat(times)
        return replace(once, scales=scales, zero_points=zeros, period=period)
    inlier = x if threshold is None else torch.where(x.abs() <= threshold, x, 0)
    grid = asymmetric(find(inlier, bits, rule, dim=1), bits)
    fmt = RowUniform(bits=bits, signed=False, outliers=threshold is not None)
    zero_points = grid.zero_point.to(torch.int64)
    if threshold is None:
        return RowQuantiser(format=fmt, scales=grid.scale, zero_points=zero_points, threshold=None)
    largest = (x - inlier).abs().amax((0, 2)).clamp_min(threshold)
    smallest = largest * HEADROOM / (OUTLIER_LIMIT - 1)
    scales = torch.maximum(grid.scale, smallest)
    exponent = min(int(math.log2(float((scales / smallest).min()))), LARGEST_EXPONENT)
    fmt = fmt.model_copy(update={"exponent": exponent})
    return RowQuantiser(format=fmt, scales=scales, zero_points=zero_points, threshold=threshold)


@dataclass(frozen=True, kw_only=True)
class RowEncoding:
    """What the network file holds of a row quantiser, beside its format."""

    arrays: RowArrays
    """Of the tensor, by the name that follows the tensor's."""
    encode_shift: int
    """s_e of LayerNorm"""
    threshold: int | None
    """Largest magnitude of an inlier, in units of LayerNorm's 16-bit result."""


def normal_unit(quantiser: RowQuantiser) -> float:
    """Value of one unit of LayerNorm's 16-bit result v, such that v reaches as far as any code or outlier does.

    With outliers v reaches as far as they do in the row of the largest scale. Without them it reaches ``2**bits`` times
    that scale: beyond, every code saturates whatever its zero point is.
    """
    largest, fmt = float(quantiser.scales.max()), quantiser.format
    return largest * 2.0**-fmt.exponent if fmt.outliers else largest * 2.0**fmt.bits / OUTLIER_LIMIT


def row_arrays(quantiser: RowQuantiser, unit_v: float, name: str) -> RowEncoding:
    """Integers of the row encoder, ``E_t / 2**s_e = unit_v / scale_t``, s_e the largest at which every E_t fits.

    Parameters
    ----------
    unit_v : value of one unit of LayerNorm's 16-bit result v, such as ``normal_unit``
    name : of the tensor, for errors

    Raises
    ------
    HwsimError
        If a scale is too large or too small beside ``unit_v`` or the largest scale.
    """
    if quantiser.period is not None:
        quantiser = quantiser.at_tokens(torch.arange(quantiser.period))
    multipliers = quantiser.multipliers()
    if int(multipliers.min()) == 0:
        ratio = float(quantiser.scales.min() / quantiser.scales.max())
        raise HwsimError(
            f"{name}: the smallest scale of a row is {ratio:g} times the largest, expected at least 2**-16"
        )
    ratios = unit_v / quantiser.scales.double()
    shift = _encode_shift(float(ratios.max()), quantiser.format, name)
    encode = torch.floor(ratios * 2**shift + 0.5).to(torch.int64)
    if int(encode.min()) == 0:
        found = f"a unit of LayerNorm's result is {float(ratios.min()):g} times the largest scale of a row"
        raise HwsimError(f"{name}: {found}, expected at least 2**-{shift + 1}")
    threshold = None
    if quantiser.threshold is not None:
        # v saturates at 2**15, so larger thresholds are all alike
        threshold = min(math.floor(quantiser.threshold / unit_v), OUTLIER_LIMIT)
    arrays = RowArrays(
        zero_points=_array(quantiser.zero_points, np.int16),
        multipliers=_array(multipliers, np.uint16),
        encode_multipliers=_array(encode, np.uint16),
    )
    return RowEncoding(arrays=arrays, encode_shift=shift, threshold=threshold)


def _encode_shift(largest_ratio: float, fmt: RowUniform, name: str) -> int:
    """Largest shift at which ``floor(ratio * 2**shift + 1/2)`` is below 2**15; an outlier's is less by the exponent."""
    lowest = fmt.exponent if fmt.outliers else 0
    for shift in range(LARGEST_ENCODE_SHIFT, lowest - 1, -1):
        if math.floor(largest_ratio * 2**shift + 0.5) < MULTIPLIER_ONE:
            return shift
    raise HwsimError(
        f"{name}: a unit of LayerNorm's result is {largest_ratio:g} times the smallest scale of a row,"
        f" expected below {2.0 ** (15 - lowest):g}"
    )


def _array(values: Tensor, dtype: DTypeLike) -> NDArray[Any]:
    return values.numpy().astype(dtype)
