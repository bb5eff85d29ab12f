"""Picture of an exploration: latency against energy, the area as colour; Pareto points ringed."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.figure import Figure

from hwsim.report.exploration import Exploration, Point
from hwsim.report.figures import STYLE

FRONT = "#c2503f"
COLOUR_MAP = "viridis_r"


def exploration_figure(found: Exploration, network: str) -> Figure | None:
    """Figure of a network; None where no point of it has figures. Without energy, area is drawn in its place."""
    points = [point for point in found.points if point.network == network and point.figures is not None]
    energy = [point for point in points if point.figures is not None and point.figures.energy_uj is not None]
    drawn = [(point, *place) for point in points if (place := _place(point, bool(energy))) is not None]
    if not drawn:
        return None
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 4.6), layout="constrained")
        axes = figure.subplots()
        areas = [_area(point) for point, _, _ in drawn]
        dots = axes.scatter(
            [x for _, x, _ in drawn], [y for _, _, y in drawn], s=22, linewidths=0,
            c=areas if all(areas) else "#2c6fbb", cmap=COLOUR_MAP if all(areas) else None,
        )  # fmt: skip
        if all(areas):
            figure.colorbar(dots, ax=axes, label="area, kNAND2 (estimate)")
        front = sorted((x, y) for point, x, y in drawn if point.pareto)
        axes.scatter(
            [x for x, _ in front], [y for _, y in front], s=70, facecolors="none", edgecolors=FRONT, label="Pareto"
        )
        axes.set_xlabel(f"ms an image ({found.preset})")
        axes.set_ylabel("µJ an image" if energy else "area, kNAND2 (estimate)")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("{x:g}")
        axes.grid(color="#e4e7eb", which="both")
        axes.legend(frameon=False)
    return figure


def _place(point: Point, with_energy: bool) -> tuple[float, float] | None:
    assert point.figures is not None
    y = point.figures.energy_uj if with_energy else _area(point)
    return None if y is None else (point.figures.latency_ms, y)


def _area(point: Point) -> float | None:
    area = None if point.figures is None else point.figures.area_nand2
    return None if area is None else area / 1000
