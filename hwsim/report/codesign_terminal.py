"""A codesign on the terminal: what each kind of tensor got, what it costs, and the papers' formats beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from hwsim.report.codesign import ChosenTensor, Codesign, PricedOption, Totals

KIND_COLUMNS = ("chosen: format, widths, tensors", "bits", "KL / 0.001", "other format: KL", "µJ", "cycles")
TOTAL_COLUMNS = ("KL / 0.001", "bits of weights", "of activations", "µJ", "cycles")
WIDTH_MAX = 1000
"""A table is never cut: a narrow terminal wraps its lines."""
LEGEND = (
    "KL: Hessian-weighted error on the calibration images, in nats, an estimate. Other format: the best one of another "
    "format at the same width, as a multiple. µJ and cycles of an image: kinds against uniform codes of 8 bits."
)


def print_codesign(found: Codesign, console: Console, *, every_tensor: bool = False) -> None:
    """Print what was chosen; ``every_tensor`` shows each for itself."""
    parts: list[RenderableType] = [Text(describe(found), style="dim"), _kinds(found, every_tensor), _totals(found)]
    given = console.width
    wide = max(Measurement.get(console, console.options.update(max_width=WIDTH_MAX), part).maximum for part in parts)
    console.width = max(given, wide)
    console.print(Group(*parts))
    console.width = given
    console.print(Text(LEGEND, style="dim"))


def describe(found: Codesign) -> str:
    """Say in one line what was chosen for what."""
    budgets = ", ".join(f"{name} {value:g}" for name, value in found.budgets.given().items())
    return f"{found.model} on {found.preset}, {found.images} calibration images; at most: {budgets}"


def kind(name: str) -> str:
    """Name of a tensor without the number of its block."""
    return re.sub(r"\.\d+\.", ".*.", name)


def kind_rows(found: Codesign, *, every_tensor: bool = False) -> list[tuple[str, ...]]:
    """Cells of each kind of tensor, or of each tensor."""
    groups: dict[str, list[ChosenTensor]] = {}
    for tensor in found.tensors:
        groups.setdefault(tensor.name if every_tensor else kind(tensor.name), []).append(tensor)
    return [(name, *_cells(tensors)) for name, tensors in groups.items()]


def total_rows(found: Codesign) -> list[tuple[str, ...]]:
    """Cells of the choice, estimated and made, and of the papers' formats."""
    papers = [(f"{paper.method} {paper.bits}", *_total_cells(paper.totals)) for paper in found.papers]
    made = ("as made", "", "", "", f"{found.energy_uj:,.1f}", f"{found.cycles:,}")
    return [("chosen, estimated", *_total_cells(found.estimated)), made, *papers]


def _cells(tensors: Sequence[ChosenTensor]) -> tuple[str, ...]:
    elements = sum(tensor.elements for tensor in tensors)
    kl = sum(tensor.chosen.kl for tensor in tensors)
    others = [tensor.runner_up.kl for tensor in tensors if tensor.runner_up is not None]
    return (
        _formats(tensor.chosen for tensor in tensors),
        f"{sum(tensor.chosen.bits * tensor.elements for tensor in tensors) / elements:.2f}",
        f"{1000 * kl:.3g}",
        f"x {sum(others) / kl:.2g}" if others and kl > 0 else "-",
        f"{sum(tensor.chosen.energy_uj for tensor in tensors):+.1f}",
        f"{sum(tensor.chosen.cycles for tensor in tensors):+,}",
    )


def _formats(options: Iterable[PricedOption]) -> str:
    """Formats with their widths and the number of tensors, the most frequent first."""
    bits: dict[str, list[int]] = {}
    for option in options:
        bits.setdefault(option.format, []).append(option.bits)
    parts = []
    for name, mine in sorted(bits.items(), key=lambda item: -len(item[1])):
        widths = f"{min(mine)}" if min(mine) == max(mine) else f"{min(mine)} to {max(mine)}"
        parts.append(f"{name} {widths}" + (f" x{len(mine)}" if len(bits) > 1 else ""))
    return "; ".join(parts)


def _total_cells(totals: Totals) -> tuple[str, ...]:
    return (
        f"{1000 * totals.kl:.4g}",
        f"{totals.weight_bits:.2f}",
        f"{totals.activation_bits:.2f}",
        f"{totals.energy_uj:,.1f}",
        f"{totals.cycles:,}",
    )


def _kinds(found: Codesign, every_tensor: bool) -> RenderableType:
    table = Table(title="What each tensor got", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("tensor", no_wrap=True)
    for column in KIND_COLUMNS:
        table.add_column(column, justify="left" if column == KIND_COLUMNS[0] else "right", overflow="fold")
    for row in kind_rows(found, every_tensor=every_tensor):
        table.add_row(*row)
    return table


def _totals(found: Codesign) -> RenderableType:
    table = Table(title="The whole network", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("formats", no_wrap=True)
    for column in TOTAL_COLUMNS:
        table.add_column(column, justify="right")
    for index, row in enumerate(total_rows(found)):
        table.add_row(*row, style="bold" if index < 2 else None)
    return table
