"""An exploration on the terminal: one table, the Pareto points first where there are many, and what it means."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from hwsim.report.exploration import Exploration, Point
from hwsim.report.words import microjoules

SHOWN_MAX = 40
WIDTH_MAX = 1000
"""A table is never cut: a narrow terminal wraps its lines."""
COLUMNS = ("cycles", "ms", "µJ", "area", "top-1\n%")
LEGEND = (
    "*: Pareto, no other point of the network is at most as slow, as hungry and as large. ms and µJ of an image; area "
    "with memories in kNAND2 (estimate). Top-1 of the network's integers, which no key here changes. "
    "Whether a clock can be reached is not asked, and a faster one costs nothing here."
)


def print_exploration(found: Exploration, console: Console, *, every_point: bool = False) -> None:
    """Print the table; of many points the Pareto ones and the failures unless ``every_point``."""
    points = shown(found.points, every_point=every_point)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    if len(found.networks) > 1:
        table.add_column("network", overflow="fold", vertical="bottom")
    for heading in (*(key.replace("_", "\n") for key in found.keys), *COLUMNS):
        table.add_column(heading, justify="right", vertical="bottom", no_wrap=True)
    table.add_column("")
    for point in points:
        if point.figures is not None:
            head = [escape(point.network)] if len(found.networks) > 1 else []
            table.add_row(*head, *texts(found, point), "*" if point.pareto else "")
    wide = Measurement.get(console, console.options.update(max_width=WIDTH_MAX), table).maximum
    given = console.width
    console.width = max(given, wide)
    console.print(table)
    console.width = given
    console.print(LEGEND, style="dim", markup=False, highlight=False)
    for line in (describe(found), *found.remarks):
        console.print(line, style="dim", markup=False, highlight=False)
    hidden = len(found.points) - len(points)
    if hidden:
        console.print(f"{hidden:,} points that are not Pareto are not shown (--all shows them)", highlight=False)
    for point in points:
        if point.failure is not None:
            console.print(failure(point), markup=False, highlight=False, soft_wrap=True)


def shown(points: Sequence[Point], *, every_point: bool) -> list[Point]:
    """Points for a reader's eyes."""
    if every_point or len(points) <= SHOWN_MAX:
        return list(points)
    return [point for point in points if point.pareto or point.failure is not None]


def describe(found: Exploration) -> str:
    """On what it was made."""
    changed = f" with {', '.join(found.overrides)}" if found.overrides else ""
    reused = sum(point.reused for point in found.points)
    failed = sum(point.failure is not None for point in found.points)
    images = f"energy over {found.images} images" if found.images else "no energy"
    return (
        f"{len(found.points):,} points of {found.preset}{changed}, {reused:,} from earlier calls, {failed:,} failed, "
        f"{sum(point.pareto for point in found.points):,} Pareto; {images}"
    )


def failure(point: Point) -> str:
    """Why there are no figures."""
    return f"{name(point)} failed: {point.failure}"


def name(point: Point) -> str:
    """A point in one line."""
    return " ".join([point.network, *(f"{key}={value}" for key, value in point.settings.items())])


def texts(found: Exploration, point: Point) -> list[str]:
    """Texts of a point with figures: the varied keys, then ``COLUMNS``."""
    figures = point.figures
    assert figures is not None
    return [
        *(str(point.settings[key]) for key in found.keys),
        f"{figures.cycles:,}",
        f"{figures.latency_ms:.4g}",
        "-" if figures.energy_uj is None else microjoules(figures.energy_uj),
        kilo(figures.area_nand2),
        "-" if point.top1 is None else f"{point.top1:.2f}",
    ]


def kilo(value: float | None) -> str:
    """Print thousands."""
    return "-" if value is None else f"{value / 1000:,.0f}"
