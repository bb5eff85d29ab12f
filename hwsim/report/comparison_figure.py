"""Figure of a comparison: top-1 against size and against energy, a line a method, a point a width."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hwsim.report.comparison import Comparison, Found
from hwsim.report.figures import STYLE

COLOURS = ("#2c6fbb", "#e08e45", "#5b8c5a", "#a8577e", "#3d9a9a", "#8f86c9", "#b0892f", "#7a5c45", "#c2503f")
MARKERS = ("o", "s", "D", "^", "v", "P")


@dataclass(frozen=True, kw_only=True)
class Point:
    """A finished cell."""

    bits: int
    found: Found


def comparison_figure(comparison: Comparison, model: str) -> Figure | None:
    """Figure of a model; None where none of its cells has finished."""
    methods = _points(comparison, model)
    if not methods:
        return None
    colours = dict(zip(methods, COLOURS * len(methods), strict=False))
    widths = sorted({point.bits for points in methods.values() for point in points}, reverse=True)
    markers = dict(zip(widths, MARKERS, strict=False))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 4.0), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _draw(left, methods, colours, markers, lambda found: found.weights_mb)
        left.set_xlabel("weights at their width, MB")
        _draw(right, methods, colours, markers, lambda found: None if found.cost is None else found.cost.energy_uj)
        right.set_xlabel(f"µJ an image ({comparison.preset})")
        left.set_ylabel(_accuracy_name(methods))
        handles = [left.plot([], [], color=colours[name], marker="o", label=name)[0] for name in methods]
        handles += [
            left.plot([], [], color="#888", marker=markers[bits], linestyle="", label=f"{bits} bits")[0]
            for bits in widths
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)
    return figure


def _points(comparison: Comparison, model: str) -> dict[str, list[Point]]:
    """By method, the widest first."""
    found: dict[str, list[Point]] = {}
    for row in comparison.rows:
        if row.model == model and row.found is not None:
            found.setdefault(row.method, []).append(Point(bits=row.bits, found=row.found))
    return {method: sorted(points, key=lambda point: -point.bits) for method, points in found.items()}


def _accuracy(found: Found) -> float:
    return found.agreement_integer if found.top1_integer is None else found.top1_integer


def _accuracy_name(methods: Mapping[str, list[Point]]) -> str:
    labelled = next(iter(methods.values()))[0].found.top1_integer is not None
    return "top-1 of integer mode, %" if labelled else "agreement of integer mode with float, %"


def _draw(
    axes: Axes,
    methods: Mapping[str, list[Point]],
    colours: Mapping[str, str],
    markers: Mapping[int, str],
    across: Callable[[Found], float | None],
) -> None:
    for method, points in methods.items():
        shown = [(x, point) for point in points if (x := across(point.found)) is not None]
        heights = [_accuracy(point.found) for _, point in shown]
        axes.plot([x for x, _ in shown], heights, color=colours[method], linewidth=1.2, alpha=0.55)
        for (x, point), height in zip(shown, heights, strict=True):
            axes.plot(x, height, color=colours[method], marker=markers[point.bits], markersize=7, linestyle="")
    before = next(iter(methods.values()))[0].found.top1_float
    ceiling = 100.0 if before is None else before
    axes.axhline(ceiling, color="#888", linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate("float", (1, ceiling), xycoords=("axes fraction", "data"), ha="right", va="bottom", color="#666")
    axes.margins(x=0.08)
    axes.grid(color="#e4e7eb")
