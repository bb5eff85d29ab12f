"""Cycles of each unit: the formulas that the RTL benches assert with ``==``.

A unit's cycles run from the first accepted word to the last delivered word, both included, with a source that is
always valid and a sink that is always ready. All of them are integers. The recurrences follow the RTL stage by stage:
an event's name stands for the cycle in which it happens, counted from 0 at the first accepted word.
"""

from __future__ import annotations

from collections.abc import Sequence

from hwsim.config import AcceleratorConfig

RADICAND_BITS = 48
"""Width of ``hws_isqrt``'s input; the root has half of it, one bit a cycle."""

RECIPROCAL_BITS = 17
"""Width of ``hws_reciprocal``'s quotient, 2**15 <= R <= 2**16; one bit a cycle."""

SOFTMAX_COLUMNS_MAX = 1024
"""Longest row of ``hws_softmax``: a ViT of 384 pixels and patches of 16 has 577 tokens."""

DECODER_STAGES = 1
PE_STAGES = 2
"""Operand to product, product to sum; ``hws_pe_array`` has an operand register before them."""
REQUANTIZER_STAGES = 4
"""Row multiplier, bias, product, round and clamp."""
LAYERNORM_ROWS = 4
"""Row buffers of ``hws_layernorm``: as many as keep the square root busy at every length of a row."""
LAYERNORM_STATISTICS_STAGES = 5
"""Code, value and square, sums, products of the sums, variance: the last beat of a row to the radicand."""
LAYERNORM_NORMALISE_STAGES = 6
"""Buffer read, centre, times reciprocal, round, affine product, round."""
SOFTMAX_LOAD_STAGES = 2
"""Score, maximum: the last beat of a row to the maximum."""
SOFTMAX_EXPONENT_STAGES = 5
"""Buffer read, distance, table, shift, sum: the last beat of a row to the divisor."""
ENCODER_STAGES = 1
CODEBOOK_ENCODER_STAGES = 8
"""A bit of the code a stage. ``hws_softmax_encoder`` takes as long for every format."""
ROW_ENCODER_STAGES = 2
"""Product, round and clamp: of every code behind LayerNorm, whether it has a row scale or not."""
SOFTMAX_NORMALISE_STAGES = 3 + CODEBOOK_ENCODER_STAGES
"""Buffer read, times reciprocal, round, encode."""
TABLE_STAGES = 1
RESIDUAL_STAGES = 4
"""Value, product, sum, code."""


def decoder_cycles(items: int) -> int:
    """Cycles of any row decoder for a stream of words."""
    return _stream_cycles(items, DECODER_STAGES)


def requantizer_cycles(items: int) -> int:
    """Cycles of the requantiser for a stream of words, ``drain_lanes`` accumulators each."""
    return _stream_cycles(items, REQUANTIZER_STAGES)


def encoder_cycles(items: int) -> int:
    """Cycles of the two-scale or the log encoder behind softmax for a stream of words."""
    return _stream_cycles(items, ENCODER_STAGES)


def codebook_encoder_cycles(items: int) -> int:
    """Cycles of the codebook encoder behind softmax for a stream of words, whatever the number of bits."""
    return _stream_cycles(items, CODEBOOK_ENCODER_STAGES)


def row_encoder_cycles(items: int) -> int:
    """Cycles of the row encoder behind LayerNorm for a stream of words."""
    return _stream_cycles(items, ROW_ENCODER_STAGES)


def table_cycles(items: int) -> int:
    """Cycles of the table for a stream of words, ``drain_lanes`` codes each."""
    return _stream_cycles(items, TABLE_STAGES)


def residual_cycles(items: int) -> int:
    """Cycles of the residual adder for a stream of words, ``drain_lanes`` codes each."""
    return _stream_cycles(items, RESIDUAL_STAGES)


