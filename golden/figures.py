"""The table that every measurement prints: top-1, agreement with float, and how far the predictions moved."""

from __future__ import annotations

from rich.table import Table

from golden.pipeline import Measured


def figures_table(measured: Measured) -> Table:
    """One row a mode: float, paper, integer."""
    table = Table(title=f"{measured.images:,} images of {measured.source}")
    table.add_column("mode")
    for name in ("top-1 %", "agreement with float %", "images whose class changes", "KL to float"):
        table.add_column(name, justify="right")
    for mode, found in measured.figures.items():
        top1 = "no labels" if found.top1 is None else f"{found.top1:.2f}"
        table.add_row(mode, top1, f"{found.agreement:.2f}", str(found.changed), f"{found.kl:.5f}")
    return table
