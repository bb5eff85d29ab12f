"""Cycles of every matrix product, beside the ideal and SCALE-Sim, with the reason of each difference.

``python -m benchmarks.layer_cycles`` schedules a DeiT-Tiny-shaped network with random weights on ``edge``, or each
network folder that is given. Cycles depend on weights and pixels only where rows have outliers; then the image is
random. The schedule is that of the compiled program, which ``hwsim verify`` compares with the Verilog, difference 0.

    ideal       tiles * K: every tile an array of R x C sums, one reduction step a cycle
    SCALE-Sim   folds * (R + C + K - 2) - 1, version 3.0.0, output stationary: operands pass from PE to PE
    cycles      from a product's first operand to the next one's, less the time in which the array waits for softmax,
                LayerNorm or the program; what it waits for the DMA counts
    use         MAC / (R * C * cycles)

A product of attention is that of one head.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler import compile_network
from hwsim.compiler.executable import Executable, compile_executable
from hwsim.compiler.program import Gemm
from hwsim.config import AcceleratorConfig, load_preset
from hwsim.cost.cycles import profile
from hwsim.cost.waits import Reason, spans
from hwsim.flows.explore_shapes import random_pixels, shape_network
from hwsim.interpreter import run_program
from hwsim.network import Network, load_network
from hwsim.report.groups import kind
from hwsim.timing.schedule import BOOT

Key = tuple[str, int]
"""Layer, and head; 0 where the layer has one product."""
OTHER_UNITS: tuple[Reason, ...] = ("softmax", "layernorm", "program")


@dataclass(kw_only=True)
class Row:
    """One product, or several of a kind."""

    name: str
    shape: str
    count: int = 0
    macs: int = 0
    ideal: int = 0
    scale_sim: int = 0
    spent: Counter[Reason] = field(default_factory=Counter)

    @property
    def cycles(self) -> int:
        """Cycles that go to the products."""
        return sum(self.spent.values())

    def use(self, config: AcceleratorConfig) -> float:
        """Share of the multipliers that do wanted work, in percent."""
        return 100 * self.macs / (config.array_rows * config.array_columns * self.cycles)


def scale_sim_cycles(rows: int, columns: int, depth: int, config: AcceleratorConfig) -> int:
    """SCALE-Sim 3.0.0, output stationary, one product."""
    folds = -(-rows // config.array_rows) * -(-columns // config.array_columns)
    return folds * (config.array_rows + config.array_columns + depth - 2) - 1


def measure(network: Network, config: AcceleratorConfig) -> tuple[list[Row], Counter[Reason], int]:
    """Rows of all products in the order of the network, cycles of the whole program by reason, and their sum."""
    program, executable = compile_network(network, config), compile_executable(network, config)
    steps = outlier_steps(network, executable)
    times = profile(executable, program, steps)
    shapes = {one.name: one.gemm for one in program.passes if one.gemm is not None}
    rows: dict[Key, Row] = {}
    for name, gemm in shapes.items():
        for head in range(gemm.copies):
            rows[name, head] = _row(name if gemm.copies == 1 else f"{name}, head {head}", gemm, config)
    whole: Counter[Reason] = Counter()
    for span in spans(executable.program, times.timeline, config, steps):
        whole[span.reason] += span.end - span.first
        owner = None if span.instruction == BOOT else times.owners[span.instruction]
        if owner in shapes and span.reason not in OTHER_UNITS:
            rows[owner, executable.heads[span.instruction] or 0].spent[span.reason] += span.end - span.first
    return list(rows.values()), whole, times.timeline.cycles


def outlier_steps(network: Network, executable: Executable) -> dict[int, NDArray[np.int64]]:
    """Steps of each tile for a random image, where rows have outliers."""
    if not any(one["outliers"] for one in executable.program):
        return {}
    return run_program(executable.with_image(random_pixels(network, 1)[0]), executable.config).tile_steps


def _row(name: str, gemm: Gemm, config: AcceleratorConfig) -> Row:
    one = Gemm(rows=gemm.rows, columns=gemm.columns, depth=gemm.depth, copies=1, column_operand=gemm.column_operand)
    return Row(
        name=name, shape=f"{gemm.rows} x {gemm.depth} x {gemm.columns}", count=1, macs=one.macs,
        ideal=one.tiles(config) * gemm.depth,
        scale_sim=scale_sim_cycles(gemm.rows, gemm.columns, gemm.depth, config),
    )  # fmt: skip


def by_kind(rows: Iterable[Row]) -> list[Row]:
    """Sums over the products of a kind."""
    sums: dict[str, Row] = {}
    for row in rows:
        name = kind(row.name.partition(",")[0])
        total = sums.setdefault(name, Row(name=name, shape=row.shape))
        total.count += row.count
        total.macs += row.macs
        total.ideal += row.ideal
        total.scale_sim += row.scale_sim
        total.spent += row.spent
    return list(sums.values())


def total_of(rows: list[Row]) -> Row:
    """Sum over all products."""
    total = Row(name="all products", shape="")
    for row in rows:
        total.count, total.macs = total.count + row.count, total.macs + row.macs
        total.ideal, total.scale_sim = total.ideal + row.ideal, total.scale_sim + row.scale_sim
        total.spent += row.spent
    return total


def print_rows(rows: list[Row], config: AcceleratorConfig) -> None:
    """Print a Markdown table."""
    print("| products | rows x K x columns | MAC | ideal | SCALE-Sim | cycles | drain | DMA | use |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in [*rows, total_of(rows)]:
        name = row.name if row.count == 1 else f"{row.count} x {row.name}"
        print(
            f"| {name} | {row.shape} | {row.macs:,} | {row.ideal:,} | {row.scale_sim:,} | {row.cycles:,} |"
            f" {row.spent['drain']:,} | {row.spent['dma']:,} | {row.use(config):.1f} % |"
        )


def report(network: Network, config: AcceleratorConfig, every: bool) -> None:
    """Print one network's figures."""
    rows, whole, cycles = measure(network, config)
    total = total_of(rows)
    fill = total.scale_sim - total.ideal
    print(f"{network.name} on {config.name}: {cycles:,} cycles an image\n")
    print_rows(rows if every else by_kind(rows), config)
    print(
        f"\ncycles = ideal + steps more + drain + DMA: {total.cycles:,} = {total.ideal:,} +"
        f" {total.spent['array'] - total.ideal:,} + {total.spent['drain']:,} + {total.spent['dma']:,}"
        "\n(no fill: operands are broadcast, and a product's first step follows the last of the one before; steps more:"
        " outliers, and heads that do not fill tiles)"
        f"\nimage = products + waits of the array for softmax {whole['softmax']:,}, LayerNorm"
        f" {whole['layernorm']:,} with its DMA {whole['dma'] - total.spent['dma']:,}, program {whole['program']:,}"
        f"\nSCALE-Sim = ideal + fill of each fold: {total.scale_sim:,} = {total.ideal:,} + {fill:,}"
        f"\nideal use {100 * total.macs / (config.array_rows * config.array_columns * total.ideal):.1f} %:"
        " tiles that the matrices do not fill"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", type=Path, help="network folders instead of the random one")
    parser.add_argument("--preset", default="edge")
    parser.add_argument("--all", action="store_true", help="every product for itself")
    arguments = parser.parse_args()
    config = load_preset(arguments.preset)
    networks = [load_network(path) for path in arguments.networks] or [shape_network("deit_tiny_patch16_224")]
    for network in networks:
        report(network, config, arguments.all)


if __name__ == "__main__":
    main()
