"""A comparison on the terminal: progress while cells are computed, then one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hwsim.report.comparison import Comparison, Found, Row, UnitSize
from hwsim.report.words import microjoules, percent

ACCURACY = (
    "float\ntop-1", "paper\ntop-1", "\ndrop", "integer\ntop-1", "\ndrop", "\nagree", "recon.\nsteps", "calib.\ns",
)  # fmt: skip
COST = ("weights\nMB", "file\nMB", "\ncycles", "\nµJ", "decoder\nnand2", "encoder\nnand2")
ACCURACY_LEGEND = (
    "Top-1 and agree (images with float's class in integer mode) in percent, drop in points against float. Recon.: "
    "steps a module. Calib.: seconds of calibration, reconstruction and export."
)
COST_LEGEND = (
    "Weights at their width; file: the network's arrays. Cycles and µJ of an image. Decoder, encoder: gates of what "
    "this method's formats need, and kbit of memory."
)


class TerminalWatcher:
    """A line for each finished cell, and on a terminal a bar with what the workers do."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.task = progress.add_task("checking models and images", total=None)
        self.stages: dict[int, str] = {}
        self.total = 0

    def begin(self, total: int, reused: int, out: Path) -> None:
        """Say how much is known already."""
        self.total = total
        self.progress.update(self.task, total=total, completed=0, description="starting workers")
        if reused:
            self._print(f"{reused} of {total} cells are from earlier calls ({out}); --fresh computes them again")

    def stage(self, number: int, what: str) -> None:
        """Show the stages of all workers."""
        self.stages[number] = what
        self.progress.update(self.task, description=escape(", ".join(self.stages.values())))

    def row(self, row: Row, number: int) -> None:
        """Print a line."""
        self.stages.pop(number, None)
        self.progress.advance(self.task)
        self._print(f"{row.model} {row.method} {row.bits} bits: {summary(row)}")

    def _print(self, line: str) -> None:
        self.progress.console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def watch(console: Console) -> Iterator[TerminalWatcher]:
    """Watch a comparison on a console."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield TerminalWatcher(progress)


def summary(row: Row) -> str:
    """The gist of a row."""
    if row.found is None:
        return f"failed: {row.failure}"
    found = row.found
    accuracy = f"agreement {found.agreement_integer:.2f} %"
    if found.top1_integer is not None:
        accuracy = f"top-1 {percent(found.top1_integer)} (float {percent(found.top1_float)}), {accuracy}"
    return f"{accuracy}{', from an earlier call' if row.reused else f', {found.calibration_seconds:.1f} s to quantise'}"


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print the table, accuracy and cost below each other, and what its columns mean."""
    _print_table(comparison, console, ACCURACY, accuracy_cells)
    console.print(ACCURACY_LEGEND, style="dim", markup=False, highlight=False)
    console.print()
    _print_table(comparison, console, COST, cost_cells)
    console.print(COST_LEGEND, style="dim", markup=False, highlight=False)
    console.print(describe(comparison), style="dim", markup=False, highlight=False)
    for line in remarks(comparison):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _print_table(
    comparison: Comparison,
    console: Console,
    columns: tuple[str, ...],
    cells: Callable[[Comparison, Found], list[str]],
) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in (["model"] if comparison.several_models else []) + ["method"]:
        table.add_column(f"\n{name}", overflow="fold")
    for name in ("\nbits", *columns):
        table.add_column(name, justify="right", no_wrap=True)
    for row in comparison.rows:
        head = [escape(row.model)] if comparison.several_models else []
        values = ["-"] * len(columns) if row.found is None else cells(comparison, row.found)
        table.add_row(*head, escape(row.method), str(row.bits), *values)
    console.print(table)


def describe(comparison: Comparison) -> str:
    """On what the comparison was made."""
    counts = sorted({row.found.images for row in comparison.rows if row.found is not None})
    changed = f" with {', '.join(comparison.overrides)}" if comparison.overrides else ""
    return (
        f"Measured on {' and '.join(f'{count:,}' for count in counts) or 'none'} of {comparison.data}; calibration: "
        f"{comparison.calibration}, seed {comparison.seed}; accelerator {comparison.preset}{changed}"
        f"{'; stressed float network' if comparison.stressed else ''}"
    )


def remarks(comparison: Comparison) -> list[str]:
    """What is missing, and why."""
    lines = []
    for row in comparison.rows:
        where = f"{row.model} {row.method} {row.bits} bits"
        if row.found is None:
            lines.append(f"{where} failed: {row.failure}")
        elif row.found.no_cost is not None:
            lines.append(f"{where} has no cost: {row.found.no_cost}")
    if comparison.no_units is not None:
        lines.append(f"no gates of decoders and encoders: {comparison.no_units}")
    return lines


def accuracy_cells(_comparison: Comparison, found: Found) -> list[str]:
    """Texts of a row, in the order of ``ACCURACY``."""
    numbers = (found.top1_float, found.top1_paper, found.drop_paper, found.top1_integer, found.drop_integer)
    steps = found.reconstruction_iterations
    return [
        *("-" if number is None else f"{number:.2f}" for number in numbers),
        f"{found.agreement_integer:.2f}",
        "none" if steps is None else f"{steps:,}",
        f"{found.calibration_seconds:.1f}",
    ]


def cost_cells(comparison: Comparison, found: Found) -> list[str]:
    """Texts of a row, in the order of ``COST``."""
    cost = found.cost
    return [
        f"{found.weights_mb:.2f}",
        f"{found.arrays_mb:.2f}",
        "-" if cost is None else f"{cost.cycles:,}",
        "-" if cost is None else microjoules(cost.energy_uj),
        size(comparison.size(found, "decoder")),
        size(comparison.size(found, "encoder")),
    ]


def size(unit: UnitSize | None) -> str:
    """Gates, with kilobits of memory where there are some."""
    if unit is None:
        return "-"
    return f"{unit.nand2:,.0f}" + (f"+{unit.memory_bits / 1024:,.0f}k" if unit.memory_bits else "")
