"""Softmax and LayerNorm over rows of the activation buffer; the channels beyond the last, up to a beat, become 0."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from hwsim.errors import HwsimError, describe_validation_error
from hwsim.formats import Codebook, Logarithmic, TwoScale, Uniform
from hwsim.interpreter.activation_buffer import Matrix
from hwsim.interpreter.checks import require_positive, require_range
from hwsim.interpreter.state import ROWS_MAX, State
from hwsim.isa import ENCODER_KINDS, Instruction
from hwsim.units.encoder_codebook import encode_codebook
from hwsim.units.encoder_log import encode_log
from hwsim.units.encoder_row import encode_rows
from hwsim.units.encoder_two_scale import encode_two_scale
from hwsim.units.layernorm import layernorm
from hwsim.units.softmax import EXP2_ENTRIES, SCORE_FRACTION_BITS, encode_uniform, softmax
from hwsim.units.timing import SOFTMAX_COLUMNS_MAX

SIGNED_16 = Uniform(bits=16, signed=True)
EXP2_TABLE = np.array(
    [int(2 ** (16 - index / (1 << SCORE_FRACTION_BITS)) + 0.5) for index in range(EXP2_ENTRIES)], np.uint32
)
"""The constants of the hardware's table; no entry is so near a tie that float64 could miss it (tested)."""


def run_softmax(instruction: Instruction, state: State) -> None:
    """Execute a softmax."""
    require_positive(instruction, "rows")
    require_range(instruction, "columns", 1, SOFTMAX_COLUMNS_MAX)
    require_range(instruction, "encoder", 0, len(ENCODER_KINDS) - 1)
    place = instruction["in_base"], instruction["in_stride"], instruction["in_row"]
    shape = instruction["rows"], instruction["columns"]
    scores = state.activation.read(Matrix(*place, 0, *shape, halfwords=True), "the scores of a softmax")
    probabilities = softmax(scores, EXP2_TABLE)
    _write(instruction, _encoded(instruction, probabilities, state), state.config.softmax_lanes, state)


def run_layernorm(instruction: Instruction, state: State) -> None:
    """Execute a LayerNorm."""
    require_positive(instruction, "rows")
    channels = instruction["channels"]
    require_range(instruction, "channels", 1, state.config.layernorm_channels_max)
    halfwords = bool(instruction["in_halfwords"])
    place = instruction["in_base"], instruction["in_stride"], instruction["in_row"]
    matrix = Matrix(*place, 0, instruction["rows"], channels, halfwords)
    rows = state.activation.read(matrix, "the rows of a layernorm")
    normal = layernorm(
        rows if halfwords else rows.view(np.int8),
        state.affine.shift[:channels],
        state.affine.gamma[:channels],
        state.affine.beta[:channels],
        instruction["shift"],
        instruction["epsilon"],
        SIGNED_16,
    )
    if instruction["row_encode"]:
        _encode_rows(instruction, normal, state)
        return
    # bounds narrower than 16 bits are applied to the 16-bit code, which is the same
    result = np.clip(normal, instruction["lo"], instruction["hi"])
    _write(instruction, result, state.config.layernorm_lanes, state)


def _encode_rows(instruction: Instruction, values: NDArray[Any], state: State) -> None:
    """Encode with the row table; row ``out_row`` of the result and its entry have one number."""
    lanes, first, end = state.config.layernorm_lanes, instruction["out_row"], instruction["out_row"] + len(values)
    require_range(instruction, "out_row", 0, ROWS_MAX - len(values))
    outliers = bool(instruction["outliers"])
    try:
        rows = encode_rows(
            values, state.rows.encode_multipliers[first:end], state.rows.zero_points[first:end],
            instruction["encode_shift"], instruction["outlier_exponent"],
            instruction["threshold"] if outliers else None, instruction["lo"], instruction["hi"],
        )  # fmt: skip
    except ValueError as error:
        raise HwsimError(f"layernorm: {error}") from error
    _write(instruction, rows.codes, lanes, state)
    if outliers:
        _write(instruction, rows.high, lanes, state, "outlier_high")
        _write(instruction, rows.low, lanes, state, "outlier_low")
        state.outliers.write(first, rows.outliers)


def _encoded(instruction: Instruction, probabilities: NDArray[np.int32], state: State) -> NDArray[np.uint8]:
    kind, bits, exponent = ENCODER_KINDS[instruction["encoder"]], instruction["bits"], instruction["exponent"]
    try:
        if kind == "two_scale":
            return encode_two_scale(probabilities, TwoScale(bits=bits, exponent=exponent, small_signed=False))
        if kind == "uniform":
            return encode_uniform(probabilities, Uniform(bits=bits, signed=False))
        if kind == "codebook":
            thresholds = tuple(state.thresholds[: (1 << bits) - 1].tolist())
            no_entries = (0,) * (1 << bits)
            fmt = Codebook(bits=bits, mantissas=no_entries, shifts=no_entries, thresholds=thresholds)
            return encode_codebook(probabilities, fmt)
        if kind in ("log2", "log_sqrt2"):
            base: Any = "two" if kind == "log2" else "sqrt_two"
            return encode_log(probabilities, Logarithmic(bits=bits, base=base, max_shift=exponent))
    except ValidationError as error:
        raise describe_validation_error(error, f"softmax: encoder {kind}") from error
    except ValueError as error:
        raise HwsimError(f"softmax: encoder {kind}: {error}") from error
    raise AssertionError(f"encoder {kind} has no unit")


def _write(instruction: Instruction, codes: NDArray[Any], lanes: int, state: State, base: str = "out_base") -> None:
    rows, channels = codes.shape
    padded = np.zeros((rows, lanes * -(-channels // lanes)), np.uint8)
    padded[:, :channels] = codes.astype(np.uint8)
    place = instruction[base], instruction["out_stride"], instruction["out_row"]
    matrix = Matrix(*place, 0, *padded.shape)
    state.activation.write(matrix, padded, f"the result of a {instruction.operation}")
