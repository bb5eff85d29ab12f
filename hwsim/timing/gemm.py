"""Cycles of the GEMM engine, exactly those of ``rtl/hws_gemm.sv`` (docs/microarchitecture.md, "GEMM engine").

L(i) is the cycle in which the last step of tile i is issued, D the words that a tile drains in, s the start:

    first tile of an instruction:   L = max(s + steps, L(before) + GEMM_GAP)
    later tiles:                    L = max(L(before) + steps, L(before) + D)
    done = L(last) + GEMM_DONE,     GEMM_GAP = GEMM_DONE = D + 15

so a later tile adds ``max(steps, D)``, and an instruction takes no loop over its tiles.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim.config import AcceleratorConfig
from hwsim.units.timing import DECODER_STAGES, PE_STAGES, REQUANTIZER_STAGES, RESIDUAL_STAGES, drain_cycles

READ_STAGES = 2
"""Memory, and the register behind its multiplexer."""
OPERAND_STAGES = 1
"""Registers of ``hws_pe_array`` before its processing elements."""
PARAMETER_STAGES = 1
"""The word of sums waits while the parameters of its columns are read."""
WRITE_STAGES = 1
"""Register in front of the activation buffer."""
FIRST_WRITE_STAGES = (
    READ_STAGES
    + DECODER_STAGES
    + OPERAND_STAGES
    + PE_STAGES
    + PARAMETER_STAGES
    + REQUANTIZER_STAGES
    + RESIDUAL_STAGES
    + WRITE_STAGES
)
"""From a tile's last step to its first word at the write port, whatever the drain's operation."""


class GemmTimes(NamedTuple):
    """Cycles of the operand side's last step, and of the last write."""

    last_step: int
    done: int


class GemmBusy(NamedTuple):
    """Cycles in which the parts of the engine work for one instruction."""

    steps: int
    """The processing elements multiply."""
    drain_words: int
    """A word of sums leaves the array, beside the steps of the next tile."""


def gemm_done(config: AcceleratorConfig) -> int:
    """``GEMM_DONE``: from the last step of an instruction's last tile to its done."""
    return drain_cycles(config) + FIRST_WRITE_STAGES - 1


def gemm_gap(config: AcceleratorConfig) -> int:
    """``GEMM_GAP``: least distance between the last steps of two tiles of different instructions."""
    return gemm_done(config)


def gemm_tiles(rows: int, columns: int, config: AcceleratorConfig) -> int:
    """Tiles of a product; one that it fills only in part costs as much as a full one."""
    return -(-rows // config.array_rows) * -(-columns // config.array_columns)


def gemm_times(
    start: int, rows: int, columns: int, steps: int, last_step_before: int, config: AcceleratorConfig
) -> GemmTimes:
    """When an instruction's last step is issued, and when its last word is written.

    Parameters
    ----------
    start : cycle in which the engine takes the instruction
    rows, columns, steps : fields of the instruction, 1 or more
    last_step_before : last step of the instruction before; for the first one any number up to ``-GEMM_GAP``
    """
    for name, value in (("rows", rows), ("columns", columns), ("steps", steps)):
        if value < 1:
            raise ValueError(f"{name} must be 1 or more, not {value}")
    gap = gemm_gap(config)
    later_tiles = gemm_tiles(rows, columns, config) - 1
    last_step = max(start + steps, last_step_before + gap) + later_tiles * max(steps, drain_cycles(config))
    return GemmTimes(last_step, last_step + gap)


def gemm_tile_times(
    start: int, steps: NDArray[np.int64], last_step_before: int, config: AcceleratorConfig
) -> GemmTimes:
    """The same where every tile has its own number of steps.

    Parameters
    ----------
    steps : int64[tiles], in the order of the tiles, each 1 or more
    """
    if steps.size == 0 or int(steps.min()) < 1:
        raise ValueError(f"steps must hold 1 or more for each tile, not {steps.tolist()}")
    gap = gemm_gap(config)
    first = max(start + int(steps[0]), last_step_before + gap)
    last_step = first + int(np.maximum(steps[1:], drain_cycles(config)).sum())
    return GemmTimes(last_step, last_step + gap)


def gemm_busy(rows: int, columns: int, steps: int, config: AcceleratorConfig) -> GemmBusy:
    """Cycles in which array and drain work for one instruction; what is left of its time they wait."""
    tiles = gemm_tiles(rows, columns, config)
    return GemmBusy(tiles * steps, tiles * drain_cycles(config))
