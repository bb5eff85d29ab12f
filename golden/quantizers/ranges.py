"""How the baselines choose the range of a uniform quantiser, and the grid that a range gives.

    asymmetric: scale = (high - low) / (2**b - 1), zero point = round(-low / scale)      codes 0 .. 2**b - 1
    symmetric:  scale = max(|low|, |high|) / (2**(b-1) - 1/2), zero point 0              codes -2**(b-1) .. 2**(b-1) - 1

A range is that of the whole tensor, or of each index along one axis: of each channel, or of each token. Known: min-max,
percentile and OMSE are FQ-ViT's observers, percentile-MSE is RepQ-ViT's and ADFQ-ViT's. FQ-ViT averages over batches
(weight 0.01); here every calibration image is one batch (our decision).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from golden.parameters import WeightParameters
from golden.quantizers.uniform import SMALLEST_SCALE, asymmetric_grid
from hwsim.errors import HwsimError

PERCENTILE = 0.99999
PERCENTILES = (0.999, 0.9999, 0.99999)
OMSE_SHRINK = tuple(1 - 0.01 * i for i in range(90))
LARGEST_WEIGHT_BITS = 8


@dataclass(frozen=True, kw_only=True)
class Range:
    """Smallest and largest value that is to be told apart; what lies beyond saturates."""

    low: Tensor
    """float32[], or float32[G], one for each index of an axis"""
    high: Tensor
    """Same shape as ``low``."""


@dataclass(frozen=True, kw_only=True)
class UniformGrid:
    """``value = (code - zero_point) * scale`` with one scale and zero point, or a vector of each."""

    bits: int
    signed: bool
    scale: Tensor
    """float32[] or float32[G]"""
    zero_point: Tensor
    """Whole numbers, float32, same shape; beyond the codes for a range without zero that need not cover it."""

    def quantize(self, x: Tensor) -> Tensor:
        """Codes as whole numbers, ``clamp(floor(x / scale + 1/2) + zero_point)``; x : float32[..., G]."""
        lowest = -(2 ** (self.bits - 1)) if self.signed else 0
        codes = torch.floor(x / self.scale + 0.5).add_(self.zero_point)
        return codes.clamp_(lowest, lowest + 2**self.bits - 1)

    def dequantize(self, codes: Tensor) -> Tensor:
        """Values of codes, float32."""
        return (codes - self.zero_point) * self.scale

    def fake_quantize(self, x: Tensor) -> Tensor:
        """Value of the code of each element, float32."""
        return self.dequantize(self.quantize(x))

    def columns(self) -> UniformGrid:
        """The same where the scales are those of the axis before the last, x : float32[..., G, n]."""
        scale, zero_point = self.scale[..., None], self.zero_point[..., None]
        return UniformGrid(bits=self.bits, signed=self.signed, scale=scale, zero_point=zero_point)


# Grids


def asymmetric(found: Range, bits: int, covers_zero: bool = True) -> UniformGrid:
    """Unsigned codes.

    Parameters
    ----------
    covers_zero : widen a range without zero until its zero point is a code, which a format needs. Without it the zero
        point may be any whole number, as that of the channels of RepQ-ViT, which folding takes away.
    """
    low, high = found.low.double(), found.high.double()
    if covers_zero:
        low, high = low.clamp_max(0), high.clamp_min(0)
    scale, zero_point = asymmetric_grid(low, high, bits)
    return UniformGrid(bits=bits, signed=False, scale=scale.float(), zero_point=zero_point.float())


def symmetric(found: Range, bits: int) -> UniformGrid:
    """Signed codes with zero point 0."""
    largest = torch.maximum(found.low.abs(), found.high.abs())
    scale = (largest / (2 ** (bits - 1) - 0.5)).clamp_min(SMALLEST_SCALE)
    return UniformGrid(bits=bits, signed=True, scale=scale, zero_point=torch.zeros_like(scale))


# Ranges


def find(
    x: Tensor, bits: int, rule: str, dim: int | None = None, signed: bool = False, covers_zero: bool = True
) -> Range:
    """Range of a tensor, or of each index along an axis, by the name of a rule.

    Parameters
    ----------
    x : float32, any shape
    rule : "minmax", "percentile", "omse" or "percentile_mse"
    dim : axis whose indices have a range each, such as -1 for channels; one range for the tensor without it
    signed : whether "omse" and "percentile_mse" measure the error of symmetric codes, not of asymmetric ones
    covers_zero : as in ``asymmetric``

    Raises
    ------
    HwsimError
        If there is no such rule.
    """
    if rule == "minmax":
        return minmax(x, dim)
    if rule == "percentile":
        return percentile(x, PERCENTILE, dim)
    if rule not in SEARCHES:
        raise HwsimError(f"ranges: rule is {rule!r}, expected minmax, percentile, omse or percentile_mse")
    return SEARCHES[rule](x, bits, dim, signed, covers_zero)


def minmax(x: Tensor, dim: int | None = None) -> Range:
    """Smallest and largest element (known, FQ-ViT)."""
    low, high = torch.aminmax(_groups(x, dim), dim=1)
    return _shaped(Range(low=low, high=high), dim)


def percentile(x: Tensor, alpha: float = PERCENTILE, dim: int | None = None) -> Range:
    """Quantiles ``1 - alpha`` and ``alpha``, between two elements by linear interpolation (known, FQ-ViT)."""
    return _shaped(_quantiles(_groups(x, dim), alpha), dim)


def omse(x: Tensor, bits: int, dim: int | None = None, signed: bool = False, covers_zero: bool = True) -> Range:
    """Both ends of min-max times 1, 0.99, ..., 0.11, whichever has the least squared error (known, FQ-ViT).

    For each index along an axis too (our decision: FQ-ViT has it for the tensor only).
    """
    groups = _groups(x, dim)
    whole = minmax(groups, 0)
    candidates = [Range(low=whole.low * factor, high=whole.high * factor) for factor in OMSE_SHRINK]
    return _shaped(_least(groups, candidates, bits, signed, covers_zero), dim)


def percentile_mse(
    x: Tensor, bits: int, dim: int | None = None, signed: bool = False, covers_zero: bool = True
) -> Range:
    """Percentile 99.9, 99.99 or 99.999, whichever has the least squared error (known, RepQ-ViT and ADFQ-ViT).

    Known with asymmetric codes; with symmetric ones it is our decision.
    """
    groups = _groups(x, dim)
    candidates = [_quantiles(groups, alpha) for alpha in PERCENTILES]
    return _shaped(_least(groups, candidates, bits, signed, covers_zero), dim)


SEARCHES: Mapping[str, Callable[[Tensor, int, int | None, bool, bool], Range]] = {
    "omse": omse,
    "percentile_mse": percentile_mse,
}


# What the parts of a network take


def symmetric_scale(x: Tensor, bits: int, rule: str) -> Tensor:
    """Symmetric scale of each row, float32[G]; x : float32[G, n]."""
    return symmetric(find(x, bits, rule, dim=0, signed=True), bits).scale


def asymmetric_channels(x: Tensor, bits: int, rule: str) -> tuple[Tensor, Tensor]:
    """Scale and zero point of each channel, for folding: a zero point need not be a code (known, RepQ-ViT).

    Parameters
    ----------
    x : float32[rows, D]

    Returns
    -------
    scale, zero_point : float32[D], the zero point a whole number
    """
    grid = asymmetric(find(x, bits, rule, dim=-1, covers_zero=False), bits, covers_zero=False)
    return grid.scale, grid.zero_point


def weight_quantiser(weight: Tensor, bits: int, rule: str, groups: Tensor) -> WeightParameters:
    """Symmetric integer weights, output channels of one group with one scale.

    Known: a scale per channel by min-max (FQ-ViT) or percentile-MSE (RepQ-ViT, there asymmetric), or per tensor, of q,
    k and v each (PTQ4ViT).

    Parameters
    ----------
    weight : float32[N, K]
    bits : 2..8
    groups : int64[N], the group of each channel

    Raises
    ------
    HwsimError
        If the codes do not fit int8, or there is no such rule.
    """
    if not 2 <= bits <= LARGEST_WEIGHT_BITS:
        raise HwsimError(f"weights: bits is {bits}, expected 2 to {LARGEST_WEIGHT_BITS}")
    labels = torch.unique(groups)
    if len(labels) == len(weight):
        scale = symmetric_scale(weight, bits, rule)
    else:
        scale = torch.empty_like(weight[:, 0])
        for label in labels:
            scale[groups == label] = symmetric_scale(weight[groups == label].reshape(1, -1), bits, rule)
    grid = UniformGrid(bits=bits, signed=True, scale=scale, zero_point=torch.zeros_like(scale))
    return WeightParameters(codes=grid.columns().quantize(weight).to(torch.int8), scale=scale, bits=bits)


def _groups(x: Tensor, dim: int | None) -> Tensor:
    """The elements that share a range in a row, [G, n]."""
    return x.reshape(1, -1) if dim is None else x.movedim(dim, 0).flatten(1)


def _shaped(found: Range, dim: int | None) -> Range:
    """One number instead of a vector of one for a whole tensor."""
    return Range(low=found.low[0], high=found.high[0]) if dim is None else found


def _quantiles(groups: Tensor, alpha: float) -> Range:
    """Both quantiles of each row; ``torch.quantile`` counts in float32, and older ones stop at 2**24 elements."""
    count = groups.shape[1]
    rank = (1 - alpha) * (count - 1)
    kept = min(int(rank) + 2, count)

    def end(largest: bool) -> Tensor:
        """Element number ``rank`` counted from one end, from 0."""
        tail = groups.topk(kept, dim=1, largest=largest).values
        return torch.lerp(tail[:, int(rank)], tail[:, -1], rank - int(rank))

    return Range(low=end(largest=False), high=end(largest=True))


def _least(groups: Tensor, candidates: Sequence[Range], bits: int, signed: bool, covers_zero: bool) -> Range:
    """For each row the candidate with the least squared error, the first among equals."""
    best = candidates[0]
    least = torch.full_like(best.low, torch.inf, dtype=torch.float64)
    for candidate in candidates:
        grid = symmetric(candidate, bits) if signed else asymmetric(candidate, bits, covers_zero)
        error = grid.columns().fake_quantize(groups).sub_(groups).square_().sum(1, dtype=torch.float64)
        better = error < least
        best = Range(
            low=torch.where(better, candidate.low, best.low), high=torch.where(better, candidate.high, best.high)
        )
        least = torch.where(better, error, least)
    return best
