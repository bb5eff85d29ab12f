"""Instructions of ordered operations with places, cut into segments that load each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from hwsim.compiler.dependencies import Order
from hwsim.compiler.operations import Operation, Section
from hwsim.config import AcceleratorConfig
from hwsim.isa import INSTRUCTION_BYTES, LOAD_TARGETS, Instruction, encode

TAG_MASK = (1 << 16) - 1


def segment_bounds(count: int, config: AcceleratorConfig) -> list[int]:
    """Where segments begin and end among ``count`` operations, ``end`` included: 0, ..., count.

    In every segment but the last, one place is the load of the next one.
    """
    bounds, size = [0], config.segment_instructions
    while count - bounds[-1] > size:
        bounds.append(bounds[-1] + size - 1)
    return [*bounds, count]


def program_section(count: int, config: AcceleratorConfig) -> Section:
    """Room in DRAM for the program of so many operations, ``end`` not counted."""
    segments = len(segment_bounds(count + 1, config)) - 1
    return Section(name="program", data=np.zeros(segments * segment_bytes(config), np.uint8))


def segment_bytes(config: AcceleratorConfig) -> int:
    """Bytes from one segment to the next, whole bursts."""
    burst = config.burst_beats * config.beat_bytes
    return -(-config.segment_instructions * INSTRUCTION_BYTES // burst) * burst


def emit(
    operations: Sequence[Operation], order: Order, program: Section, config: AcceleratorConfig
) -> tuple[list[Instruction], list[int]]:
    """Write the program into its section; return it, and where in it each operation stands."""
    bounds = segment_bounds(len(operations) + 1, config)
    instructions: list[Instruction] = []
    where: list[int] = []
    for segment, (begin, end) in enumerate(pairwise(bounds)):
        first = len(instructions)
        if end != bounds[-1]:
            left = len(operations) + 1 - end
            count = min(left, config.segment_instructions)
            instructions.append(_segment_load(program.address, segment + 1, count, first, config))
        for position in range(begin, min(end, len(operations))):
            where.append(len(instructions))
            instructions.append(_instruction(operations[position], order, position, len(instructions)))
        if end == bounds[-1]:
            instructions.append(Instruction("end", {"tag": len(instructions) & TAG_MASK}))
        offset = segment * segment_bytes(config)
        for instruction in instructions[first:]:
            program.data[offset : offset + INSTRUCTION_BYTES] = np.frombuffer(encode(instruction), np.uint8)
            offset += INSTRUCTION_BYTES
    return instructions, where


def _segment_load(program: int, segment: int, count: int, number: int, config: AcceleratorConfig) -> Instruction:
    fields = {
        "address": program + segment * segment_bytes(config), "beats": count * INSTRUCTION_BYTES // config.beat_bytes,
        "target": LOAD_TARGETS.index("program"), "bank": segment % 2, "tag": number & TAG_MASK,
    }  # fmt: skip
    return Instruction("load", fields)


def _instruction(operation: Operation, order: Order, position: int, number: int) -> Instruction:
    fields = dict(operation.fields)
    for prefix, buffer in operation.places.items():
        name = f"{prefix}_" if prefix else ""
        base = buffer.base + operation.place_words.get(prefix, 0)
        fields |= {f"{name}base": base, f"{name}stride": buffer.stride}
    fields |= {name: buffer.base for name, buffer in operation.planes.items()}
    if operation.section is not None:
        fields["address"] = operation.section.address + operation.offset
    fields |= {
        "wait": sum(1 << queue for queue in order.waits[position]),
        "post": sum(1 << queue for queue in order.posts[position]),
        "fence": int(order.fences[position]),
        "tag": number & TAG_MASK,
    }
    return Instruction(operation.operation, fields)
