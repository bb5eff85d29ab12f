"""Closed form of the bits that each pass moves for one image: the tile reuse of an output-stationary array.

An oracle for ``hwsim/cost/traffic.py``, which counts what the instructions of a program move.

* Row operands are read once for each column tile, column operands once for each row tile; ragged tiles move only the
  elements that exist. Codes are packed at their own number of bits, weights at ``weight_bits``.
* Weights of a layer that all have 4 bits come from DRAM at 4 bits each.
* Weights come from DRAM into the weight buffer once an image.
* DRAM is also read for the pixels, the constant of the embedding, and the parameters that the drain and the
  LayerNorm unit keep in registers: bias, multiplier and shift of each column, affine, channels' shifts, table. They
  pass through neither buffer. The logits are written to DRAM.
* Softmax and LayerNorm read a row once and keep it inside the unit. Planes of outliers are written as a whole; how many
  of their channels the array reads depends on the image and is not counted.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import prod

from hwsim.compiler.limits import plane_bits
from hwsim.compiler.lower import Pass, Product, column_operand, gemm_of, lower, row_operand
from hwsim.config import AcceleratorConfig
from hwsim.cost.traffic import Traffic
from hwsim.formats import ChannelScaled, RowUniform
from hwsim.network import AttentionScores, LayerNorm, Linear, Network, Residual, Table

BIAS_BITS = 32
GAMMA_BITS, BETA_BITS = 16, 32
CHANNEL_SHIFT_BITS = 3
CONSTANT_BITS = 16
ROW_TABLE_BITS = 41
"""m, E and z of a row."""


@dataclass(kw_only=True)
class _Bits:
    """Bits so far, with the fields of ``Traffic``."""

    activation_read_bits: int = 0
    activation_write_bits: int = 0
    weight_write_bits: int = 0
    weight_read_bits: int = 0
    dram_read_bits: int = 0
    dram_write_bits: int = 0


def closed_form_traffic(network: Network, config: AcceleratorConfig) -> dict[str, Traffic]:
    """Traffic of each pass, by its name."""
    return {one.main.name: _traffic(network, one, config) for one in lower(network)}


def _traffic(network: Network, one: Pass, config: AcceleratorConfig) -> Traffic:
    bits = _Bits()
    if one.load is not None:
        bits.dram_read_bits += tensor_bits(network, network.manifest.input)
        bits.activation_write_bits += tensor_bits(network, one.load.output)
    if isinstance(one.main, Product):
        _operands(network, one.main, config, bits)
    else:
        fmt = network.tensor(one.main.input).format
        bits.activation_read_bits += prod(network.tensor(one.main.output).shape) * fmt.bits
    bits.dram_read_bits += _parameter_bits(network, one, config)
    if isinstance(one.drain, Residual):
        if one.drain.skip is None:
            bits.dram_read_bits += prod(network.tensor(one.drain.output).shape) * CONSTANT_BITS
        else:
            bits.activation_read_bits += tensor_bits(network, one.drain.skip)
    if one.output == network.manifest.logits:
        bits.dram_write_bits += tensor_bits(network, one.output)
    else:
        bits.activation_write_bits += tensor_bits(network, one.output) + plane_bits(network, one.output)
    return Traffic(**asdict(bits))


def _operands(network: Network, layer: Product, config: AcceleratorConfig, bits: _Bits) -> None:
    gemm = gemm_of(network, layer)
    row_tiles = -(-gemm.rows // config.array_rows)
    column_tiles = -(-gemm.columns // config.array_columns)
    row_bits = gemm.copies * gemm.rows * gemm.depth * network.tensor(row_operand(layer)).format.bits
    bits.activation_read_bits += row_bits * column_tiles
    columns = gemm.copies * gemm.columns * gemm.depth
    column_tensor = column_operand(layer)
    if column_tensor is not None:
        bits.activation_read_bits += columns * network.tensor(column_tensor).format.bits * row_tiles
        return
    weight = network.arrays[f"{layer.name}.weight"]
    bits.dram_read_bits += columns * (4 if weight.min() >= -8 and weight.max() <= 7 else config.weight_bits)
    bits.weight_write_bits += columns * config.weight_bits
    bits.weight_read_bits += columns * config.weight_bits * row_tiles


def _parameter_bits(network: Network, one: Pass, config: AcceleratorConfig) -> int:
    main, multiplier_bits = one.main, config.multiplier_bits + config.multiplier_shift_bits
    columns = network.tensor(main.output).shape[-1]
    if isinstance(main, LayerNorm):
        bits = columns * (GAMMA_BITS + BETA_BITS + CHANNEL_SHIFT_BITS)
        out = network.tensor(main.output)
        return bits + (out.shape[0] * ROW_TABLE_BITS if isinstance(out.format, RowUniform) else 0)
    if not isinstance(main, Product):
        return 0  # the table of exponentials is wired in
    bits = (main.heads if isinstance(main, AttentionScores) else columns) * multiplier_bits
    if isinstance(main, Linear):
        bits += columns * BIAS_BITS
    if isinstance(one.drain, Table):
        entries = 1 << network.tensor(one.drain.input).format.bits
        bits += entries * network.tensor(one.drain.output).format.bits
    if isinstance(one.drain, Residual):
        tensors = 1 if one.drain.skip is None else 2
        if isinstance(network.tensor(one.drain.output).format, ChannelScaled):
            bits += multiplier_bits + columns * tensors * CHANNEL_SHIFT_BITS
    return bits


def tensor_bits(network: Network, name: str) -> int:
    """Bits of a tensor, its codes packed."""
    spec = network.tensor(name)
    return prod(spec.shape) * spec.format.bits
