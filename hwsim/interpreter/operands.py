"""Operands of a product: rows decoded by the instruction's format, columns from weights or from the activation buffer.

A decoder sees one 8-bit code, so it is a table of 256 terms, made once by the decoder's own unit.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from hwsim.compiler.program import OperandCounts
from hwsim.config import AcceleratorConfig
from hwsim.errors import describe_validation_error
from hwsim.formats import Logarithmic, Terms, TwoScale, Uniform
from hwsim.interpreter.activation_buffer import Matrix
from hwsim.interpreter.checks import require_multiple, require_range
from hwsim.interpreter.state import CODES, DecodedRows, State
from hwsim.isa import COLUMN_SOURCES, OPERAND_KINDS, Instruction
from hwsim.units.decoder_log import decode_log
from hwsim.units.decoder_two_scale import decode_two_scale
from hwsim.units.decoder_uniform import decode_uniform

DECODED_MAX = 4
"""Row operands that are kept decoded; the tiles of one layer share one."""
UNIFORM_BITS = 8


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
    key = (matrix, decoder, state.codebook_loads)
    known = state.decoded.get(key)
    if known is not None:
        return known
    table = state.codebook if kind == "codebook" else _decode_table(*decoder)
    name = "the row operand of a gemm"
    codes, place = state.activation.read(matrix, name), state.activation.place(matrix, name)
    table = _as_wide_as_hardware(table, config)
    terms = Terms(table.mantissa[codes], table.shift[codes])
    decoded = DecodedRows(terms, _counts(codes, table), place.first, place.last)
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
        stale = [key for key, one in state.decoded.items() if first <= one.last_byte and one.first_byte <= last]
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
        return decode_uniform(codes, Uniform(bits=UNIFORM_BITS + 1, signed=True, zero_point=zero_point))
    own = raw & np.uint8((1 << min(bits, 8)) - 1)
    try:
        if kind == "two_scale":
            return decode_two_scale(own, TwoScale(bits=bits, exponent=exponent, small_signed=bool(signed)))
        base: Any = "two" if kind == "log2" else "sqrt_two"
        return decode_log(own, Logarithmic(bits=bits, base=base, max_shift=exponent))
    except ValidationError as error:
        raise describe_validation_error(error, f"gemm: operand of kind {kind}") from error


def _as_wide_as_hardware(table: Terms, config: AcceleratorConfig) -> Terms:
    """Keep the low ``mantissa_bits`` (two's complement) and ``term_shift_bits`` that the array's operands have."""
    half = 1 << (config.mantissa_bits - 1)
    mantissa = ((table.mantissa.astype(np.int32) + half) & (2 * half - 1)) - half
    return Terms(mantissa.astype(np.int16), table.shift & np.uint8((1 << config.term_shift_bits) - 1))


def _counts(codes: NDArray[np.uint8], table: Terms) -> OperandCounts:
    times = np.bincount(codes.reshape(-1), minlength=CODES)
    is_zero, is_shifted = table.mantissa == 0, table.shift != 0
    zero, large = int(times[is_zero].sum()), int(times[~is_zero & is_shifted].sum())
    return OperandCounts(zero=zero, small=codes.size - zero - large, large=large)
