"""Bits that each instruction moves through DRAM, activation buffer and weight buffer, as the hardware moves them.

* DRAM moves whole beats: weights and parameters of every column tile, padding included, and the program's own bytes.
* A code of up to 8 bits takes a byte in DRAM and in the activation buffer, a result of more bits two bytes. A weight
  takes a byte in DRAM, or half of one where its layer's are packed (4 bits), and a byte in the weight buffer.
* A read of the activation buffer reads a word: each of its ``word_bytes`` memories, whether or not the reader has use
  for all of them. A write touches the bytes of its mask only.
* The array reads a word of rows, and one of columns from either buffer, in each step of each tile; a step of an outlier
  is a step. The drain reads a word of the residual stream, or of the constant, for each word that it writes.
* Small memories are not counted: parameters, table, LayerNorm's affine, codebook, row table and instructions.

Softmax and LayerNorm read a row once and keep it inside the unit; that is in their own energy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwsim.config import AcceleratorConfig
from hwsim.isa import COLUMN_SOURCES, DRAIN_OPERATIONS, INSTRUCTION_BYTES, LOAD_TARGETS, Instruction
from hwsim.timing.gemm import gemm_tiles

Owner = str | None
"""Name of the pass that an instruction works for (its first layer, im2col aside); None is the program itself."""
HALFWORD_BYTES = 2
OUTLIER_PLANES = 2


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Bits that one or several instructions move, for one image."""

    activation_read_bits: int
    activation_write_bits: int
    weight_write_bits: int
    """From DRAM into the weight buffer."""
    weight_read_bits: int
    dram_read_bits: int
    dram_write_bits: int


def instruction_traffic(
    one: Instruction, config: AcceleratorConfig, tile_steps: NDArray[np.int64] | None = None
) -> Traffic:
    """Traffic of one instruction.

    Parameters
    ----------
    tile_steps : reduction steps of each tile of a product with outliers
    """
    if one.operation == "gemm":
        return _product(one, config, tile_steps)
    if one.operation in ("softmax", "layernorm"):
        return _rows(one, config)
    beats = one["beats"]
    if one.operation == "store":
        return _traffic(activation_read=beats * config.word_bytes, dram_write=beats * config.beat_bytes)
    if one.operation != "load":
        return _traffic()
    target, dram = LOAD_TARGETS[one["target"]], beats * config.beat_bytes
    if target == "weights":
        return _traffic(weight_write=one["steps"] * config.array_columns, dram_read=dram)
    if target == "codes":
        return _traffic(activation_write=one["bytes"], dram_read=dram)
    if target == "halfwords":
        rows = beats // -(-one["run_bytes"] // config.beat_bytes)
        return _traffic(activation_write=rows * one["run_bytes"], dram_read=dram)
    return _traffic(dram_read=dram)


def boot_traffic(config: AcceleratorConfig) -> Traffic:
    """Traffic of the load of segment 0, which the controller makes."""
    return _traffic(dram_read=config.segment_instructions * INSTRUCTION_BYTES)


def add_traffic(*parts: Traffic) -> Traffic:
    """Sum."""
    names = tuple(Traffic.__dataclass_fields__)
    return Traffic(**{name: sum(getattr(part, name) for part in parts) for name in names})


def traffic_by_owner(
    program: list[Instruction],
    owners: list[Owner],
    config: AcceleratorConfig,
    tile_steps: Mapping[int, NDArray[np.int64]],
) -> dict[Owner, Traffic]:
    """Sums over the instructions of each owner; the load that the controller makes is not in them."""
    parts: dict[Owner, list[Traffic]] = {}
    for index, (one, owner) in enumerate(zip(program, owners, strict=True)):
        parts.setdefault(owner, []).append(instruction_traffic(one, config, tile_steps.get(index)))
    return {owner: add_traffic(*mine) for owner, mine in parts.items()}


def _product(one: Instruction, config: AcceleratorConfig, tile_steps: NDArray[np.int64] | None) -> Traffic:
    rows, columns = one["rows"], one["columns"]
    steps = gemm_tiles(rows, columns, config) * one["steps"] if tile_steps is None else int(tile_steps.sum())
    words = rows * -(-columns // config.drain_lanes)
    skips = words if DRAIN_OPERATIONS[one["drain"]] in ("residual", "constant") else 0
    reads_weights = COLUMN_SOURCES[one["column_source"]] == "weights"
    from_activations = 0 if reads_weights else steps
    element_bytes = HALFWORD_BYTES if one["out_halfwords"] else 1
    return _traffic(
        activation_read=(steps + from_activations + skips) * config.word_bytes,
        activation_write=words * config.drain_lanes * element_bytes,
        weight_read=steps * config.array_columns if reads_weights else 0,
    )


def _rows(one: Instruction, config: AcceleratorConfig) -> Traffic:
    softmax = one.operation == "softmax"
    lanes = config.softmax_lanes if softmax else config.layernorm_lanes
    accesses = one["rows"] * -(-one["columns" if softmax else "channels"] // lanes)
    planes = 0 if softmax or not one["outliers"] else OUTLIER_PLANES
    return _traffic(
        activation_read=accesses * config.word_bytes, activation_write=accesses * lanes * (1 + planes)
    )  # fmt: skip


def _traffic(
    activation_read: int = 0,
    activation_write: int = 0,
    weight_write: int = 0,
    weight_read: int = 0,
    dram_read: int = 0,
    dram_write: int = 0,
) -> Traffic:
    """Traffic of so many bytes."""
    return Traffic(
        activation_read_bits=8 * activation_read,
        activation_write_bits=8 * activation_write,
        weight_write_bits=8 * weight_write,
        weight_read_bits=8 * weight_read,
        dram_read_bits=8 * dram_read,
        dram_write_bits=8 * dram_write,
    )
