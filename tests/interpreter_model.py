"""What tests of the interpreter share: the activation buffer element by element, and programs made by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.config import AcceleratorConfig, load_preset
from hwsim.interpreter import State
from hwsim.isa import INSTRUCTION_BYTES, LOAD_TARGETS, Instruction, encode, mask

DRAM_BYTES = 1 << 17
PRESETS = {name: load_preset(name) for name in ("tiny", "edge")}


def random_state(config: AcceleratorConfig, seed: int) -> State:
    """Every memory full of random bits."""
    rng = np.random.default_rng(seed)
    state = State(rng.integers(0, 256, DRAM_BYTES).astype(np.uint8), config)
    state.activation.words[:] = rng.integers(0, 256, state.activation.words.shape)
    state.weights[:] = rng.integers(-128, 128, state.weights.shape)
    parameters = state.parameters
    parameters.bias[:] = rng.integers(-(1 << 16), 1 << 16, parameters.bias.shape)
    parameters.multiplier[:] = rng.integers(1 << 14, 1 << 15, parameters.multiplier.shape)
    parameters.shift[:] = rng.integers(15, 28, parameters.shift.shape)
    parameters.old_shift[:] = rng.integers(0, 8, parameters.old_shift.shape)
    parameters.new_shift[:] = rng.integers(0, 8, parameters.new_shift.shape)
    state.table[:] = rng.integers(0, 256, state.table.shape)
    affine = state.affine
    affine.gamma[:] = rng.integers(-(1 << 15), 1 << 15, affine.gamma.shape)
    affine.beta[:] = rng.integers(-(1 << 24), 1 << 24, affine.beta.shape)
    affine.shift[:] = rng.integers(0, 8, affine.shift.shape)
    return state


class Memory:
    """The activation buffer by the equations of docs/microarchitecture.md, one element at a time."""

    def __init__(self, words: NDArray[np.uint8]) -> None:
        self.words = words.copy()
        self.width = words.shape[1]

    def code(self, base: int, stride: int, row: int, channel: int) -> tuple[int, int]:
        """Word and sub-bank of a code."""
        return base + row // self.width * stride + channel, (row + channel) % self.width

    def halfword(self, base: int, stride: int, row: int, channel: int) -> tuple[int, int]:
        """Word and first sub-bank of a halfword."""
        return base + row * stride + 2 * channel // self.width, 2 * channel % self.width

    def get(self, base: int, stride: int, row: int, channel: int, signed: bool = False) -> int:
        """A code."""
        value = int(self.words[self.code(base, stride, row, channel)])
        return value - 256 if signed and value > 127 else value

    def get_halfword(self, base: int, stride: int, row: int, channel: int) -> int:
        """A halfword, signed."""
        word, byte = self.halfword(base, stride, row, channel)
        value = int(self.words[word, byte]) | int(self.words[word, byte + 1]) << 8
        return value - (1 << 16) if value >> 15 else value

    def put(self, base: int, stride: int, row: int, channel: int, value: int) -> None:
        """Write the low byte."""
        self.words[self.code(base, stride, row, channel)] = value & 255

    def put_halfword(self, base: int, stride: int, row: int, channel: int, value: int) -> None:
        """Write the low halfword."""
        word, byte = self.halfword(base, stride, row, channel)
        self.words[word, byte], self.words[word, byte + 1] = value & 255, value >> 8 & 255


def instruction(operation: str, **fields: Any) -> Instruction:
    """Instruction that its encoding has been through; ``wait`` and ``post`` may be queues."""
    for name in ("wait", "post"):
        if isinstance(fields.get(name), str):
            fields[name] = mask(*fields[name].split())
    return Instruction(operation, {name: int(value) for name, value in fields.items()})


def load(target: str, **fields: Any) -> Instruction:
    """A load into a target."""
    return instruction("load", target=LOAD_TARGETS.index(target), **fields)


def program_image(
    instructions: Iterable[Instruction], config: AcceleratorConfig, address: int = 0
) -> NDArray[np.uint8]:
    """Bytes of a program: the load of the next segment before each segment's own instructions, ``end`` last."""
    size = config.segment_instructions
    rest = [*instructions, Instruction("end", {})]
    segments: list[list[Instruction]] = []
    while rest:
        last = len(rest) <= size
        own = rest[:size] if last else rest[: size - 1]
        rest = rest[len(own) :]
        number = len(segments)
        following = load(
            "program",
            address=address + (number + 1) * size * INSTRUCTION_BYTES,
            beats=size * INSTRUCTION_BYTES // config.beat_bytes,
            bank=(number + 1) % 2,
        )
        segments.append(own if last else [following, *own])
    data = b"".join(encode(one) for segment in segments for one in segment)
    data += bytes(-len(data) % (size * INSTRUCTION_BYTES))
    return np.frombuffer(data, np.uint8).copy()
