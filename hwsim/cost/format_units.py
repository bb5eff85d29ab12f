"""Decoders and encoders of an integer network's number formats: what an accelerator for this network alone would have.

The row decoders are those of all row operands; the encoders those of softmax, of tables (GELU), of the residual stream
and, where rows have scales of their own, of LayerNorm's rows. ``hwsim.cost.area`` prices each for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from hwsim.cost.area import VARIANTS, Variant
from hwsim.errors import HwsimError
from hwsim.formats import ChannelScaled, Codebook, Format, Logarithmic, RowUniform, TwoScale
from hwsim.network import (
    AttentionScores,
    AttentionValues,
    Layer,
    LayerNorm,
    Linear,
    Network,
    Residual,
    Softmax,
    Table,
    TokenMean,
)

DECODER, ROW_OPERAND = "row decoder", "row operand"
ENCODER, TABLE, RESIDUAL, ROW_ENCODER = "softmax encoder", "table encoder", "residual adder", "row encoder"
Side = Literal["decoder", "encoder"]
SIDES: Mapping[str, Side] = {
    DECODER: "decoder", ROW_OPERAND: "decoder", ENCODER: "encoder", TABLE: "encoder", RESIDUAL: "encoder",
    ROW_ENCODER: "encoder",
}  # fmt: skip
"""Which cost a role belongs to."""


def format_units(network: Network) -> tuple[tuple[str, str], ...]:
    """Role and format of each decoder and encoder, each once, as the variants of ``hwsim.cost.area`` name them."""
    return tuple(dict.fromkeys(unit for layer in network.layers for unit in _units(layer, network)))


def units_by_layer(network: Network) -> dict[str, tuple[tuple[str, str], ...]]:
    """Decoders and encoders that each layer needs, by its name."""
    return {layer.name: tuple(dict.fromkeys(_units(layer, network))) for layer in network.layers}


def variant(role: str, format_: str) -> Variant:
    """What to synthesise for a role and a format.

    Raises
    ------
    HwsimError
        If nothing serves them.
    """
    for one in VARIANTS:
        if (one.role, one.format) == (role, format_):
            return one
    raise HwsimError(f"no unit of the Verilog is a {role} for the format {format_}")


def _units(layer: Layer, network: Network) -> Iterator[tuple[str, str]]:
    fmt = network.tensor(layer.output).format
    match layer:
        case Linear() | AttentionScores():
            yield DECODER, _kind(network.tensor(layer.input).format)
        case AttentionValues():
            yield DECODER, _kind(network.tensor(layer.probabilities).format)
        case TokenMean():
            yield DECODER, "uniform"
        case Softmax():
            yield ENCODER, _kind(fmt)
        case Table():
            yield TABLE, "any 8-bit"
        case Residual():
            yield RESIDUAL, _residual_kind(layer.output, network)
        case LayerNorm() if isinstance(fmt, RowUniform):
            yield ROW_ENCODER, "row scales, outliers" if fmt.outliers else "row scales"
            yield ROW_OPERAND, "row scales"
            if fmt.outliers:
                yield ROW_OPERAND, "outliers"
        case _:
            pass


def _kind(fmt: Format) -> str:
    match fmt:
        case TwoScale():
            return "two-scale"
        case Logarithmic():
            return "log2" if fmt.base == "two" else "log-sqrt2"
        case Codebook():
            return "codebook"
        case _:
            return "uniform"


def _residual_kind(tensor: str, network: Network) -> str:
    fmt = network.tensor(tensor).format
    if isinstance(fmt, ChannelScaled):
        return "shift a channel" if network.shifts(tensor).any() else "one scale"
    return "one scale, 16 bits" if fmt.bits > 8 else "one scale"
