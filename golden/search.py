"""Hessian-guided search of scales: of all candidates, the one with the least weighted error of the operator's output.

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


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Factors from ``low`` to ``high``."""

    low: float
    high: float
    points: int

    def factors(self) -> list[float]:
        """The factors, ascending."""
        return torch.linspace(self.low, self.high, self.points, dtype=torch.float64).tolist()


@dataclass(frozen=True, kw_only=True)
class Target:
    """A linear operator's float behaviour on sampled rows."""

    inputs: Tensor
    """float32[rows, K]"""
    weight: Tensor
    """float32[N, K]"""
    sensitivity: Tensor
    """float32[rows, N]"""

    def output(self) -> Tensor:
        """float32[rows, N], without the bias (it cancels)."""
        return self.inputs @ self.weight.T

    def error(self, inputs: Tensor, weight: Tensor, output: Tensor) -> Tensor:
        """Weighted squared error of each output channel, float32[N]."""
        return ((inputs @ weight.T - output).square_() * self.sensitivity).sum(0)


def least(candidates: Iterable[Candidate], error: Callable[[Candidate], float]) -> Candidate:
    """The candidate with the least error, the first among equals."""
    return min(((error(c), i, c) for i, c in enumerate(candidates)), key=lambda item: item[:2])[2]


def search_weight(target: Target, inputs: Tensor, bits: int, grid: Grid) -> WeightParameters:
    """Scale of each output channel, given quantised inputs (float32[rows, K])."""
    output = target.output()
    start = uniform.calibrate_symmetric(target.weight.abs().amax(1, keepdim=True), bits)
    best = torch.full((len(target.weight),), torch.inf)
    factor = torch.ones(len(target.weight))
    for candidate in grid.factors():
        error = target.error(inputs, start.scaled(candidate).fake_quantize(target.weight), output)
        factor = torch.where(error < best, candidate, factor)
        best = torch.minimum(error, best)
    found = start.scaled(1.0)
    scale = found.scale * factor[:, None]
    codes = UniformQuantiser(format=found.format, scale=scale).quantize(target.weight)
    return WeightParameters(codes=codes.to(torch.int8), scale=scale[:, 0])


def search_input(target: Target, weight: Tensor, candidates: Sequence[Quantiser]) -> Quantiser:
    """Quantiser of the inputs, given the quantised weight (float32[N, K])."""
    output = target.output()
    return least(
        candidates, lambda p: float(target.error(p.fake_quantize(target.inputs), weight, output).double().sum())
    )


def asymmetric_candidates(smallest: float, largest: float, bits: int, grid: Grid) -> list[Quantiser]:
    """Both ends of the range times each factor."""
    return [uniform.calibrate_asymmetric(smallest * f, largest * f, bits) for f in grid.factors()]


def search_per_head(scale: Tensor, error: Callable[[Tensor], Tensor], grid: Grid) -> Tensor:
    """Best factor times ``scale`` (float32[heads]) for each head; ``error`` maps scales to errors, both [heads]."""
    best, found = torch.full_like(scale, torch.inf), scale
    for factor in grid.factors():
        e = error(scale * factor)
        found = torch.where(e < best, scale * factor, found)
        best = torch.minimum(e, best)
    return found
