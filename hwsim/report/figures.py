"""Figures of a run as SVG text, to stand inside an HTML page or a notebook."""

from __future__ import annotations

import io

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hwsim.cost.cycles import merged
from hwsim.cost.energy import COMPONENTS, Component
from hwsim.cost.estimate import Cost
from hwsim.report.groups import by_kind, kind
from hwsim.report.result import RunReport
from hwsim.report.words import COMPONENT_LABELS, QUEUE_LABELS, microjoules

ARRAY, POST, UNIT, MEMORY = "#2c6fbb", "#7aa6d6", "#e08e45", "#5b8c5a"
UNIT_COLOURS = {"pe_array": ARRAY, "softmax": UNIT, "layernorm": "#a8577e", "controller": "#888"}
QUEUE_COLOURS = {"array": ARRAY, "softmax": UNIT, "layernorm": "#a8577e", "dma": MEMORY}
_LAYER_COLOURS = ["#1b3f73", "#2c6fbb", "#7aa6d6", "#3d9a9a", "#8f86c9", "#b9c7d8"]
"""Of the array's layers within a block."""
_PIXELS = 1200
"""What lies closer than a part of this size of the axis is drawn as one."""
COMPONENT_COLOURS: dict[Component, str] = {
    **dict.fromkeys(("multiply_zero", "multiply_small", "multiply_large", "shift", "accumulate"), ARRAY),
    **dict.fromkeys(("pe_registers", "decode"), ARRAY),
    **dict.fromkeys(("requantize", "table", "residual"), POST),
    **dict.fromkeys(("softmax", "layernorm"), UNIT),
    **dict.fromkeys(("activation_buffer", "weight_buffer", "dram"), MEMORY),
}
STYLE = {
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
    with mpl.rc_context(STYLE):
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
    with mpl.rc_context(STYLE):
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
    """When each queue works: over the whole image, and over one block of it with the layers of the array."""
    cost = report.cost
    window = block_window(cost)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 2.1 if window is None else 4.6), layout="constrained")
        whole, *blocks = figure.subplots(1 if window is None else 2, 1, squeeze=False)[:, 0]
        _lanes(whole, report, (0, cost.cycles_per_image), {})
        for axes in blocks:
            assert window is not None
            begin, end = window
            names = [layer.name for layer in cost.layers if layer.unit == "pe_array"]
            meets = dict.fromkeys(
                kind(name) for name in names if (c := cost.profile.cycles[name]).start < end and c.end > begin
            )
            colours = dict(zip(meets, _LAYER_COLOURS * len(meets), strict=False))
            _lanes(axes, report, window, colours)
            figure.legend(
                [Rectangle((0, 0), 1, 1, color=colour) for colour in colours.values()], list(colours),
                loc="outside lower center", ncols=4, frameon=False, title="PE array",
            )  # fmt: skip
    return figure


def block_window(cost: Cost) -> tuple[int, int] | None:
    """Cycles from the first start of a block in the middle to the next block's; None where nothing repeats."""
    products = [layer for layer in cost.layers if layer.unit == "pe_array"]
    kinds = [kind(layer.name) for layer in products]
    first = next((name for name in kinds if kinds.count(name) > 1), None)
    starts = [layer.cycles.start for layer, name in zip(products, kinds, strict=True) if name == first]
    if len(starts) < 2:
        return None
    middle = (len(starts) - 1) // 2
    return starts[middle], starts[middle + 1]


def _lanes(axes: Axes, report: RunReport, window: tuple[int, int], layer_colours: dict[str, str]) -> None:
    """Draw the four queues within a window of cycles; the array's layers in their own colours where they have one."""
    profile, (begin, end) = report.cost.profile, window
    gap = (end - begin) // _PIXELS
    for lane, queue in enumerate(QUEUE_LABELS):
        by_colour: dict[str, list[tuple[int, int]]] = {}
        for event in profile.timeline.events:
            last = event.operands_end if queue == "array" else event.done
            if event.queue == queue and event.start < end and last >= begin:
                own = layer_colours.get(kind(profile.owner(event) or "")) if queue == "array" else None
                stretches = by_colour.setdefault(own or QUEUE_COLOURS[queue], [])
                stretches.append((max(begin, event.start + 1), min(end, last + 1)))
        for colour, stretches in by_colour.items():
            bars = [(first, after - first) for first, after in merged(stretches, gap)]
            axes.broken_barh(bars, (lane - 0.36, 0.72), color=colour, linewidth=0)
    axes.set_yticks(range(len(QUEUE_LABELS)), list(QUEUE_LABELS.values()))
    axes.set_xlim(begin, end)
    axes.set_ylim(len(QUEUE_LABELS) - 0.5, -0.5)
    axes.set_xlabel("cycle")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.grid(axis="x", color="#ddd")


def svg(figure: Figure) -> str:
    """SVG element of a figure; text stays text, and equal figures give equal bytes."""
    text = io.StringIO()
    with mpl.rc_context(STYLE):
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None, "Creator": None})
    return text.getvalue()[text.getvalue().index("<svg") :]
