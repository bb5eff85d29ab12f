"""A run as one screen of tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich import box
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from hwsim.cost.energy import COMPONENTS
from hwsim.cost.estimate import REGIONS
from hwsim.report.groups import LayerGroup, by_kind, each
from hwsim.report.result import RunReport
from hwsim.report.words import COMPONENT_LABELS, REASON_LABELS, microjoules, percent, share

_BAR_CELLS = 8
_WIDE = 92
"""Columns of a terminal that shows all of a layer's figures."""


def print_run(report: RunReport, console: Console, *, every_layer: bool = False) -> None:
    """Print what a run found; ``every_layer`` shows each layer for itself instead of sums by kind."""
    groups = (each if every_layer else by_kind)(report.cost.layers, report.config)
    layers = _layers(report, groups, console.width, every_layer=every_layer)
    side_by_side = Columns([_headline(report), _energy(report)], padding=(0, 4))
    console.print(Group(_heading(report), side_by_side, layers, _notes(report)))


def describe_config(report: RunReport) -> str:
    """Say in one line what the accelerator is."""
    config = report.config
    changed = f", with {', '.join(report.overrides)}" if report.overrides else ""
    return (
        f"{config.name}: {config.array_rows}x{config.array_columns} array ({config.pe_style}), "
        f"{config.activation_buffer_bytes // 1024} + {config.weight_buffer_bytes // 1024} KiB buffers, "
        f"{config.dram_bits_per_cycle}-bit DRAM port, {config.freq_mhz} MHz{changed}"
    )


def describe_origin(report: RunReport) -> str:
    """Say in one line what the network is and how it was made."""
    origin = report.network.manifest.origin
    made = f"{origin.method}, {origin.bits} bits, {origin.calibration_images} calibration images, seed {origin.seed}"
    model = "" if origin.model == report.network.name else f"{origin.model}, "
    return f"{report.network.name}: {model}{made}"


def describe_images(report: RunReport) -> str:
    """Say how many images there are and where they come from."""
    return f"{len(report.images):,} of {Path(*Path(report.images.source).parts[-2:])}"


def describe_regions(report: RunReport) -> str:
    """Shares of the multiplications by region of their row operand, in percent."""
    counts = report.cost.multiplications
    return f"{'/'.join(f'{100 * counts[region] / sum(counts.values()):.0f}' for region in REGIONS)} %"


def _heading(report: RunReport) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_row(Text("network", style="dim"), describe_origin(report))
    grid.add_row(Text("images", style="dim"), describe_images(report))
    grid.add_row(Text("hardware", style="dim"), describe_config(report))
    return grid


def _headline(report: RunReport) -> RenderableType:
    cost = report.cost
    low, high = cost.per_image_uj(cost.low.energy_aj), cost.per_image_uj(cost.high.energy_aj)
    table = _table("Result")
    table.show_header = False
    table.add_column()
    table.add_column(justify="right")
    table.add_row("top-1, float", percent(report.top1_float_percent))
    table.add_row("top-1, integer hardware", Text(percent(report.top1_integer_percent), style="bold"))
    table.add_row("agreement of the two", percent(report.agreement_percent))
    table.add_section()
    table.add_row("multiply-accumulates", f"{cost.macs:,}")
    table.add_row("zero/small/large operand", describe_regions(report))
    table.add_row("cycles", Text(f"{cost.cycles_per_image:,}", style="bold"))
    for reason, cycles in cost.spent.items():
        table.add_row(f"  {REASON_LABELS[reason]}", f"{cycles:,}")
    table.add_row(f"latency at {report.config.freq_mhz} MHz", f"{cost.latency_ms:.3f} ms")
    table.add_row("frames/s", f"{cost.frames_per_second:,.1f}")
    table.add_row("utilisation of the array", f"{100 * cost.utilization:.1f} %")
    table.add_row("  while at products", f"{100 * cost.array_utilization:.1f} %")
    table.add_section()
    table.add_row("energy", Text(f"{microjoules(cost.per_image_uj(cost.total_aj))} µJ", style="bold"))
    table.add_row(f"lowest, {cost.low.table}", f"{microjoules(low)} µJ")
    table.add_row(f"highest, {cost.high.table}", f"{microjoules(high)} µJ")
    return table


def _energy(report: RunReport) -> RenderableType:
    cost = report.cost
    table = _table("Energy of one image")
    table.add_column(cost.table.name)
    for heading in ("µJ", "share"):
        table.add_column(heading, justify="right")
    energy = cost.energy_aj
    largest = max(energy.values())
    for name in COMPONENTS:
        value_uj = microjoules(cost.per_image_uj(energy[name]))
        bar = Text("█" * round(_BAR_CELLS * energy[name] / largest), style="cyan")
        table.add_row(COMPONENT_LABELS[name], value_uj, share(energy[name], cost.total_aj), bar)
    return table


def _layers(report: RunReport, groups: list[LayerGroup], width: int, *, every_layer: bool) -> RenderableType:
    """One line a group; the shares of energy, or the times of single layers, where the terminal is wide enough."""
    cost = report.cost
    table = _table("Cost of each layer, for one image")
    table.add_column("layer", no_wrap=True)
    columns: list[tuple[str, int, Callable[[LayerGroup], str]]] = [
        ("MMAC", 7, lambda group: f"{group.macs / 1e6:,.3f}" if group.macs else "-"),
        ("busy", 7, lambda group: f"{group.busy:,}"),
        ("cycles", 7, lambda group: f"{group.cycles:,}"),
        ("share", 6, lambda group: share(group.cycles, cost.cycles_per_image)),
        ("util.", 6, lambda group: f"{100 * group.utilization:.1f} %" if group.macs else "-"),
        ("µJ", 5, lambda group: microjoules(cost.per_image_uj(group.energy_aj))),
    ]
    if width >= _WIDE:
        if every_layer:
            columns.insert(1, ("starts", 7, lambda group: f"{group.start:,}"))
            columns.insert(2, ("ends", 7, lambda group: f"{group.end:,}"))
        else:
            columns.append(("share", 6, lambda group: share(group.energy_aj, cost.total_aj)))
    for heading, least, _ in columns:
        table.add_column(heading, justify="right", no_wrap=True, min_width=least)  # the names give way, not the figures
    for group in groups:
        name = f"{group.count} x {group.name}" if group.count > 1 else group.name
        table.add_row(name, *(text(group) for _, _, text in columns))
    table.caption = "cycles: of the image that go to the layer; busy: its unit works for it"
    table.caption_justify = "left"
    return table


def _table(title: str) -> Table:
    return Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
        title=f"\n{title}",
        title_justify="left",
        title_style="bold",
    )


def _notes(report: RunReport) -> RenderableType:
    rate = report.machine_macs_per_second
    per_image_ms = 1e3 * report.wall_seconds / len(report.images)
    speed = f"{per_image_ms:.1f} ms an image, {rate / 1e9:.2f} GMAC/s"
    return Text(f"\nsimulated bit-accurately in {report.wall_seconds:.1f} s: {speed}", style="dim")
