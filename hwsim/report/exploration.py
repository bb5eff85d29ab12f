"""What an exploration found: a point a configuration and network, as JSON and as CSV, and which points are Pareto.

A point is Pareto where no other point of its network has latency, energy and area that are all at most as large, and
one of them smaller.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Value = int | str
"""Of a key of a preset."""
OBJECTIVES = ("latency_ms", "energy_uj", "area_nand2")


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What an image costs on an accelerator, and what the accelerator costs."""

    cycles: int
    """Of one image, as ``hwsim run`` counts them."""
    latency_ms: float
    energy_uj: float | None
    """Of an image, the mean over the images; None where none were asked for."""
    gates_nand2: float | None
    """Estimated gates and registers in NAND2 gates; None where there is no estimate."""
    memory_bits: int
    """Of memory macros."""
    area_nand2: float | None
    """Gates and memory in NAND2 gates."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One network on one configuration: what was found, or why nothing was."""

    network: str
    settings: dict[str, Value]
    """Varied keys and their values."""
    top1: float | None
    """Top-1 of the integers in percent, as the network's file records it."""
    figures: Figures | None
    failure: str | None
    reused: bool
    """Found by an earlier call."""
    pareto: bool = False


@dataclass(frozen=True, kw_only=True)
class Exploration:
    """All points, in the order of the grid."""

    points: tuple[Point, ...]
    keys: tuple[str, ...]
    """Varied ones."""
    preset: str
    overrides: tuple[str, ...]
    images: int
    remarks: tuple[str, ...]
    """What a reader of the figures must know."""
    versions: dict[str, str]

    @property
    def networks(self) -> list[str]:
        """Names, each once."""
        return list(dict.fromkeys(point.network for point in self.points))

    def as_dict(self) -> dict[str, Any]:
        """Everything, for programs."""
        return {
            "preset": self.preset,
            "overrides": list(self.overrides),
            "keys": list(self.keys),
            "images": self.images,
            "area": "estimate",
            "remarks": list(self.remarks),
            "points": [asdict(point) for point in self.points],
            "versions": self.versions,
        }

    def as_csv(self) -> str:
        """A line a point, what is not known empty."""
        names = [field.name for field in fields(Figures)]
        text = io.StringIO()
        columns = ["network", *self.keys, *names, "top1", "pareto", "failure", "reused"]
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        for point in self.points:
            figures = dict.fromkeys(names) if point.figures is None else asdict(point.figures)
            rest = {name: getattr(point, name) for name in ("network", "top1", "failure", "reused")}
            writer.writerow({**rest, **point.settings, **figures, "pareto": int(point.pareto)})
        return text.getvalue()


def pareto(points: Sequence[Point]) -> list[bool]:
    """Whether each point is Pareto among those of its network.

    An objective that no point of the network has is left out; a point that lacks one that others have is not Pareto.
    """
    marks = [False] * len(points)
    by_network: dict[str, list[int]] = defaultdict(list)
    for index, point in enumerate(points):
        if point.figures is not None:
            by_network[point.network].append(index)
    for indices in by_network.values():
        rows = np.array([[_objective(points[index], name) for name in OBJECTIVES] for index in indices])
        known = rows[:, ~np.isnan(rows).all(axis=0)]
        for index, mark in zip(indices, _non_dominated(known), strict=True):
            marks[index] = bool(mark)
    return marks


def _objective(point: Point, name: str) -> float:
    value = getattr(point.figures, name)
    return float("nan") if value is None else float(value)


def _non_dominated(rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Of float64[points, objectives]; NaN is no figure."""
    complete = ~np.isnan(rows).any(axis=1)
    rivals = rows[complete]
    dominated = [bool(((rivals <= row).all(axis=1) & (rivals < row).any(axis=1)).any()) for row in rows]
    return complete & ~np.array(dominated)
