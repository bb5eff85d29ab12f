"""A localisation on the terminal: the three modes, what each unit gives back, every tensor's error, the verdicts."""

from __future__ import annotations

import math

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from hwsim.report.localisation import LayerRow, Localisation, ModeFigures, UnitRow, verdicts


def print_localisation(found: Localisation, console: Console, *, every_layer: bool = False) -> None:
    """Print what was found; ``every_layer`` shows each tensor, not the worst of each operator."""
    parts: list[RenderableType] = [_heading(found), _modes(found), _units(found), _layers(found, every_layer)]
    console.print(Group(*parts, *(Text(f"\n{sentence}") for sentence in verdicts(found))))


def describe(found: Localisation) -> str:
    """Say in one line what was run on what."""
    return f"{found.origin}; {found.images:,} images of {found.source}; float weights: {found.weights}"


def decibels(value: float) -> str:
    """SQNR with one digit, a dash where nothing is lost or nothing is there."""
    return f"{value:.1f}" if math.isfinite(value) else "-"


def milli(kl: float) -> str:
    """KL in thousandths."""
    return f"{1000 * kl:.2f}"


def top1(value: float | None) -> str:
    """Top-1 in percent, a dash without labels."""
    return "-" if value is None else f"{value:.2f}"


def _heading(found: Localisation) -> RenderableType:
    return Text(f"{found.network}: {describe(found)}, {found.seconds:.0f} s", style="dim")


def _modes(found: Localisation) -> RenderableType:
    table = _table("The whole network", "mode", ("top-1 %", "changed", "KL / 0.001"))
    for name, figures in found.modes.items():
        table.add_row(name, *_figures(figures))
    return table


def _units(found: Localisation) -> RenderableType:
    kl = "KL /\n0.001"
    headings = ("alone:\ntop-1 %", kl, "float:\ntop-1 %", kl, "of the\nKL", "paper:\ntop-1 %", kl)
    table = _table("Each unit integer alone; float, or as in paper mode, among integers", "unit", headings)
    for row in found.units:
        alone, _, alone_kl, as_float, _, float_kl, share, paper, _, paper_kl = unit_cells(found, row)
        cells = (alone, alone_kl, as_float, float_kl, share, paper, paper_kl)
        table.add_row(row.unit, *cells, style="bold" if row in (found.costliest, found.costliest_layer) else None)
    return table


def unit_cells(found: Localisation, row: UnitRow) -> list[str]:
    """Figures of a unit as text: alone, as float with its share of the KL, as in paper mode."""
    share = f"{100 * found.share_of_float(row):+.0f} %"
    return [*_figures(row.alone), *_figures(row.as_float), share, *_figures(row.as_paper)]


def layer_cells(row: LayerRow) -> list[str]:
    """Figures of a tensor as text, for the columns of both reports."""
    errors = (decibels(value) for value in (row.sqnr_paper_db, row.sqnr_integer_db, row.sqnr_own_db))
    worst = f"{row.worst_channel}: {decibels(row.worst_channel_db)}"
    return [row.format, *errors, worst, f"{row.saturation_percent:.2f}", row.codes]


def _layers(found: Localisation, every_layer: bool) -> RenderableType:
    headings = ("bits", "paper\ndB", "int.\ndB", "own\ndB", "worst\nch.: dB", "at the\nends %", "codes")
    title = "SQNR of each tensor" if every_layer else "SQNR of each operator's worst tensor (--layers: of all)"
    table = _table(title, "layer", headings)
    rows = found.layers if every_layer else [found.lowest(row) for row in found.kinds]
    for row in rows:
        format_, *others = layer_cells(row)
        table.add_row(row.layer, format_.split()[-1], *others)
    table.caption = "paper, int.: all before in that mode too; own: this unit alone is integer"
    table.caption_justify = "left"
    return table


def _figures(figures: ModeFigures) -> tuple[str, str, str]:
    return top1(figures.top1), str(figures.changed), milli(figures.kl)


def _table(title: str, first: str, headings: tuple[str, ...]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True,
        title=f"\n{title}", title_justify="left", title_style="bold",
    )  # fmt: skip
    table.add_column(first, no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "codes" else "right", no_wrap=heading != "codes")
    return table
