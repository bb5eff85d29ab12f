"""Search of scales: of all candidates, the one with the least weighted error of the operator's output.

    error = sum of sensitivity * (O_quantised - O)**2        candidates: factors times the scale that covers the maximum

Known: the metric's form, the grid and the alternation of weights and inputs (PTQ4ViT, which TSPTQ-ViT follows);
reconstructed: the sensitivity (see ``golden.observe``); our decision: per-channel weights, a shorter grid at 8 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from golden.parameters import WeightParameters
from golden.quantizers import uniform
from golden.quantizers.base import Quantiser
from golden.quantizers.uniform import UniformQuantiser

Candidate = TypeVar("Candidate")
WHOLE_BITS = 8


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Factors from ``low`` to ``high``."""

    low: float
    high: float
    points: int

    def factors(self) -> list[float]:
        """The factors, ascending."""
        return torch.linspace(self.low, self.high, self.points, dtype=torch.float64).tolist()


def grid(bits: int, full: bool = False) -> Grid:
    """Factors to try at a width.

    Low widths need small ones: PTQ4ViT's 100 from 0.01 to 1.2. At 8 bits the metric, which knows no correlation between
    errors, clips too much where it may: on held-out images weights from 0.5 are worse than plain maxima.

    Parameters
    ----------
    full : PTQ4ViT's factors at 8 bits too
    """
    if full or bits < WHOLE_BITS:
        return Grid(low=0.01, high=1.2, points=100)
    return Grid(low=0.8, high=1.04, points=13)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A linear operator's float behaviour on sampled rows."""

    inputs: Tensor
    """float32[rows, K]"""
    weight: Tensor
    """float32[N, K]"""
    bias: Tensor
    """float32[N]; it cancels in every error, the accumulator proof needs it"""
    sensitivity: Tensor
    """float32[rows, N]"""
    groups: Tensor
    """int64[N], which outputs share a scale of the weight: numbers from 0"""

    def output(self) -> Tensor:
        """float32[rows, N], without the bias."""
        return self.inputs @ self.weight.T

    def error(self, inputs: Tensor, weight: Tensor, output: Tensor) -> Tensor:
        """Weighted squared error of each output channel, float32[N]."""
        return ((inputs @ weight.T - output).square_() * self.sensitivity).sum(0)

    def of_group(self, values: Tensor, reduce: str) -> Tensor:
        """Sum or amax (``reduce``) of the values float32[N] over each output's group, float32[N]."""
        count = int(self.groups.max()) + 1
        start = torch.zeros(count, dtype=values.dtype, device=values.device)
        return start.scatter_reduce_(0, self.groups, values, reduce)[self.groups]


def least(candidates: Iterable[Candidate], error: Callable[[Candidate], float]) -> Candidate:
    """The candidate with the least error, the first among equals."""
    return min(((error(c), i, c) for i, c in enumerate(candidates)), key=lambda item: item[:2])[2]


def search_weight(target: Target, inputs: Tensor, bits: int, factors: Grid) -> WeightParameters:
    """Scale of each group of output channels, given quantised inputs (float32[rows, K])."""
    output = target.output()
    largest = target.of_group(target.weight.abs().amax(1), "amax")
    start = uniform.calibrate_symmetric(largest[:, None], bits)
    best = torch.full_like(largest, torch.inf)
    factor = torch.ones_like(largest)
    for candidate in factors.factors():
        error = target.error(inputs, start.scaled(candidate).fake_quantize(target.weight), output)
        error = target.of_group(error, "sum")
        factor = torch.where(error < best, candidate, factor)
        best = torch.minimum(error, best)
    found = UniformQuantiser(format=start.format, scale=start.scale * factor[:, None])
    return WeightParameters(codes=found.quantize(target.weight).to(torch.int8), scale=found.scale[:, 0])


def search_input(target: Target, weight: Tensor, candidates: Sequence[Quantiser]) -> Quantiser:
    """Quantiser of the inputs, given the quantised weight (float32[N, K])."""
    output = target.output()
    return least(
        candidates, lambda p: float(target.error(p.fake_quantize(target.inputs), weight, output).double().sum())
    )


def asymmetric_candidates(smallest: float, largest: float, bits: int, factors: Grid) -> list[Quantiser]:
    """Both ends of the range times each factor."""
    return [uniform.calibrate_asymmetric(smallest * f, largest * f, bits) for f in factors.factors()]


def search_per_head(scale: Tensor, error: Callable[[Tensor], Tensor], factors: Grid) -> Tensor:
    """Best factor times ``scale`` (float32[heads]) for each head; ``error`` maps scales to errors, both [heads]."""
    best, found = torch.full_like(scale, torch.inf), scale
    for factor in factors.factors():
        e = error(scale * factor)
        found = torch.where(e < best, scale * factor, found)
        best = torch.minimum(e, best)
    return found