def isqrt_cycles(items: int = 1) -> int:
    """Cycles of square roots, one after another: a bit a cycle, whatever the radicand."""
    return _serial_cycles(items, RADICAND_BITS // 2)


def reciprocal_cycles(items: int = 1) -> int:
    """Cycles of reciprocals, one after another: a bit a cycle, whatever the divisor."""
    return _serial_cycles(items, RECIPROCAL_BITS)


def _stream_cycles(items: int, stages: int) -> int:
    _require_positive(items=items)
    return items + stages


def _serial_cycles(items: int, steps: int) -> int:
    # a result is delivered in the cycle in which the next operand is accepted
    _require_positive(items=items)
    return items * (steps + 1) + 1


def drain_cycles(config: AcceleratorConfig) -> int:
    """Cycles in which the shadow accumulators of one tile leave the array."""
    return config.array_rows * config.array_columns // config.drain_lanes


def pe_array_cycles(depths: Sequence[int], config: AcceleratorConfig) -> int:
    """Cycles of tiles that follow each other without a gap.

    A tile's sums enter the shadow accumulators when those of the tile before have left, so each tile after the first
    adds ``max(depth, drain)``.

    Parameters
    ----------
    depths : reduction steps of each tile, 1 or more
    """
    _require_positive(tiles=len(depths), depth=min(depths, default=1))
    drain = drain_cycles(config)
    later = sum(max(depth, drain) for depth in depths[1:])
    return depths[0] + later + PE_STAGES + drain


def gemm_cycles(rows: int, columns: int, depth: int, copies: int, config: AcceleratorConfig) -> int:
    """Cycles of ``copies`` products of the same shape: decoder, array and requantiser, all tiles back to back.

    A tile that the matrix fills only in part costs as much as a full one. The table and the residual adder
    behind the requantiser are not in it.

    Parameters
    ----------
    rows, columns : the result's shape
    depth : length of the reduction
    copies : products that run one after another, such as the heads of attention
    """
    _require_positive(rows=rows, columns=columns, depth=depth, copies=copies)
    tiles = copies * -(-rows // config.array_rows) * -(-columns // config.array_columns)
    drain = drain_cycles(config)
    array = depth + (tiles - 1) * max(depth, drain) + PE_STAGES + drain
    return DECODER_STAGES + array + REQUANTIZER_STAGES


def layernorm_cycles(rows: int, channels: int, config: AcceleratorConfig) -> int:
    """Cycles of ``rows`` rows through the loader, the statistics and the normaliser, over four row buffers.

    The loader takes row i + 4 into the buffer that row i has left. Square root and reciprocal are serial, and each
    holds one row; others wait in front of them. In the long run a row adds its beats, or the 25 cycles of its root
    where that is more.
    """
    if not 1 <= channels <= config.layernorm_channels_max:
        raise ValueError(f"channels must be 1 to {config.layernorm_channels_max}, not {channels}")
    _require_positive(rows=rows)
    beats = -(-channels // config.layernorm_lanes)
    buffer_free = [0] * LAYERNORM_ROWS
    load = divide = normalise = 0  # of the row before: cycle after its load, start of its division, of its normalising
    for row in range(rows):
        load = max(load, buffer_free[row % LAYERNORM_ROWS]) + beats
        root = max(load - 1 + LAYERNORM_STATISTICS_STAGES, divide)
        divide = max(root + RADICAND_BITS // 2 + 1, normalise)
        ready = divide + RECIPROCAL_BITS + 1
        normalise = max(ready, normalise + beats) if row else ready
        buffer_free[row % LAYERNORM_ROWS] = normalise + beats + 1
    return normalise + beats + LAYERNORM_NORMALISE_STAGES + 1


def softmax_cycles(rows: int, columns: int, config: AcceleratorConfig) -> int:
    """Cycles of ``rows`` score rows through three passes, ``softmax_lanes`` scores a cycle each.

    The passes are the maximum while loading, exponents and their sum, normalise and encode; neighbouring rows are in
    different passes. Scores and exponents have a buffer of two rows each, in which row i + 2 follows row i beat by
    beat. There is one serial reciprocal a row.

    Parameters
    ----------
    columns : scores in a row
    """
    if not 1 <= columns <= SOFTMAX_COLUMNS_MAX:
        raise ValueError(f"columns must be 1 to {SOFTMAX_COLUMNS_MAX}, not {columns}")
    _require_positive(rows=rows)
    beats = -(-columns // config.softmax_lanes)
    scores_free, exponents_free = [0, 0], [0, 0]
    load = exponent = divide = normalise = 0  # of the row before: ends of its loading and exponents, starts of the rest
    for row in range(rows):
        bank = row % 2
        load = max(load, scores_free[bank]) + beats
        start = max(load - 1 + SOFTMAX_LOAD_STAGES + 1, exponent, exponents_free[bank])
        scores_free[bank] = start + 1
        exponent = start + beats
        divide = max(exponent - 1 + SOFTMAX_EXPONENT_STAGES, normalise)
        ready = divide + RECIPROCAL_BITS + 1
        normalise = max(ready, normalise + beats) if row else ready
        exponents_free[bank] = normalise + 2
    return normalise + beats + SOFTMAX_NORMALISE_STAGES + 1


def _require_positive(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise ValueError(f"{name} must be 1 or more, not {value}")
