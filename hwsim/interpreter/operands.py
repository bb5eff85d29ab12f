"""Operands of a product: rows decoded by the instruction's format, columns from weights or from the activation buffer.

A decoder sees one 8-bit code, so it is a table of 256 terms, made once by the decoder's own unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from hwsim.compiler.program import OperandCounts
from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError, describe_validation_error
from hwsim.formats import Logarithmic, Terms, TwoScale, Uniform
from hwsim.interpreter.activation_buffer import Matrix
from hwsim.interpreter.checks import require_multiple, require_range
from hwsim.interpreter.state import CODES, ROWS_MAX, DecodedRows, OutlierTerms, State
from hwsim.isa import COLUMN_SOURCES, OPERAND_KINDS, Instruction
from hwsim.units.decoder_log import decode_log
from hwsim.units.decoder_two_scale import decode_two_scale
from hwsim.units.decoder_uniform import decode_uniform

DECODED_MAX = 4
"""Row operands that are kept decoded; the tiles of one layer share one."""
UNIFORM_BITS = 8
HIGH_SHIFT = 8
"""Of an outlier's high limb."""


def row_operand(instruction: Instruction, state: State) -> DecodedRows:
    """Decoded row operand [rows, steps] of a product."""
    config = state.config
    require_multiple(instruction, "row_first", config.array_rows)
    require_range(instruction, "operand_kind", 0, len(OPERAND_KINDS) - 1)
    matrix = Matrix(
        instruction["row_base"], instruction["row_stride"], instruction["row_first"], 0,
        instruction["rows"], instruction["steps"],
    )  # fmt: skip
    kind = OPERAND_KINDS[instruction["operand_kind"]]
    names = ("operand_bits", "operand_exponent", "operand_signed", "operand_zero")
    decoder = (kind, *(instruction[name] for name in names))
    _drop_overwritten(state)
    rows = (instruction["row_scales"], instruction["outliers"], state.rows.loads, state.outliers.writes)
    planes = instruction["outlier_high"], instruction["outlier_low"]
    key = (matrix, decoder, state.codebook_loads, rows, planes)
    known = state.decoded.get(key)
    if known is not None:
        return known
    name = "the row operand of a gemm"
    codes, place = state.activation.read(matrix, name), state.activation.place(matrix, name)
    if kind == "uniform" and instruction["row_scales"]:
        terms = _less_zero_of_row(instruction, codes, state)
        counts = _counts_of_terms(terms)
    else:
        table = _as_wide_as_hardware(state.codebook if kind == "codebook" else _decode_table(*decoder), config)
        terms = Terms(table.mantissa[codes], table.shift[codes])
        counts = _counts(codes, table)
    places = [(place.first, place.last)]
    outliers: tuple[OutlierTerms, ...] = ()
    if instruction["outliers"]:
        outliers = tuple(_outliers(instruction, matrix, places, state))
        parts = [counts, *(_counts_of_terms(limbs) for tile in outliers for limbs in (tile.high, tile.low))]
        zero, small, large = (sum(getattr(part, name) for part in parts) for name in ("zero", "small", "large"))
        counts = OperandCounts(zero=zero, small=small, large=large)
    decoded = DecodedRows(terms=terms, outliers=outliers, counts=counts, places=tuple(places))
    if len(state.decoded) == DECODED_MAX:
        state.decoded.pop(next(iter(state.decoded)))
    state.decoded[key] = decoded
    return decoded


def column_operand(instruction: Instruction, state: State) -> NDArray[np.int8]:
    """Column operand [columns, steps] of a product."""
    config = state.config
    require_range(instruction, "column_source", 0, len(COLUMN_SOURCES) - 1)
    source, columns, steps = COLUMN_SOURCES[instruction["column_source"]], instruction["columns"], instruction["steps"]
    if source != "channels":
        require_range(instruction, "columns", 1, config.array_columns)
    if source == "weights":
        require_range(instruction, "steps", 1, config.weight_steps)
        return np.ascontiguousarray(state.weights[instruction["bank"], :steps, :columns].T)
    require_multiple(instruction, "column_first", config.array_columns)
    base, stride, first = (instruction[name] for name in ("column_base", "column_stride", "column_first"))
    if source == "channels":
        matrix = Matrix(base, stride, first, 0, columns, steps)
        return state.activation.read(matrix, "the column operand of a gemm").view(np.int8)
    matrix = Matrix(base, stride, 0, first, steps, columns)
    return np.ascontiguousarray(state.activation.read(matrix, "the column operand of a gemm").view(np.int8).T)


def _drop_overwritten(state: State) -> None:
    for first, last in state.activation.writes:
        stale = [key for key, one in state.decoded.items() if one.overlaps(first, last)]
        for key in stale:
            del state.decoded[key]
    state.activation.writes.clear()


