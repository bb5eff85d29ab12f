"""An exploration as one HTML page: picture and table of each network; nothing is loaded from elsewhere."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from hwsim.report.exploration import Exploration, Point
from hwsim.report.exploration_figure import exploration_figure
from hwsim.report.exploration_terminal import COLUMNS, describe, kilo, texts
from hwsim.report.figures import svg

PARTS = ("gates", "memory kB")
DEFINITIONS = {
    "cycles, ms": "Of one image: the schedule of the compiled program, as hwsim run counts it; ms at its clock.",
    "µJ": "Of an image, the mean over the images named above: action counts times the energy table, as hwsim run.",
    "area": "Estimate, in thousands of NAND2 gates: the gates of each part as hwsim area has synthesised it, times its "
    "number, and the memories.",
    "gates, memory": "The two parts of the area: gates and registers in thousands of NAND2 gates, and memory macros.",
    "top-1": "Of the network's integers, as its file records it. No key of a preset changes an integer.",
    "Pareto": "No other point of the network has latency, energy and area all at most as large and one smaller.",
}


def render_exploration(found: Exploration) -> str:
    """HTML text of an exploration."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text = (files("hwsim") / "report" / "exploration.html.j2").read_text(encoding="utf-8")
    return environment.from_string(text).render(
        found=found,
        description=describe(found),
        networks=[_network(found, name) for name in found.networks],
        columns=[name.replace("\n", " ") for name in (*found.keys, *COLUMNS, *PARTS)],
        definitions=DEFINITIONS,
    )


def _network(found: Exploration, name: str) -> dict[str, Any]:
    figure = exploration_figure(found, name)
    rows = [
        {
            "cells": _cells(found, point),
            "failure": point.failure,
            "pareto": point.pareto,
        }
        for point in found.points
        if point.network == name
    ]
    return {"name": name, "figure": None if figure is None else svg(figure), "rows": rows}


def _cells(found: Exploration, point: Point) -> list[str]:
    if point.figures is None:
        return list(map(str, point.settings.values()))
    figures = point.figures
    return [*texts(found, point), kilo(figures.gates_nand2), f"{figures.memory_bits / 8192:,.0f}"]
