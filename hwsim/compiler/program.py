"""What the compiler makes of a network and the machine, the cost model and the report read.

A pass goes through one unit: a GEMM with what its drain does (table, residual adder),
a softmax over score rows, a LayerNorm over residual rows. Layers that one drain performs in a row are
fused into one pass; their intermediate results never reach a buffer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hwsim.config import AcceleratorConfig
from hwsim.network import Network

Unit = Literal["pe_array", "softmax", "layernorm"]


@dataclass(frozen=True, kw_only=True)
class Gemm:
    """Shape of a matrix product: ``copies`` products of [rows, depth] by [depth, columns]."""

    rows: int
    columns: int
    depth: int
    copies: int
    column_operand: Literal["weights", "activations"]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all copies."""
        return self.copies * self.rows * self.columns * self.depth

    def tiles(self, config: AcceleratorConfig) -> int:
        """Output tiles of all copies on the array, ragged ones counted whole."""
        row_tiles = -(-self.rows // config.array_rows)
        column_tiles = -(-self.columns // config.array_columns)
        return self.copies * row_tiles * column_tiles


@dataclass(frozen=True, kw_only=True)
class PassSummary:
    """One pass through one unit."""

    name: str
    """Name of the layer that the unit itself performs: the first one, im2col aside."""
    layers: tuple[str, ...]
    """Every network layer it performs, in order."""
    unit: Unit
    gemm: Gemm | None
    """Set where ``unit`` is ``pe_array``."""
    rows: int
    """Rows that leave the unit (score rows of all heads for softmax)."""
    channels: int
    """Elements in a row."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A network compiled for one configuration, for one image."""

    network: Network
    config: AcceleratorConfig
    passes: tuple[PassSummary, ...]
    accumulator_bounds: dict[str, int]
    """Proved largest magnitude of ``acc + bias`` and of every partial sum, by layer name."""


@dataclass(frozen=True, kw_only=True)
class OperandCounts:
    """Row operands that one GEMM pass fed to the array, summed over the images, ragged rows left out.

    Each is used in ``columns`` multiplications.
    """

    zero: int
    """Mantissa is zero."""
    small: int
    """Mantissa is not zero, shift is zero."""
    large: int
    """Mantissa and shift are not zero."""
