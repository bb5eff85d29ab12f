"""A product and its drain: requantiser, then table, residual adder or nothing.

The drain moves whole words of ``drain_lanes`` columns. A lane beyond the last column has a sum of 0 and the parameters
that its entry of the bank holds, and what follows is written, so the result's padding is what the hardware's is.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler.program import OperandCounts
from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError
from hwsim.formats import Uniform
from hwsim.interpreter.activation_buffer import Matrix
from hwsim.interpreter.checks import require_multiple, require_positive, require_range
from hwsim.interpreter.operands import column_operand, row_operand
from hwsim.interpreter.state import ROWS_MAX, TABLE_ENTRIES, DecodedRows, State
from hwsim.isa import DRAIN_OPERATIONS, Instruction
from hwsim.units.pe_array import multiply
from hwsim.units.requantizer import ROW_SHIFT_MAX, requantize
from hwsim.units.residual import add_encode, rescale
from hwsim.units.round_saturate import SHIFT_MAX
from hwsim.units.table import lookup

TABLE_ADDRESS = Uniform(bits=10, signed=False)


class Work(NamedTuple):
    """What a product asked of the array."""

    operand_counts: OperandCounts
    """Row operands that it decoded, each once, whatever the columns."""
    tile_steps: NDArray[np.int64]
    """Reduction steps of each tile, in the order of the tiles: column tile by column tile."""


def gemm(instruction: Instruction, state: State) -> Work:
    """Execute a product."""
    require_positive(instruction, "rows", "steps", "columns")
    lanes, columns = state.config.drain_lanes, instruction["columns"]
    require_multiple(instruction, "out_channel", lanes)
    rows = row_operand(instruction, state)
    weights = column_operand(instruction, state)
    try:
        acc = multiply(rows.terms, weights, state.config.pe_style)
        for tile in rows.outliers:
            outlier_weights = np.ascontiguousarray(weights[:, tile.channels])
            for limbs in (tile.high, tile.low):
                acc[tile.rows] += multiply(limbs, outlier_weights, state.config.pe_style)
    except ValueError as error:
        raise HwsimError(f"gemm: {error}") from error
    padded = lanes * -(-columns // lanes)
    if padded != columns:
        acc = np.concatenate([acc, np.zeros((len(acc), padded - columns), np.int32)], axis=1)
    _drain(instruction, acc, state)
    return Work(rows.counts, _tile_steps(instruction, rows, state.config))


def _tile_steps(instruction: Instruction, rows: DecodedRows, config: AcceleratorConfig) -> NDArray[np.int64]:
    steps = np.full(-(-instruction["rows"] // config.array_rows), instruction["steps"], np.int64)
    if rows.outliers:
        steps += np.array([2 * len(tile.channels) for tile in rows.outliers])
    return np.tile(steps, -(-instruction["columns"] // config.array_columns))


def _drain(instruction: Instruction, acc: NDArray[np.int32], state: State) -> None:
    bank, operation = instruction["bank"], DRAIN_OPERATIONS[instruction["drain"]]
    # channels feed the columns of several tiles, and every tile has the same entries
    entries = np.arange(acc.shape[1]) % state.config.array_columns
    branch = _requantize(instruction, acc, entries, state)
    result: NDArray[Any] = branch
    if operation == "table":
        address = (branch.astype(np.int32) - instruction["lo"]) & (TABLE_ENTRIES - 1)
        result = lookup(address, TABLE_ADDRESS, state.table)
    elif operation != "none":
        stream: NDArray[Any] = _skip(instruction, acc.shape, operation == "constant", state)
        if operation == "residual":
            require_range(instruction, "shift", 0, SHIFT_MAX)
            shifts = state.parameters.old_shift[bank, entries]
            stream = rescale(stream, shifts, _signed_16(instruction["multiplier"]), instruction["shift"])
        shifts = state.parameters.new_shift[bank, entries]
        result = add_encode(stream, branch, instruction["guard"], shifts, _signed_16_format(0))
        result = np.clip(result, instruction["code_lo"], instruction["code_hi"])
    state.activation.write(_result_matrix(instruction, acc.shape), result, "the result of a gemm")


def _requantize(
    instruction: Instruction, acc: NDArray[np.int32], entries: NDArray[np.int64], state: State
) -> NDArray[np.int16]:
    """Code of each sum; bounds narrower than 16 bits are applied to the 16-bit code, which is the same."""
    parameters, bank = state.parameters, instruction["bank"]
    bias, multiplier, shift = (
        array[bank, entries] for array in (parameters.bias, parameters.multiplier, parameters.shift)
    )
    largest = ROW_SHIFT_MAX if instruction["row_scales"] else SHIFT_MAX
    if int(shift.max()) > largest:
        raise HwsimError(f"gemm: s of a parameter entry of bank {bank} is {shift.max()}, expected 0 to {largest}")
    fmt = _signed_16_format(instruction["zero_point"])
    if instruction["row_scales"]:
        first = instruction["row_first"]
        require_range(instruction, "row_first", 0, ROWS_MAX - len(acc))
        try:
            codes = requantize(acc, bias, multiplier, shift, fmt, state.rows.multipliers[first : first + len(acc)])
        except ValueError as error:
            raise HwsimError(f"gemm: {error}") from error
    else:
        with_bias = acc + bias  # 32 bits, as the hardware's sum
        codes = requantize(with_bias, np.zeros_like(bias), multiplier, shift, fmt)
    return np.clip(codes, instruction["lo"], instruction["hi"])


def _skip(instruction: Instruction, shape: tuple[int, ...], constant: bool, state: State) -> NDArray[Any]:
    """Constant int16, or old codes int8, of the same rows and channels as the result."""
    place = instruction["skip_base"], instruction["skip_stride"], instruction["out_row"], instruction["out_channel"]
    data = state.activation.read(Matrix(*place, shape[0], shape[1], halfwords=constant), "the skip of a gemm")
    return data if constant else data.view(np.int8)


def _result_matrix(instruction: Instruction, shape: tuple[int, ...]) -> Matrix:
    place = instruction["out_base"], instruction["out_stride"], instruction["out_row"], instruction["out_channel"]
    return Matrix(*place, shape[0], shape[1], halfwords=bool(instruction["out_halfwords"]))


@lru_cache
def _signed_16_format(zero_point: int) -> Uniform:
    return Uniform(bits=16, signed=True, zero_point=zero_point)


def _signed_16(value: int) -> int:
    return value - (1 << 16) if value >> 15 else value
