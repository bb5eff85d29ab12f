"""Search of scales: of all candidates, the one with the least weighted error of the operator's output.

    error = sum of sensitivity * (O_quantised - O)**2        candidates: factors times the scale that covers the maximum

Known: the metric's form, the grid and the alternation of weights and inputs (PTQ4ViT, which TSPTQ-ViT follows);
reconstructed: the sensitivity (see ``golden.observe``); our decision: per-channel weights, a shorter grid at 8 bits,
and two stages below 8 bits: every seventh of the 100 factors, then all between the best one's neighbours.
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
    stride: int = 1
    """The first stage tries every so many of them."""

    def factors(self) -> list[float]:
        """All factors, ascending."""
        return torch.linspace(self.low, self.high, self.points, dtype=torch.float64).tolist()

    def first(self) -> range:
        """Numbers of the factors that the first stage tries."""
        return range(self.stride // 2, self.points, self.stride)

    def beside(self) -> list[int]:
        """How far from the best of them the second stage goes: up to its neighbours."""
        return [i for i in range(1 - self.stride, self.stride) if i != 0]


def grid(bits: int, full: bool = False) -> Grid:
    """Factors to try at a width.

    Low widths need small ones: PTQ4ViT's 100 from 0.01 to 1.2. At 8 bits the metric, which knows no correlation between
    errors, clips too much where it may: on held-out images weights from 0.5 are worse than plain maxima.

    Parameters
    ----------
    full : PTQ4ViT's factors at every width, each of them tried
    """
    if full or bits < WHOLE_BITS:
        return Grid(low=0.01, high=1.2, points=100, stride=1 if full else 7)
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
        return (inputs @ weight.T).sub_(output).square_().mul_(self.sensitivity).sum(0)

    def of_group(self, values: Tensor, reduce: str) -> Tensor:
        """Sum or amax (``reduce``) of the values float32[N] over each output's group, float32[N]."""
        count = int(self.groups.max()) + 1
        start = torch.zeros(count, dtype=values.dtype, device=values.device)
        return start.scatter_reduce_(0, self.groups, values, reduce)[self.groups]


def least(candidates: Iterable[Candidate], error: Callable[[Candidate], float]) -> Candidate:
    """The candidate with the least error, the first among equals."""
    return min(((error(c), i, c) for i, c in enumerate(candidates)), key=lambda item: item[:2])[2]


def least_of_families(
    families: Sequence[Sequence[Candidate]], error: Callable[[Candidate], float], factors: Grid
) -> Candidate:
    """The candidate with the least error, by two stages along each family, which follows the factors."""
    tried = [(family, i) for family in families for i in _first(len(family), factors)]
    family, centre = least(tried, lambda item: error(item[0][item[1]]))
    around = [centre, *(centre + i for i in factors.beside() if 0 <= centre + i < len(family))]
    return family[least(around, lambda i: error(family[i]))]


def _first(count: int, factors: Grid) -> Iterable[int]:
    """Of a family of its own length, such as one that the accumulator proof thinned, at least one."""
    return range(min(factors.stride // 2, count - 1), count, factors.stride)


def search_factors(error: Callable[[Tensor], Tensor], like: Tensor, factors: Grid) -> Tensor:
    """Factor with the least error for each element of a tensor, the first found among equals.

    Parameters
    ----------
    error : from factors to errors, each of the shape of ``like``
    """
    every = torch.tensor(factors.factors(), dtype=like.dtype, device=like.device)
    least_error = torch.full_like(like, torch.inf)
    best = torch.zeros(like.shape, dtype=torch.int64, device=like.device)

    def attempt(number: Tensor) -> None:
        nonlocal best, least_error
        found = error(every[number])
        best = torch.where(found < least_error, number, best)
        least_error = torch.minimum(found, least_error)

    for number in factors.first():
        attempt(torch.full_like(best, number))
    centre = best
    for step in factors.beside():
        attempt((centre + step).clamp(0, factors.points - 1))
    return every[best]


def search_weight(target: Target, inputs: Tensor, bits: int, factors: Grid) -> WeightParameters:
    """Scale of each group of output channels, given quantised inputs (float32[rows, K])."""
    output = target.output()
    largest = target.of_group(target.weight.abs().amax(1), "amax")
    start = uniform.calibrate_symmetric(largest[:, None], bits)

    def error(factor: Tensor) -> Tensor:
        scaled = UniformQuantiser(format=start.format, scale=start.scale * factor[:, None])
        return target.of_group(target.error(inputs, scaled.fake_quantize(target.weight), output), "sum")

    factor = search_factors(error, largest, factors)
    found = UniformQuantiser(format=start.format, scale=start.scale * factor[:, None])
    return WeightParameters(codes=found.quantize(target.weight).to(torch.int8), scale=found.scale[:, 0], bits=bits)


def search_input(target: Target, weight: Tensor, families: Sequence[Sequence[Quantiser]], factors: Grid) -> Quantiser:
    """Quantiser of the inputs, given the quantised weight (float32[N, K]); each family follows the factors."""
    output = target.output()

    def error(candidate: Quantiser) -> float:
        return float(target.error(candidate.fake_quantize(target.inputs), weight, output).double().sum())

    return least_of_families(families, error, factors)


def asymmetric_candidates(smallest: float, largest: float, bits: int, factors: Grid) -> list[Quantiser]:
    """Both ends of the range times each factor."""
    return [uniform.calibrate_asymmetric(smallest * f, largest * f, bits) for f in factors.factors()]


def search_per_head(scale: Tensor, error: Callable[[Tensor], Tensor], factors: Grid) -> Tensor:
    """Best factor times ``scale`` (float32[heads]) for each head; ``error`` maps scales to errors, both [heads]."""
    return scale * search_factors(lambda factor: error(scale * factor), scale, factors)
