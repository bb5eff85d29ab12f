"""Figure of a localisation: SQNR by depth, what each unit gives back as float, where classes flip."""

from __future__ import annotations

import math

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hwsim.report.figures import STYLE
from hwsim.report.localisation import Localisation, ModeFigures

PAPER, INTEGER, OWN, FLOAT = "#e08e45", "#2c6fbb", "#8a929c", "#5b8c5a"
MOST_DB = 60.0
"""SQNR above this is drawn at this: it costs nothing."""
_ROW_INCHES = 0.24


def localisation_figure(found: Localisation) -> Figure:
    """Three pictures below each other."""
    rows = len(found.units)
    heights = (2.9, _ROW_INCHES * rows + 0.5, 1.5)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.6, sum(heights)), layout="constrained")
        top, middle, bottom = figure.subfigures(3, 1, height_ratios=heights, squeeze=False)[:, 0]
        left, right = middle.subplots(1, 2, sharey=True)
        _by_depth(top.subplots(), found)
        _units(left, right, found)
        _flips(bottom.subplots(), found)
    return figure


def _by_depth(axes: Axes, found: Localisation) -> None:
    """A point a tensor; own errors as dots, since they do not add up along the depth."""
    depth = range(len(found.layers))
    series = (
        ("own", OWN, ".", [row.sqnr_own_db for row in found.layers]),
        ("paper mode", PAPER, "-", [row.sqnr_paper_db for row in found.layers]),
        ("integer mode", INTEGER, "--", [row.sqnr_integer_db for row in found.layers]),
    )
    for label, colour, style, values in series:
        axes.plot(depth, [_shown(value) for value in values], style, color=colour, label=label, linewidth=1.4)
    starts = [index for index, row in enumerate(found.layers) if row.layer.endswith(".norm1")]
    axes.set_xticks(starts, [found.layers[index].layer.rpartition(".")[0] for index in starts], rotation=30, ha="right")
    axes.set_ylabel("SQNR, dB")
    axes.legend(frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    axes.grid(color="#e4e7eb")


def _shown(value: float) -> float:
    return min(value, MOST_DB) if not math.isnan(value) else MOST_DB


def _units(left: Axes, right: Axes, found: Localisation) -> None:
    """What each unit costs alone; what it gives back as float, to the left of zero where the rest is then worse."""
    names = [row.unit for row in found.units]
    worst = {found.costliest.unit, getattr(found.costliest_layer, "unit", None)}
    colours = [INTEGER if name in worst else "#7aa6d6" for name in names]
    alone = left.barh(names, [1000 * row.alone.kl for row in found.units], color=colours)
    left.bar_label(alone, [_top1(row.alone) for row in found.units], color="#555", padding=3)
    left.set_xlabel("KL / 0.001, unit integer alone; top-1 %")
    back = right.barh(names, [100 * found.share_of_float(row) for row in found.units], color=colours)
    right.bar_label(back, [_top1(row.as_float) for row in found.units], color="#555", padding=3)
    right.axvline(0, color="#888", linewidth=0.8)
    right.set_xlabel("given back as float, % of the KL; top-1 %")
    left.invert_yaxis()
    for axes in (left, right):
        axes.margins(x=0.15)
        axes.grid(axis="x", color="#ddd")


def _top1(figures: ModeFigures) -> str:
    return "" if figures.top1 is None else f"{figures.top1:.2f}"


def _flips(axes: Axes, found: Localisation) -> None:
    axes.bar(list(found.flips), list(found.flips.values()), color=FLOAT, width=0.7)
    axes.set_xticks(range(len(found.flips)), list(found.flips), rotation=40, ha="right")
    axes.set_ylabel("classes that flip")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color="#ddd")
