"""How much the channels of LayerNorm's outputs and of the residual stream differ: outliers, spread, energy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from statistics import median

import torch
from torch import Tensor

from golden.vit import Vit, forward

BATCH = 8
TOP_CHANNELS = 1 / 32


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How much the channels of a kind of tensor differ; each figure is the median over the tensors."""

    ratio: float
    """Largest over median channel maximum (of magnitudes)."""
    largest_ratio: float
    """The same of the worst tensor."""
    deviation: float
    """Standard deviation of the logarithm of the channel maxima."""
    kurtosis: float
    """Fourth over squared second moment of all elements, 3 for a normal distribution."""
    top_energy: float
    """Share of the squares that the strongest 1/32 of the channels have."""


def describe(vit: Vit, images: Tensor) -> dict[str, Spread]:
    """Measure how much channels differ: ``norm1``, ``norm2`` and ``norm`` (LayerNorm's outputs) and ``residual``."""
    by_kind: dict[str, list[Spread]] = {}
    for name, x in collect(vit, images, kind_of).items():
        by_kind.setdefault(kind_of(name), []).append(_spread(x))
    return {kind: _median(by_kind[kind]) for kind in ("norm1", "norm2", "norm", "residual")}


def kind_of(name: str) -> str:
    """Kind of tensor by its name, empty for all others."""
    last = name.rsplit(".", maxsplit=1)[-1]
    if last in ("embed", "add"):
        return "residual"
    return last if last in ("norm1", "norm2", "norm") else ""


def collect(vit: Vit, images: Tensor, wanted: Callable[[str], object]) -> dict[str, Tensor]:
    """Tensors by name, float32[rows, D]."""
    parts: dict[str, list[Tensor]] = {}

    def tap(name: str, x: Tensor) -> Tensor:
        if wanted(name):
            parts.setdefault(name, []).append(x.flatten(0, -2))
        return x

    with torch.no_grad():
        for start in range(0, len(images), BATCH):
            forward(vit, images[start : start + BATCH], tap)
    return {name: torch.cat(part) for name, part in parts.items()}


def _spread(x: Tensor) -> Spread:
    x = x.double()
    largest, energy = x.abs().amax(0), x.square().mean(0)
    top = energy.sort(descending=True).values[: max(1, round(len(energy) * TOP_CHANNELS))]
    ratio = largest_to_median(x)
    return Spread(
        ratio=ratio,
        largest_ratio=ratio,
        deviation=float(largest.log().std()),
        kurtosis=float((x - x.mean()).pow(4).mean() / x.var(correction=0).square()),
        top_energy=float(top.sum() / energy.sum()),
    )


def largest_to_median(x: Tensor) -> float:
    """Largest over median channel maximum of magnitudes, x : [rows, D]."""
    largest = x.abs().amax(0)
    return float(largest.max() / largest.median())


def _median(spreads: list[Spread]) -> Spread:
    figures = {field.name: median(getattr(s, field.name) for s in spreads) for field in fields(Spread)}
    return replace(Spread(**figures), largest_ratio=max(s.largest_ratio for s in spreads))
