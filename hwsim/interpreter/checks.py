"""Checks that every instruction shares."""

from __future__ import annotations

from hwsim.errors import HwsimError
from hwsim.isa import Instruction


def require_positive(instruction: Instruction, *names: str) -> None:
    """Refuse a field that is 0."""
    for name in names:
        require_range(instruction, name, 1, None)


def require_multiple(instruction: Instruction, name: str, unit: int) -> None:
    """Refuse a field that is no multiple of ``unit``: an access would cross a block, a word or a burst."""
    if instruction[name] % unit:
        raise HwsimError(f"{instruction.operation}: {name} is {instruction[name]}, expected a multiple of {unit}")


def require_range(instruction: Instruction, name: str, low: int, high: int | None) -> None:
    """Refuse a field outside of ``low..high``."""
    value = instruction[name]
    if value < low or (high is not None and value > high):
        expected = f"{low} or more" if high is None else f"{low} to {high}"
        raise HwsimError(f"{instruction.operation}: {name} is {value}, expected {expected}")