@lru_cache(maxsize=64)
def _decode_table(kind: str, bits: int, exponent: int, signed: int, zero_point: int) -> Terms:
    """Terms of every 8-bit code; bits above those of the format are ignored."""
    raw = np.arange(CODES).astype(np.uint8)
    if kind == "uniform":
        codes: NDArray[Any] = raw.view(np.int8) if signed else raw
        # the field has one bit more than a code, so that of a signed or an unsigned code fits it
        terms = decode_uniform(codes, Uniform(bits=UNIFORM_BITS + 1, signed=True, zero_point=zero_point))
        return Terms(terms.mantissa, np.full(CODES, exponent, np.uint8))
    own = raw & np.uint8((1 << min(bits, 8)) - 1)
    try:
        if kind == "two_scale":
            return decode_two_scale(own, TwoScale(bits=bits, exponent=exponent, small_signed=bool(signed)))
        base: Any = "two" if kind == "log2" else "sqrt_two"
        return decode_log(own, Logarithmic(bits=bits, base=base, max_shift=exponent))
    except ValidationError as error:
        raise describe_validation_error(error, f"gemm: operand of kind {kind}") from error


def _less_zero_of_row(instruction: Instruction, codes: NDArray[np.uint8], state: State) -> Terms:
    """Terms of codes whose zero points are those of their rows."""
    first = instruction["row_first"]
    require_range(instruction, "row_first", 0, ROWS_MAX - len(codes))
    values = (codes.view(np.int8) if instruction["operand_signed"] else codes).astype(np.int16)
    mantissa = values - state.rows.zero_points[first : first + len(codes), None]
    shift = np.full(codes.shape, instruction["operand_exponent"], np.uint8)
    return _as_wide_as_hardware(Terms(mantissa, shift), state.config)


def _outliers(
    instruction: Instruction, matrix: Matrix, places: list[tuple[int, int]], state: State
) -> Iterator[OutlierTerms]:
    """Limbs of the channels with an outlier in a row tile, tile by tile; adds where the planes lie to ``places``."""
    if COLUMN_SOURCES[instruction["column_source"]] != "weights":
        raise HwsimError("gemm: outliers is 1, expected 0 where the columns are no weights")
    if state.config.pe_style != "shift":
        raise HwsimError(f"gemm: outliers is 1, expected 0 with pe_style = {state.config.pe_style}")
    require_range(instruction, "row_first", 0, ROWS_MAX - matrix.rows)
    planes = []
    for name in ("outlier_high", "outlier_low"):
        plane, text = matrix._replace(base=instruction[name]), f"the plane {name} of a gemm"
        planes.append(state.activation.read(plane, text))
        place = state.activation.place(plane, text)
        places.append((place.first, place.last))
    high, low = planes[0].view(np.int8).astype(np.int16), planes[1].astype(np.int16)
    step = state.config.array_rows
    for row in range(0, matrix.rows, step):
        rows = slice(row, min(row + step, matrix.rows))
        channels = state.outliers.channels(matrix.first_row + row, matrix.channels)
        limbs = [
            _as_wide_as_hardware(
                Terms(each[rows][:, channels], np.full((rows.stop - row, len(channels)), s, np.uint8)), state.config
            )
            for each, s in ((high, HIGH_SHIFT), (low, 0))
        ]
        yield OutlierTerms(rows=rows, channels=channels, high=limbs[0], low=limbs[1])


def _as_wide_as_hardware(table: Terms, config: AcceleratorConfig) -> Terms:
    """Keep the low ``mantissa_bits`` (two's complement) and ``term_shift_bits`` that the array's operands have."""
    half = 1 << (config.mantissa_bits - 1)
    mantissa = ((table.mantissa.astype(np.int32) + half) & (2 * half - 1)) - half
    return Terms(mantissa.astype(np.int16), table.shift & np.uint8((1 << config.term_shift_bits) - 1))


def _counts_of_terms(terms: Terms) -> OperandCounts:
    is_zero, is_shifted = terms.mantissa == 0, terms.shift != 0
    zero, large = int(is_zero.sum()), int((~is_zero & is_shifted).sum())
    return OperandCounts(zero=zero, small=terms.mantissa.size - zero - large, large=large)


def _counts(codes: NDArray[np.uint8], table: Terms) -> OperandCounts:
    times = np.bincount(codes.reshape(-1), minlength=CODES)
    is_zero, is_shifted = table.mantissa == 0, table.shift != 0
    zero, large = int(times[is_zero].sum()), int(times[~is_zero & is_shifted].sum())
    return OperandCounts(zero=zero, small=codes.size - zero - large, large=large)
