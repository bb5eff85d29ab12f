"""Figures of a run as SVG text, to stand inside an HTML page or a notebook."""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from hwsim.cost.energy import COMPONENTS, Component
from hwsim.report.groups import by_kind
from hwsim.report.result import RunReport
from hwsim.report.words import COMPONENT_LABELS, UNIT_LABELS, microjoules

ARRAY, POST, UNIT, MEMORY = "#2c6fbb", "#7aa6d6", "#e08e45", "#5b8c5a"
UNIT_COLOURS = {"pe_array": ARRAY, "softmax": UNIT, "layernorm": "#a8577e"}
COMPONENT_COLOURS: dict[Component, str] = {
    **dict.fromkeys(("multiply_zero", "multiply_small", "multiply_large", "shift", "accumulate"), ARRAY),
    **dict.fromkeys(("pe_registers", "decode"), ARRAY),
    **dict.fromkeys(("requantize", "table", "residual"), POST),
    **dict.fromkeys(("softmax", "layernorm"), UNIT),
    **dict.fromkeys(("activation_buffer", "weight_buffer", "dram"), MEMORY),
}
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "hwsim",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}
_ROW_INCHES = 0.26


def energy_figure(report: RunReport) -> Figure:
    """Energy of one image by component."""
    cost = report.cost
    energy_uj = [cost.per_image_uj(cost.energy_aj[name]) for name in COMPONENTS]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.6, _ROW_INCHES * len(COMPONENTS) + 0.6), layout="constrained")
        axes = figure.subplots()
        labels = [COMPONENT_LABELS[name] for name in COMPONENTS]
        bars = axes.barh(labels, energy_uj, color=[COMPONENT_COLOURS[name] for name in COMPONENTS])
        axes.bar_label(bars, [microjoules(value) for value in energy_uj], color="#555", padding=3)
        axes.invert_yaxis()
        axes.set_xlabel(f"µJ an image ({cost.table.name})")
        axes.grid(axis="x", color="#ddd")
    return figure


def layers_figure(report: RunReport) -> Figure:
    """Cycles and energy of one image by kind of layer, side by side."""
    cost = report.cost
    groups = by_kind(cost.layers, report.config)
    labels = [f"{group.count} x {group.name}" if group.count > 1 else group.name for group in groups]
    colours = [UNIT_COLOURS[group.unit] for group in groups]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.6, _ROW_INCHES * len(groups) + 0.7), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        left.barh(labels, [group.cycles for group in groups], color=colours)
        left.set_xlabel("cycles")
        left.xaxis.set_major_formatter("{x:,.0f}")
        left.locator_params(axis="x", nbins=6)
        right.barh(labels, [cost.per_image_uj(group.energy_aj) for group in groups], color=colours)
        right.set_xlabel("µJ")
        left.invert_yaxis()
        for axes in (left, right):
            axes.grid(axis="x", color="#ddd")
    return figure


def timeline_figure(report: RunReport) -> Figure:
    """When each unit and the DMA work, over the cycles of one image."""
    lanes = (*UNIT_LABELS, "dma")
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.6, 2.1), layout="constrained")
        axes = figure.subplots()
        for lane, name in enumerate(lanes):
            axes.broken_barh(_busy(report, name), (lane - 0.36, 0.72), color=UNIT_COLOURS.get(name, MEMORY))
        axes.set_yticks(range(len(lanes)), [UNIT_LABELS.get(name, "DMA") for name in lanes])
        axes.set_xlim(0, report.cost.cycles_per_image)
        axes.set_xlabel("cycle")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.invert_yaxis()
        axes.grid(axis="x", color="#ddd")
    return figure


def svg(figure: Figure) -> str:
    """SVG element of a figure; text stays text, and equal figures give equal bytes."""
    text = io.StringIO()
    with mpl.rc_context(_STYLE):
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None, "Creator": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def _busy(report: RunReport, lane: str) -> Sequence[tuple[float, float]]:
    """Start and length of each stretch of work, in cycles."""
    if lane == "dma":
        return [(layer.cycles.start, layer.cycles.dma) for layer in report.cost.layers if layer.cycles.dma]
    return [(layer.cycles.start, layer.cycles.unit) for layer in report.cost.layers if layer.unit == lane]
