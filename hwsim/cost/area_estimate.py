"""Area of a configuration without synthesis: counts of units times gates of each unit, from ``area_units.yaml``.

    gates  = sum over parts (constant + each * driver)       area = gates + memory bits * NAND2 gates a bit
    memory = both buffers + the small memories, whose sizes are those of the Verilog

``hwsim area`` synthesises a configuration, in minutes; this takes microseconds, for thousands of them. A width changes
the units themselves, so there is no estimate where one differs from what was synthesised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from hwsim.compiler.limits import ROWS_MAX
from hwsim.config import AcceleratorConfig
from hwsim.isa import INSTRUCTION_BYTES

DRIVERS: Mapping[str, Callable[[AcceleratorConfig], int]] = {
    "pes": lambda config: config.array_rows * config.array_columns,
    "array_rows": lambda config: config.array_rows,
    "array_columns": lambda config: config.array_columns,
    "drain_lanes": lambda config: config.drain_lanes,
    "softmax_lanes": lambda config: config.softmax_lanes,
    "layernorm_lanes": lambda config: config.layernorm_lanes,
    "bank_bytes": lambda config: config.activation_banks * config.word_bytes,
    "word_bytes": lambda config: config.word_bytes,
    "beat_bytes": lambda config: config.beat_bytes,
    "queue_depth": lambda config: config.queue_depth,
}
"""Number that a part's gates grow with; ``bank_bytes`` is what the activation buffer's ports choose between."""
SYNTHESISED = {
    "mantissa_bits": 9, "weight_bits": 8, "term_shift_bits": 4, "accumulator_bits": 32, "multiplier_bits": 16,
    "multiplier_shift_bits": 6,
}  # fmt: skip
"""Keys that change the units themselves, at the values that were synthesised."""
SMALL_MEMORIES_BITS = 9216 + 16384 + 25600 + 67584
"""Queue of operands, multipliers of the rows, LayerNorm's encoder, softmax's rows."""


@dataclass(frozen=True, kw_only=True)
class AreaEstimate:
    """Estimated size of an accelerator."""

    gates_nand2: float | None
    """Gates and registers in NAND2 gates, memories left out."""
    memory_bits: int
    """Of memory macros."""
    area_nand2: float | None
    """Both in NAND2 gates."""
    unknown: tuple[str, ...]
    """Keys for whose values there is no estimate of the gates."""


def estimate_area(config: AcceleratorConfig) -> AreaEstimate:
    """Estimate gates and memory of a configuration."""
    table = _table()
    unknown = tuple(key for key, value in SYNTHESISED.items() if getattr(config, key) != value)
    bits = memory_bits(config)
    gates = None
    if not unknown:
        gates = sum(_gates(unit, config) for unit in table["units"])
    area = None if gates is None else gates + bits * memory_bit_nand2()
    return AreaEstimate(gates_nand2=gates, memory_bits=bits, area_nand2=area, unknown=unknown)


def _gates(unit: dict[str, Any], config: AcceleratorConfig) -> float:
    each = unit.get(config.pe_style, unit["each"])
    return float(unit["constant"] + each * DRIVERS[unit["driver"]](config))


def memory_bits(config: AcceleratorConfig) -> int:
    """Bits of all memory macros: the two buffers, and the small memories beside them."""
    buffers = 8 * (config.activation_buffer_bytes + config.weight_buffer_bytes)
    parameters = 2 * 64 * config.array_columns
    tables = 8192 * config.drain_lanes + 3328 * config.array_rows + 4318 * config.softmax_lanes
    program = 2 * 8 * INSTRUCTION_BYTES * config.segment_instructions
    lanes, rows = config.layernorm_lanes, 115 * config.layernorm_channels_max
    beat_bits = (-(-config.layernorm_channels_max // lanes) - 1).bit_length()
    outliers = (lanes + beat_bits << beat_bits) + 2 * lanes * (ROWS_MAX // config.array_rows << beat_bits)
    return buffers + parameters + tables + program + rows + outliers + SMALL_MEMORIES_BITS


def fitted() -> list[dict[str, Any]]:
    """What was synthesised for the numbers: ``preset``, ``overrides``, ``gates_nand2``, ``memory_bits``."""
    found: list[dict[str, Any]] = _table()["fitted"]
    return found


def memory_bit_nand2() -> float:
    """NAND2 gates that a bit of a memory macro is taken for."""
    return float(_table()["memory_bit_nand2"])


@cache
def _table() -> dict[str, Any]:
    text = (files("hwsim") / "cost" / "area_units.yaml").read_text()
    values: dict[str, Any] = yaml.safe_load(text)
    return values
