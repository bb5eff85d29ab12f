"""What ``hwsim verify`` found, on the terminal and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from hwsim.config import AcceleratorConfig
from hwsim.simulators.toolchain import Simulator
from hwsim.timing.dram import DramModel


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """One element that differs."""

    instruction: int | None
    """None where the byte belongs to no traced result."""
    layer: str
    tensor: str
    element: tuple[int, ...]
    """Index in the tensor; the byte's offset where it belongs to none."""
    address: int
    """Byte address in DRAM."""
    expected: int
    """Raw bits that the model has."""
    found: int
    """Raw bits that the Verilog has."""

    def sentence(self) -> str:
        """One sentence for a reader."""
        where = f"instruction {self.instruction}, " if self.instruction is not None else ""
        return (
            f"first difference: {where}layer {self.layer}, {self.tensor}{list(self.element)} at DRAM {self.address:#x}:"
            f" model {self.expected:#x}, Verilog {self.found:#x}"
        )


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One program on one image."""

    program: Literal["trace", "production"]
    image: int
    """Number of the image, from 0."""
    instructions: int
    bytes_compared: int
    """All of DRAM."""
    mismatched_bytes: int
    cycles_model: int
    cycles_rtl: int
    busy_model: dict[str, int]
    busy_rtl: dict[str, int]
    error: str
    """What the status register says; ``none`` is the only good answer."""
    class_name: str
    label: str | None
    first_mismatch: Mismatch | None = None

    @property
    def equal(self) -> bool:
        """Whether every word and every cycle is the same."""
        same_cycles = self.cycles_model == self.cycles_rtl and self.busy_model == self.busy_rtl
        return self.error == "none" and self.mismatched_bytes == 0 and same_cycles


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What ``hwsim verify`` found."""

    network: str
    config: AcceleratorConfig
    simulator: Simulator
    dram: DramModel
    comparisons: tuple[Comparison, ...]
    model_seconds: float
    rtl_seconds: float
    waves: Path | None
    """File of the waves that were recorded."""

    @property
    def equal(self) -> bool:
        """Whether all comparisons are."""
        return all(one.equal for one in self.comparisons)


def print_verification(found: Verification, console: Console) -> None:
    """One line a program and image, then the verdict."""
    config, dram = found.config, found.dram
    console.print(
        f"{found.network} on {config.name} ({config.array_rows}x{config.array_columns}, {config.pe_style}), "
        f"{found.simulator}; DRAM latency {dram.latency}, stall {dram.stall}/256, seed {dram.seed}"
    )
    table = Table("program", "image", "class", box=None, pad_edge=False)
    for name in ("instructions", "bytes compared", "different", "cycles model", "cycles Verilog"):
        table.add_column(name, justify="right")
    for one in found.comparisons:
        table.add_row(
            one.program, str(one.image), _class(one), f"{one.instructions:,}", f"{one.bytes_compared:,}",
            f"{one.mismatched_bytes:,}", f"{one.cycles_model:,}", f"{one.cycles_rtl:,}",
        )  # fmt: skip
    console.print(table)
    _print_busy(found, console)
    cycles = sum(one.cycles_rtl for one in found.comparisons)
    console.print(
        f"model {found.model_seconds:.1f} s, Verilog {found.rtl_seconds:.1f} s with its build"
        f" ({cycles / max(found.rtl_seconds, 1e-9):,.0f} cycles/s)"
    )
    for one in found.comparisons:
        if one.error != "none":
            console.print(f"{one.program}, image {one.image}: the accelerator stopped with error {one.error}")
        if one.first_mismatch is not None:
            console.print(f"{one.program}, image {one.image}: {one.first_mismatch.sentence()}", soft_wrap=True)
    if found.waves is not None:
        console.print(f"waves: {found.waves}")
    console.print("equal: every byte and every cycle" if found.equal else "NOT EQUAL")


def _class(one: Comparison) -> str:
    if one.label is None:
        return one.class_name
    return f"{one.class_name} ({'right' if one.label == one.class_name else f'label {one.label}'})"


def _print_busy(found: Verification, console: Console) -> None:
    table = Table("busy cycles", box=None, pad_edge=False)
    for one in found.comparisons[-1:]:
        for name in ("model", "Verilog", "share of the total"):
            table.add_column(name, justify="right")
        for queue, model in one.busy_model.items():
            rtl = one.busy_rtl[queue]
            table.add_row(queue, f"{model:,}", f"{rtl:,}", f"{100 * rtl / max(one.cycles_rtl, 1):.1f} %")
    console.print(table)


def verification_dict(found: Verification) -> dict[str, Any]:
    """The same for programs."""
    return {
        "network": found.network,
        "config": found.config.model_dump(),
        "simulator": found.simulator,
        "dram": asdict(found.dram),
        "equal": found.equal,
        "mismatched_words": sum(one.mismatched_bytes for one in found.comparisons),
        "cycles_model": [one.cycles_model for one in found.comparisons],
        "cycles_rtl": [one.cycles_rtl for one in found.comparisons],
        "model_seconds": found.model_seconds,
        "rtl_seconds": found.rtl_seconds,
        "comparisons": [asdict(one) | {"equal": one.equal} for one in found.comparisons],
    }
