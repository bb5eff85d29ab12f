"""DRAM: how weights, parameters, tables and constants lie in it for the DMA, and the sections one after another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler.operations import Section
from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError
from hwsim.network import RowArrays

TABLE_BYTES = 1024
"""Every load of a table brings all entries; those that the pre-activation cannot reach are 0."""
PARAMETER_BYTES = 8
ZERO_POINT_BITS = 9
DRAM_BYTES_MAX = 1 << 32


def burst_bytes(config: AcceleratorConfig) -> int:
    """Bytes of the longest burst; every piece of DRAM begins at a multiple of it."""
    return config.burst_beats * config.beat_bytes


def parameter_entries(
    bias: NDArray[Any], mult: NDArray[Any], shift: NDArray[Any], old_shift: NDArray[Any], new_shift: NDArray[Any]
) -> NDArray[np.uint64]:
    """Entries of the drain, one a column: bias 32, M 16, s 6, old channel shift 3, new one 3, from bit 0."""
    entries = bias.astype(np.int64).astype(np.uint64) & np.uint64((1 << 32) - 1)
    for values, lsb in ((mult, 32), (shift, 48), (old_shift, 54), (new_shift, 57)):
        entries |= values.astype(np.uint64) << np.uint64(lsb)
    return entries


def layernorm_entries(gamma: NDArray[Any], beta: NDArray[Any], shift: NDArray[Any]) -> NDArray[np.uint64]:
    """Entries of LayerNorm, one a channel: gamma 16, beta 32, channel shift 3, from bit 0."""
    entries = gamma.astype(np.int64).astype(np.uint64) & np.uint64((1 << 16) - 1)
    entries |= (beta.astype(np.int64).astype(np.uint64) & np.uint64((1 << 32) - 1)) << np.uint64(16)
    return entries | shift.astype(np.uint64) << np.uint64(48)


def row_entries(rows: RowArrays) -> NDArray[np.uint64]:
    """Entries of the row table: m 16, E 16, z 9, from bit 0."""
    entries: NDArray[np.uint64] = rows.multipliers.astype(np.uint64) | rows.encode_multipliers.astype(
        np.uint64
    ) << np.uint64(16)
    zero_points = rows.zero_points.astype(np.int64) & ((1 << ZERO_POINT_BITS) - 1)
    entries |= zero_points.astype(np.uint64) << np.uint64(32)
    return entries


def entry_beats(entries: NDArray[np.uint64], count: int, config: AcceleratorConfig) -> NDArray[np.uint8]:
    """One entry a beat, ``count`` beats; those without an entry are 0."""
    beats = np.zeros((count, config.beat_bytes), np.uint8)
    beats[: len(entries), :PARAMETER_BYTES] = entries.astype("<u8").view(np.uint8).reshape(-1, PARAMETER_BYTES)
    return beats.reshape(-1)


def fits_packed(weights: NDArray[np.int8]) -> bool:
    """Whether every weight has 4 bits."""
    return int(weights.min()) >= -8 and int(weights.max()) <= 7


def weight_tile_bytes(
    weights: NDArray[np.int8], entries: NDArray[np.uint64], config: AcceleratorConfig, packed: bool = False
) -> NDArray[np.uint8]:
    """A column tile: a step after another, then its parameters, which begin a beat.

    Parameters
    ----------
    weights : int8[columns, steps]; steps may be 0
    entries : uint64[columns]
    packed : two weights a byte, for weights that ``fits_packed``
    """
    columns, steps = weights.shape
    rows = np.zeros((steps, max(config.array_columns, config.beat_bytes)), np.uint8)
    rows[:, :columns] = weights.T.view(np.uint8) if steps else 0
    stream = _packed(rows.reshape(-1), config) if packed else rows.reshape(-1)
    return np.concatenate([stream, entry_beats(entries, config.array_columns, config)])


def _packed(stream: NDArray[np.uint8], config: AcceleratorConfig) -> NDArray[np.uint8]:
    """Weights 2 i and 2 i + 1 in the low and the high half of byte i, up to the end of a beat."""
    nibbles = np.zeros(-(-len(stream) // (2 * config.beat_bytes)) * 2 * config.beat_bytes, np.uint8)
    nibbles[: len(stream)] = stream & 15
    return nibbles[::2] | nibbles[1::2] << np.uint8(4)


def constant_rows(constant: NDArray[np.int16], config: AcceleratorConfig) -> NDArray[np.uint8]:
    """Halfwords row by row, each row whole beats and whole accesses of the drain."""
    lanes = max(config.drain_lanes, config.beat_bytes // 2)
    rows = np.zeros((constant.shape[0], -(-constant.shape[1] // lanes) * lanes), "<i2")
    rows[:, : constant.shape[1]] = constant
    return rows.view(np.uint8).reshape(-1)


def place_sections(sections: Iterable[Section], config: AcceleratorConfig) -> NDArray[np.uint8]:
    """Give every section its address, one after another on bursts, and return the memory.

    Raises
    ------
    HwsimError
        If the addresses do not fit 32 bits.
    """
    burst, end = burst_bytes(config), 0
    sections = list(sections)
    for section in sections:
        section.address = end
        end += -(-len(section.data) // burst) * burst
    if end > DRAM_BYTES_MAX:
        raise HwsimError(f"the program needs {end} bytes of DRAM, expected at most {DRAM_BYTES_MAX}")
    memory = np.zeros(end, np.uint8)
    for section in sections:
        memory[section.address : section.address + len(section.data)] = section.data
    return memory
