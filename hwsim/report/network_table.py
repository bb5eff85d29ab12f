"""A network as tables: how it was made, its layers with their formats, and the bounds proved of its accumulators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from hwsim.compiler.program import Program
from hwsim.formats import ChannelScaled, Format, Logarithmic, RowUniform, TwoScale, Uniform
from hwsim.network import Layer, Origin
from hwsim.report.groups import kind


@dataclass(frozen=True, kw_only=True)
class NetworkReport:
    """A network compiled for one configuration, and what a reader wants to know of it."""

    program: Program

    @property
    def weight_count(self) -> int:
        """Weights of all products."""
        return sum(array.size for name, array in self.program.network.arrays.items() if name.endswith(".weight"))

    @property
    def array_bytes(self) -> int:
        """Bytes of weights, multipliers, tables and constants."""
        return sum(array.nbytes for array in self.program.network.arrays.values())

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return sum(one.gemm.macs for one in self.program.passes if one.gemm)


@dataclass(frozen=True, kw_only=True)
class _Row:
    layers: list[Layer]
    macs: int
    bound: int
    """0 where nothing is accumulated."""


def print_network(report: NetworkReport, console: Console, *, every_layer: bool = False) -> None:
    """Print a network; ``every_layer`` shows each layer for itself instead of one line a kind."""
    console.print(_origin(report))
    console.print(_layers(report, every_layer=every_layer))


def describe_formats(formats: Sequence[Format], channel_shifts: Sequence[int] = ()) -> str:
    """Say what codes some tensors hold; z: zero point, m: exponent of the coarse step, s: largest or channels' shift.

    >>> describe_formats([Uniform(bits=8, signed=False, zero_point=7), Uniform(bits=8, signed=False, zero_point=9)])
    'uint8, z 7..9'
    """
    alike: dict[str, list[Format]] = {}
    for fmt in formats:
        alike.setdefault(_encoding(fmt), []).append(fmt)
    return " or ".join(f"{encoding}{_parameter(group, channel_shifts)}" for encoding, group in alike.items())


def _encoding(fmt: Format) -> str:
    if isinstance(fmt, Uniform):
        return f"{'int' if fmt.signed else 'uint'}{fmt.bits}"
    if isinstance(fmt, Logarithmic):
        return f"{'log2' if fmt.base == 'two' else 'log-sqrt2'} {fmt.bits} bits"
    if isinstance(fmt, RowUniform):
        outliers = ", outliers" if fmt.outliers else ""
        return f"{'int' if fmt.signed else 'uint'}{fmt.bits} by rows{outliers}"
    if isinstance(fmt, ChannelScaled):
        return f"int{fmt.bits} << s"
    return f"{'V-2SF' if isinstance(fmt, TwoScale) else 'codebook'} {fmt.bits} bits"


def _parameter(formats: Sequence[Format], channel_shifts: Sequence[int]) -> str:
    """What differs between formats of one encoding."""
    zero_points = [fmt.zero_point for fmt in formats if isinstance(fmt, Uniform)]
    if zero_points:
        return f", z {_range(zero_points)}" if any(zero_points) else ""
    if shifts := [fmt.max_shift for fmt in formats if isinstance(fmt, Logarithmic)]:
        return f", s {_range(shifts)}"
    if isinstance(formats[0], ChannelScaled):
        return f", s {_range(channel_shifts)}" if channel_shifts else ""
    exponents = [fmt.exponent for fmt in formats if isinstance(fmt, TwoScale)]
    return f", m {_range(exponents)}" if exponents else ""


def _range(values: Sequence[int]) -> str:
    return f"{min(values)}..{max(values)}" if min(values) < max(values) else str(values[0])


def _origin(report: NetworkReport) -> Table:
    network, origin = report.program.network, report.program.network.manifest.origin
    preprocess = network.manifest.preprocess
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_row("network", network.name if network.name == origin.model else f"{network.name}, {origin.model}")
    made = f"{origin.method}, {origin.bits} bits, {origin.calibration_images} calibration images, seed {origin.seed}"
    grid.add_row("made by", made)
    if origin.options:
        grid.add_row("options", ", ".join(f"{key} {value}" for key, value in origin.options.items()))
    if origin.versions:
        grid.add_row("versions", ", ".join(f"{key} {value}" for key, value in origin.versions.items()))
    grid.add_row("accuracy", _accuracy(origin))
    grid.add_row(
        "input",
        f"{preprocess.size}x{preprocess.size} {preprocess.mode}, short side to {preprocess.resize} "
        f"({preprocess.interpolation}), {len(network.manifest.classes)} classes",
    )
    grid.add_row(
        "size",
        f"{report.weight_count:,} weights, {report.array_bytes / 1e6:.2f} MB with tables, "
        f"{report.macs:,} multiply-accumulates an image",
    )
    worst = max(report.program.accumulator_bounds.items(), key=lambda item: item[1], default=("none", 0))
    width = report.program.config.accumulator_bits
    proved = f"no sum needs more than {worst[1].bit_length() + 1} of {width} bits (most: {worst[0]})"
    grid.add_row("proved", proved)
    return grid


def _accuracy(origin: Origin) -> str:
    named = (("float", origin.top1_float), ("paper mode", origin.top1_paper), ("integer mode", origin.top1_integer))
    parts = [f"{name} {value:.2f} %" for name, value in named if value is not None]
    if not parts:
        return "not recorded"
    images = f" on {origin.accuracy_images:,} images" if origin.accuracy_images else ""
    data = f" of {origin.accuracy_data}" if origin.accuracy_data else ""
    return f"top-1 {', '.join(parts)}{images}{data}"


def _layers(report: NetworkReport, *, every_layer: bool) -> Table:
    network = report.program.network
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, title="", title_justify="left")
    table.add_column("layer", no_wrap=True)
    table.add_column("operator", no_wrap=True)
    table.add_column("output")
    table.add_column("codes")
    table.add_column("MMAC", justify="right")
    table.add_column("accumulator", justify="right")
    for name, row in _rows(report, every_layer=every_layer).items():
        names = [layer.output for layer in row.layers]
        tensors = [network.tensor(name) for name in names]
        shifts = np.concatenate([network.shifts(name) for name in names]).tolist()
        table.add_row(
            f"{len(row.layers)} x {name}" if len(row.layers) > 1 else row.layers[0].name,
            row.layers[0].op,
            " or ".join(dict.fromkeys("x".join(str(side) for side in tensor.shape) for tensor in tensors)),
            describe_formats([tensor.format for tensor in tensors], shifts),
            f"{row.macs / 1e6:,.3f}" if row.macs else "-",
            f"{row.bound.bit_length() + 1} bits" if row.bound else "-",
        )
    return table


def _rows(report: NetworkReport, *, every_layer: bool) -> dict[str, _Row]:
    """Layers by name or by kind, in order."""
    macs = _macs_by_layer(report.program)
    rows: dict[str, _Row] = {}
    for layer in report.program.network.layers:
        key = layer.name if every_layer else kind(layer.name)
        before = rows.get(key, _Row(layers=[], macs=0, bound=0))
        rows[key] = _Row(
            layers=[*before.layers, layer],
            macs=before.macs + macs.get(layer.name, 0),
            bound=max(before.bound, report.program.accumulator_bounds.get(layer.name, 0)),
        )
    return rows


def _macs_by_layer(program: Program) -> dict[str, int]:
    """Multiply-accumulates of the layer that multiplies in each pass."""
    multiplying = {"linear", "attention_scores", "attention_values", "token_mean"}
    op_of = {layer.name: layer.op for layer in program.network.layers}
    macs: dict[str, int] = {}
    for summary in program.passes:
        for name in summary.layers:
            if summary.gemm and op_of[name] in multiplying:
                macs[name] = summary.gemm.macs
    return macs
