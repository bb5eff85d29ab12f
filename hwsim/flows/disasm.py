"""The program of a network as text."""

from __future__ import annotations

from collections.abc import Iterator

from hwsim.compiler.executable import compile_executable
from hwsim.config import load_preset
from hwsim.flows.shipped import network_path
from hwsim.isa import INSTRUCTION_BYTES, decode_program, disassemble
from hwsim.network import load_network


def disassembly(network: str | None, preset: str, overrides: tuple[str, ...], trace: bool) -> Iterator[str]:
    """Lines: number, DRAM address, instruction, decoded again from the bytes in the memory image.

    Raises
    ------
    HwsimError
        For a network or preset that is not usable.
    """
    config = load_preset(preset, list(overrides))
    executable = compile_executable(load_network(network_path(network)), config, trace=trace)
    for number, instruction in enumerate(decode_program(executable.dram[executable.program_address :].tobytes())):
        address = executable.program_address + number * INSTRUCTION_BYTES
        yield f"{number:5d} {address:#08x}  {disassemble(instruction)}"
