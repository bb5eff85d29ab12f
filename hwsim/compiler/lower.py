"""Lowering: groups the layers of a network into passes through the array, the softmax unit and the LayerNorm unit.

A table or a residual adder belongs to the drain of the product whose result it takes; im2col and a rearrangement of
rows belong to the DMA that loads the rows of the product or LayerNorm after it; none runs alone.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import NoReturn

from hwsim.compiler.program import Gemm, Unit
from hwsim.errors import HwsimError
from hwsim.network import (
    AttentionScores,
    AttentionValues,
    Im2col,
    Layer,
    LayerNorm,
    Linear,
    Network,
    Rearrange,
    Residual,
    Softmax,
    Table,
    TokenMean,
)
from hwsim.network_check import layer_inputs

Product = Linear | AttentionScores | AttentionValues | TokenMean
Load = Im2col | Rearrange


@dataclass(frozen=True, kw_only=True)
class Pass:
    """Layers of one pass: what loads its rows, what the unit performs, what its drain does."""

    main: Product | Softmax | LayerNorm
    load: Load | None = None
    drain: Table | Residual | None = None

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer, in order."""
        return tuple(layer for layer in (self.load, self.main, self.drain) if layer is not None)

    @property
    def output(self) -> str:
        """Tensor that leaves the pass."""
        return (self.drain or self.main).output

    @property
    def unit(self) -> Unit:
        """Unit that performs ``main``."""
        if isinstance(self.main, Softmax):
            return "softmax"
        return "layernorm" if isinstance(self.main, LayerNorm) else "pe_array"


def lower(network: Network) -> list[Pass]:
    """Group the layers of a network into passes, in order.

    Raises
    ------
    HwsimError
        If a layer has no unit to run in: a table or a residual adder that does not directly follow a product whose
        result nothing else reads, or an im2col or a rearrangement that is not followed by what alone reads it.
    """
    readers = _reader_counts(network)
    rest = deque(network.layers)
    passes: list[Pass] = []
    while rest:
        first = rest.popleft()
        load = first if isinstance(first, Load) else None
        main = rest.popleft() if load is not None and rest else first
        reads_rows = isinstance(main, Linear) or (isinstance(main, LayerNorm) and isinstance(load, Rearrange))
        alone = load is not None and load.output in layer_inputs(main, "") and readers[load.output] == 1
        if load is not None and not (reads_rows and alone):
            beside = "" if isinstance(load, Im2col) else " or LayerNorm"
            _refuse(network, load, f"must be followed by the linear layer{beside} that alone reads it")
        if not isinstance(main, Product | Softmax | LayerNorm):
            _refuse(network, main, "must directly follow a linear layer whose output nothing else reads")
        drain = _drain(main, rest[0]) if rest and readers[main.output] == 1 else None
        if drain is not None:
            rest.popleft()
        passes.append(Pass(load=load, main=main, drain=drain))
    return passes


def gemm_of(network: Network, layer: Product) -> Gemm:
    """Shape of the matrix product of a layer."""
    if isinstance(layer, Linear):
        rows, depth = network.tensor(layer.input).shape
        columns = network.tensor(layer.output).shape[1]
        return Gemm(rows=rows, columns=columns, depth=depth, copies=1, column_operand="weights")
    if isinstance(layer, TokenMean):
        tokens, width = network.tensor(layer.input).shape
        return Gemm(rows=1, columns=width, depth=tokens, copies=1, column_operand="activations")
    qkv = layer.input if isinstance(layer, AttentionScores) else layer.values
    rows, width = network.tensor(qkv).shape
    tokens, head_width = rows // layer.windows, width // (3 * layer.heads)
    columns, depth = (tokens, head_width) if isinstance(layer, AttentionScores) else (head_width, tokens)
    copies = layer.windows * layer.heads
    return Gemm(rows=tokens, columns=columns, depth=depth, copies=copies, column_operand="activations")


def row_operand(layer: Product) -> str | None:
    """Tensor that the row decoders read, or None where they read ones."""
    if isinstance(layer, TokenMean):
        return None
    return layer.probabilities if isinstance(layer, AttentionValues) else layer.input


def column_operand(layer: Product) -> str | None:
    """Tensor that feeds the columns, or None where the weights do."""
    if isinstance(layer, Linear):
        return None
    return layer.values if isinstance(layer, AttentionValues) else layer.input


def _drain(main: Layer, follower: Layer) -> Table | Residual | None:
    """The layer after ``main``, where the drain of ``main`` performs it too."""
    if isinstance(main, Product):
        if isinstance(follower, Table) and follower.input == main.output:
            return follower
        if isinstance(follower, Residual) and follower.branch == main.output:
            return follower
    return None


def _reader_counts(network: Network) -> Counter[str]:
    read = [name for layer in network.layers for name in layer_inputs(layer, network.manifest.input)]
    return Counter([*read, network.manifest.logits])


def _refuse(network: Network, layer: Layer, reason: str) -> NoReturn:
    raise HwsimError(f"network {network.name}: layer {layer.name} ({layer.op}) {reason}")
