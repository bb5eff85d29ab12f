"""Loads and stores: beats of DRAM to and from the accelerator's memories.

load codes      byte i:  run j = i / run_bytes,  row = first_row + j / (runs * lines) * runs + j mod runs
                         channel = first_channel + (j / runs mod lines) * run_bytes + i mod run_bytes
load halfwords  every row begins a beat; the rest of its last beat is dropped
load weights    steps, each whole beats, then one parameter entry a beat; packed: weights 2 i and 2 i + 1 in the low and
                the high half of byte i, the rest of their last beat is dropped
store           every row begins a beat; the rest of its last beat is not written (strobes)
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler.layout import HALFWORD_BYTES, Region, byte_index
from hwsim.errors import HwsimError
from hwsim.interpreter.activation_buffer import Matrix
from hwsim.interpreter.checks import require_multiple, require_positive
from hwsim.interpreter.state import CODES, ROWS_MAX, TABLE_ENTRIES, State
from hwsim.isa import INSTRUCTION_BYTES, LOAD_TARGETS, Instruction

ENTRY_BYTES = 8
"""Of an entry of parameters, LayerNorm, codebook or row table: the low 64 bits of a beat."""
THRESHOLD_MASK = (1 << 17) - 1


def load(instruction: Instruction, state: State) -> None:
    """Execute a load."""
    beats = _dram_beats(instruction, state)
    target = instruction["target"]
    if target >= len(LOAD_TARGETS) or LOAD_TARGETS[target] not in _LOADERS:
        raise HwsimError(f"load: target is {target}, expected one of {', '.join(_LOADERS)}")
    if instruction["packed"] and LOAD_TARGETS[target] != "weights":
        raise HwsimError(f"load: packed is 1 and target {LOAD_TARGETS[target]}, expected weights or packed 0")
    _LOADERS[LOAD_TARGETS[target]](instruction, beats, state)


def store(instruction: Instruction, state: State) -> None:
    """Execute a store."""
    beats = _dram_beats(instruction, state)
    row_bytes, rows, halfwords = instruction["row_bytes"], instruction["rows"], bool(instruction["halfwords"])
    require_positive(instruction, "row_bytes", "rows")
    beats_per_row = -(-row_bytes // beats.shape[1])
    if rows * beats_per_row != len(beats):
        raise HwsimError(f"store: beats is {len(beats)}, expected {rows * beats_per_row}")
    element_bytes = HALFWORD_BYTES if halfwords else 1
    require_multiple(instruction, "first_channel", beats.shape[1] // element_bytes)
    require_multiple(instruction, "row_bytes", element_bytes)
    matrix = Matrix(
        instruction["base"], instruction["stride"], instruction["first_row"], instruction["first_channel"],
        rows, row_bytes // element_bytes, halfwords,
    )  # fmt: skip
    data = state.activation.read(matrix, "the tensor of a store")
    beats.reshape(rows, -1)[:, :row_bytes] = data.view(np.uint8)


def _dram_beats(instruction: Instruction, state: State) -> NDArray[np.uint8]:
    """View of the beats in DRAM, [beats, bytes]."""
    config, name = state.config, instruction.operation
    require_positive(instruction, "beats")
    require_multiple(instruction, "address", config.beat_bytes)
    first, size = instruction["address"], instruction["beats"] * config.beat_bytes
    if first + size > state.dram.size:
        raise HwsimError(
            f"{name}: bytes {first:#x} to {first + size - 1:#x} are read or written, expected {state.dram.size:#x} "
            "bytes of DRAM to hold them"
        )
    return state.dram[first : first + size].reshape(-1, config.beat_bytes)


def _load_weights(instruction: Instruction, beats: NDArray[np.uint8], state: State) -> None:
    config, bank, steps = state.config, instruction["bank"], instruction["steps"]
    words_a_beat = 2 if instruction["packed"] else 1
    most = min(config.weight_steps, len(beats) * words_a_beat // config.step_beats)
    if steps > most:
        raise HwsimError(f"load: steps is {steps}, expected at most {most}")
    weight_beats = -(-steps * config.step_beats // words_a_beat)
    weights, entries = beats[:weight_beats], beats[weight_beats:]
    if len(entries) > config.array_columns:
        raise HwsimError(f"load: {len(entries)} parameter entries, expected at most {config.array_columns}")
    values = _nibbles(weights) if instruction["packed"] else weights.view(np.int8)
    step_bytes = config.step_beats * config.beat_bytes
    rows = values.reshape(-1)[: steps * step_bytes].reshape(steps, step_bytes)
    state.weights[bank, :steps] = rows[:, : config.array_columns]
    state.parameters.write(bank, _entries(entries))


def _load_codes(instruction: Instruction, beats: NDArray[np.uint8], state: State) -> None:
    count, base, width = instruction["bytes"], instruction["base"], state.config.word_bytes
    require_positive(instruction, "run_bytes", "runs", "lines")
    require_multiple(instruction, "base", width)
    if count > beats.size:
        raise HwsimError(f"load: bytes is {count}, expected at most {beats.size}")
    names = ("stride", "first_row", "first_channel", "run_bytes", "runs", "lines")
    index = _run_index(count, width, *(instruction[name] for name in names))
    state.activation.write_bytes(index + base * width, beats.reshape(-1)[:count], "the tensor of a load")


@lru_cache(maxsize=64)
def _run_index(
    count: int, word_bytes: int, stride: int, first_row: int, first_channel: int, run_bytes: int, runs: int, lines: int
) -> NDArray[np.int64]:
    run, offset = np.divmod(np.arange(count, dtype=np.int64), run_bytes)
    line, row = np.divmod(run, runs)
    group, line = np.divmod(line, lines)
    region = Region(base=0, stride=stride, halfwords=False, word_bytes=word_bytes)
    return byte_index(region, first_row + group * runs + row, first_channel + line * run_bytes + offset)


def _load_halfwords(instruction: Instruction, beats: NDArray[np.uint8], state: State) -> None:
    row_bytes, beat_bytes = instruction["run_bytes"], beats.shape[1]
    require_positive(instruction, "run_bytes")
    require_multiple(instruction, "run_bytes", HALFWORD_BYTES)
    beats_per_row = -(-row_bytes // beat_bytes)
    if len(beats) % beats_per_row:
        raise HwsimError(f"load: beats is {len(beats)}, expected a multiple of {beats_per_row}")
    rows = beats.reshape(-1, beats_per_row * beat_bytes)[:, :row_bytes]
    matrix = Matrix(
        instruction["base"], instruction["stride"], instruction["first_row"], 0,
        len(rows), row_bytes // HALFWORD_BYTES, halfwords=True,
    )  # fmt: skip
    state.activation.write(matrix, np.ascontiguousarray(rows).view("<i2"), "the tensor of a load")


def _load_table(instruction: Instruction, beats: NDArray[np.uint8], state: State) -> None:
    if beats.size > TABLE_ENTRIES:
        raise HwsimError(f"load: {beats.size} table entries, expected at most {TABLE_ENTRIES}")
    state.table[: beats.size] = beats.reshape(-1)


def _load_layernorm(instruction: Instruction, beats: NDArray[np.uint8], state: State) -> None:
    channels_max = state.config.layernorm_channels_max
    if len(beats) > channels_max:
        raise HwsimError(f"load: {len(beats)} channels of LayerNorm, expected at most {channels_max}")
    state.affine.write(_entries(beats))


def _load_codebook(instruction: Instruction, beats: NDArray[np.uint8], state: State) -> None:
    """Entries of the decoders, then, from index 256 on, thresholds of the encoder; there is none of code 0."""
    if len(beats) > 2 * CODES:
        raise HwsimError(f"load: {len(beats)} entries and thresholds of the codebook, expected at most {2 * CODES}")
    words = _entries(beats)
    entries, thresholds = words[:CODES], words[CODES + 1 :]
    state.codebook.mantissa[: len(entries)] = entries.astype(np.uint16).view(np.int16)
    state.codebook.shift[: len(entries)] = (entries >> np.uint64(16)).astype(np.uint8) & 31
    state.thresholds[: len(thresholds)] = thresholds.astype(np.int32) & THRESHOLD_MASK
    state.codebook_loads += 1


def _load_row_multipliers(instruction: Instruction, beats: NDArray[np.uint8], state: State) -> None:
    if len(beats) > ROWS_MAX:
        raise HwsimError(f"load: {len(beats)} rows of the row table, expected at most {ROWS_MAX}")
    state.rows.write(_entries(beats))


def _load_program(instruction: Instruction, beats: NDArray[np.uint8], state: State) -> None:
    half = state.program[instruction["bank"]]
    if beats.size > half.size or beats.size % INSTRUCTION_BYTES:
        raise HwsimError(f"load: {beats.size} bytes of program, expected instructions, at most {len(half)}")
    half.reshape(-1)[: beats.size] = beats.reshape(-1)
    state.filled_halves.add(instruction["bank"])


_LOADERS = {
    "weights": _load_weights,
    "codes": _load_codes,
    "halfwords": _load_halfwords,
    "table": _load_table,
    "layernorm": _load_layernorm,
    "codebook": _load_codebook,
    "row_multipliers": _load_row_multipliers,
    "program": _load_program,
}


def _nibbles(beats: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Halves of every byte in two's complement, the low one first."""
    halves = np.stack([beats << 4, beats], axis=-1).view(np.int8)
    return halves >> 4


def _entries(beats: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Low 64 bits of each beat."""
    if beats.shape[1] < ENTRY_BYTES:
        raise HwsimError(f"dram_bits_per_cycle is {8 * beats.shape[1]}, expected at least {8 * ENTRY_BYTES}")
    return np.ascontiguousarray(beats[:, :ENTRY_BYTES]).view("<u8").reshape(-1)
