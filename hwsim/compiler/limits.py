"""Refusal of what a configuration cannot hold: operand widths, multipliers, row lengths, the weight buffer."""

from __future__ import annotations

from math import prod
from typing import NoReturn

from hwsim.compiler.lower import Pass, Product, column_operand, gemm_of, row_operand
from hwsim.compiler.proof import operand_range
from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError
from hwsim.formats import RowUniform
from hwsim.network import LayerNorm, Network, Rearrange, Residual, Softmax
from hwsim.units.timing import SOFTMAX_COLUMNS_MAX

ROWS_MAX = 1024
"""Rows of the row table."""
LIMB_BITS = 8
"""Of the high and of the low part of an outlier."""


def check_limits(network: Network, passes: list[Pass], config: AcceleratorConfig) -> None:
    """Check every pass against the configuration; whether activations fit, the program's allocation says.

    Raises
    ------
    HwsimError
        Naming the layer or tensor, what it needs, the key and its value.
    """
    by_windows = any(isinstance(one.load, Rearrange) for one in passes)  # then the table holds the rows of a band
    for one in passes:
        if isinstance(one.main, Product):
            _row_operand(network, one.main, config)
            if not by_windows:
                _row_table(network, one.main)
            _column_operand(network, one.main, config)
            _multipliers(network, one.main, config)
        if isinstance(one.main, LayerNorm):
            _row_length(network, one.main, config)
        if isinstance(one.main, Softmax):
            _score_row_length(network, one.main)
        if isinstance(one.drain, Residual):
            _residual_multiplier(network, one.drain, config)


def plane_bits(network: Network, name: str) -> int:
    """Bits of the two planes of outliers beside a tensor."""
    spec = network.tensor(name)
    has_outliers = isinstance(spec.format, RowUniform) and spec.format.outliers
    return 2 * LIMB_BITS * prod(spec.shape) if has_outliers else 0


def _row_operand(network: Network, layer: Product, config: AcceleratorConfig) -> None:
    name = row_operand(layer)
    if name is None:
        return
    low, high, used = operand_range(network, name)
    if not _fits(low, high, config.mantissa_bits):
        _refuse(
            network, layer.name, f"reads {name}, whose mantissas run from {low} to {high}",
            f"mantissas of mantissa_bits = {config.mantissa_bits} signed bits",
        )  # fmt: skip
    if max(used) >= 1 << config.term_shift_bits:
        _refuse(
            network, layer.name, f"reads {name}, which shifts by {max(used)}",
            f"shifts of term_shift_bits = {config.term_shift_bits} bits",
        )  # fmt: skip
    if config.pe_style == "two_accumulator" and len(set(used) - {0}) > 1:
        _refuse(network, layer.name, f"reads {name}, which shifts by {used}", "one nonzero shift for two_accumulator")
    fmt = network.tensor(name).format
    if isinstance(fmt, RowUniform) and fmt.outliers and config.pe_style == "two_accumulator":
        _refuse(network, layer.name, f"reads {name}, which has outliers", "none for two_accumulator")


def _row_table(network: Network, layer: Product) -> None:
    name = row_operand(layer)
    if name is None or not isinstance(network.tensor(name).format, RowUniform):
        return
    rows = network.row_period(name)
    if rows > ROWS_MAX:
        _refuse(network, layer.name, f"reads {name}, which has {rows} rows with scales", f"at most {ROWS_MAX}")


def _column_operand(network: Network, layer: Product, config: AcceleratorConfig) -> None:
    name = column_operand(layer)
    if name is not None:
        bits = network.tensor(name).format.bits
        if bits > config.weight_bits:
            _refuse(
                network, layer.name, f"feeds {bits}-bit codes of {name} to the columns",
                f"at most weight_bits = {config.weight_bits}",
            )  # fmt: skip
        return
    weight = network.arrays[f"{layer.name}.weight"]
    if not _fits(int(weight.min()), int(weight.max()), config.weight_bits):
        _refuse(
            network, layer.name, f"has weights from {weight.min()} to {weight.max()}",
            f"weights of weight_bits = {config.weight_bits} signed bits",
        )  # fmt: skip
    tile_bytes = -(-gemm_of(network, layer).depth * config.array_columns * config.weight_bits // 8)
    if 2 * tile_bytes > config.weight_buffer_bytes:
        _refuse(
            network, layer.name, f"needs two banks of {tile_bytes} bytes for a tile of weights",
            f"at most weight_buffer_bytes = {config.weight_buffer_bytes} for both",
        )  # fmt: skip


def _multipliers(network: Network, layer: Product, config: AcceleratorConfig) -> None:
    mult, shift = (int(network.arrays[f"{layer.name}.{name}"].max()) for name in ("mult", "shift"))
    _multiplier(network, layer.name, mult, shift, config)


def _residual_multiplier(network: Network, layer: Residual, config: AcceleratorConfig) -> None:
    _multiplier(network, layer.name, layer.mult, layer.shift, config)


def _multiplier(network: Network, name: str, mult: int, shift: int, config: AcceleratorConfig) -> None:
    if not _fits(0, mult, config.multiplier_bits):
        expected = f"multipliers of multiplier_bits = {config.multiplier_bits} signed bits"
        _refuse(network, name, f"multiplies by {mult}", expected)
    if shift >= 1 << config.multiplier_shift_bits:
        expected = f"shifts of multiplier_shift_bits = {config.multiplier_shift_bits} bits"
        _refuse(network, name, f"shifts by {shift}", expected)


def _row_length(network: Network, layer: LayerNorm, config: AcceleratorConfig) -> None:
    channels = prod(network.tensor(layer.output).shape[1:])
    if channels > config.layernorm_channels_max:
        expected = f"at most layernorm_channels_max = {config.layernorm_channels_max}"
        _refuse(network, layer.name, f"has rows of {channels} channels", expected)


def _score_row_length(network: Network, layer: Softmax) -> None:
    columns = network.tensor(layer.output).shape[-1]
    if columns > SOFTMAX_COLUMNS_MAX:
        _refuse(network, layer.name, f"has rows of {columns} scores", f"at most {SOFTMAX_COLUMNS_MAX}")


def _fits(low: int, high: int, bits: int) -> bool:
    return -(1 << (bits - 1)) <= low and high < 1 << (bits - 1)


def _refuse(network: Network, name: str, found: str, expected: str) -> NoReturn:
    raise HwsimError(f"network {network.name}: layer {name} {found}, expected {expected}")
