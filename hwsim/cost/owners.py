"""Which layer each instruction of a program works for.

A compute instruction works for the layer whose result it writes, found by the buffer that it writes to. A load serves
the next instruction that uses what it brings, a store the last product before it, and a load of the program itself
no layer.
"""

from __future__ import annotations

from collections import defaultdict

from hwsim.compiler.executable import Allocation, Executable
from hwsim.compiler.program import Program
from hwsim.isa import COLUMN_SOURCES, DRAIN_OPERATIONS, ENCODER_KINDS, LOAD_TARGETS, OPERAND_KINDS, Instruction

Owner = str | None
"""Name of an instruction of the compiled network (its first layer, im2col aside); None is the program itself."""


class Places:
    """Names of the buffers of an executable."""

    def __init__(self, executable: Executable) -> None:
        self._by_word: dict[int, list[Allocation]] = defaultdict(list)
        for allocation in executable.allocations:
            self._by_word[allocation.first_word].append(allocation)

    def name(self, word: int, instruction: int) -> str:
        """Name of the buffer that begins with a word while an instruction runs."""
        return next(
            place.name
            for place in self._by_word[word]
            if place.first_instruction <= instruction <= place.last_instruction
        )


def served(executable: Executable) -> list[int | None]:
    """Number of the compute instruction that each instruction serves: itself, where it computes."""
    instructions = executable.program
    found: list[int | None] = [None] * len(instructions)
    for index, one in enumerate(instructions):
        if one.operation in ("gemm", "softmax", "layernorm"):
            found[index] = index
        elif one.operation == "load" and LOAD_TARGETS[one["target"]] != "program":
            found[index] = next(user for user in range(index + 1, len(instructions)) if _uses(instructions[user], one))
        elif one.operation == "store":
            found[index] = next(maker for maker in range(index - 1, -1, -1) if instructions[maker].operation == "gemm")
    return found


def owners(executable: Executable, program: Program) -> list[Owner]:
    """Owner of each instruction of an executable, in order; ``end`` belongs to the program.

    Parameters
    ----------
    program : the same network, compiled to passes
    """
    layers = {layer.name: layer for layer in program.network.layers}
    outputs = {layers[one.layers[-1]].output: one.name for one in program.instructions}
    places = Places(executable)

    def owner(index: int | None) -> Owner:
        if index is None:
            return None
        buffer = places.name(executable.program[index]["out_base"], index)
        return outputs[buffer if buffer in outputs else buffer.rpartition(".")[0]]  # a head or a slot of a tensor

    return [owner(index) for index in served(executable)]


def _uses(one: Instruction, load: Instruction) -> bool:
    """Whether an instruction takes what a load before it has brought."""
    target = LOAD_TARGETS[load["target"]]
    if one.operation == "gemm":
        drain = DRAIN_OPERATIONS[one["drain"]]
        return (
            (target == "weights" and one["bank"] == load["bank"])
            or (target == "codes" and one["row_base"] == load["base"])
            or (target == "halfwords" and drain == "constant" and one["skip_base"] == load["base"])
            or (target == "table" and drain == "table")
            or (target == "codebook" and OPERAND_KINDS[one["operand_kind"]] == "codebook")
        )
    if one.operation == "softmax":
        return target == "codebook" and ENCODER_KINDS[one["encoder"]] == "codebook"
    if one.operation == "layernorm":
        return target == "layernorm" or (target == "row_multipliers" and one["row_encode"] == 1)
    return False


def reads_weights(one: Instruction) -> bool:
    """Whether a product takes its columns from the weight buffer."""
    return COLUMN_SOURCES[one["column_source"]] == "weights"
