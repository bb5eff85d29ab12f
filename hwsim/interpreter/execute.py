"""One instruction on the state: what its engine does between its start and its done."""

from __future__ import annotations

from hwsim.interpreter.dma import load, store
from hwsim.interpreter.gemm import Work, gemm
from hwsim.interpreter.rows import run_layernorm, run_softmax
from hwsim.interpreter.state import State
from hwsim.isa import Instruction


def execute(instruction: Instruction, state: State) -> Work | None:
    """Execute one instruction; what it asked of the array, where it is a gemm.

    Raises
    ------
    HwsimError
        If the hardware could not execute it, or would read or write outside of a memory.
    """
    if instruction.operation == "gemm":
        return gemm(instruction, state)
    if instruction.operation == "load":
        load(instruction, state)
    elif instruction.operation == "store":
        store(instruction, state)
    elif instruction.operation == "softmax":
        run_softmax(instruction, state)
    elif instruction.operation == "layernorm":
        run_layernorm(instruction, state)
    return None
