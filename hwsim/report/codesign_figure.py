"""Picture of a codesign: estimated error against energy, the best choices as a line, the papers' formats as points."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.figure import Figure

from hwsim.report.codesign import Codesign
from hwsim.report.figures import STYLE

CHOSEN, FRONT = "#c2503f", "#2c6fbb"
COLOURS = ("#e08e45", "#5b8c5a", "#a8577e", "#3d9a9a", "#888888")


def codesign_figure(found: Codesign) -> Figure:
    """One picture; energy of an image in µJ, KL in nats on a logarithmic axis."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 4.8), layout="constrained")
        axes = figure.subplots()
        axes.plot(
            [totals.energy_uj for totals in found.front], [totals.kl for totals in found.front], "-",
            color=FRONT, label="best choices",
        )  # fmt: skip
        for method, colour in zip(dict.fromkeys(paper.method for paper in found.papers), COLOURS, strict=False):
            mine = [paper for paper in found.papers if paper.method == method]
            axes.plot(
                [paper.totals.energy_uj for paper in mine], [paper.totals.kl for paper in mine], "o:",
                color=colour, linewidth=0.8, markersize=4, label=f"formats of {method}",
            )  # fmt: skip
            for paper in mine:
                place = (paper.totals.energy_uj, paper.totals.kl)
                axes.annotate(str(paper.bits), place, (4, 3), textcoords="offset points", color=colour)
        axes.plot(found.estimated.energy_uj, found.estimated.kl, "*", color=CHOSEN, markersize=13, label="chosen")
        axes.set_yscale("log")
        axes.set_xlabel(f"µJ an image ({found.preset})")
        axes.set_ylabel("estimated KL, nats")
        axes.grid(color="#e4e7eb", which="both")
        axes.legend(frameon=False)
    return figure
