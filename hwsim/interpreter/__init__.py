"""Executes the bytes of a program on a memory image, bit for bit as the accelerator does."""

from hwsim.interpreter.controller import Execution, ProgramResult, run_program
from hwsim.interpreter.execute import execute
from hwsim.interpreter.state import State

__all__ = ["Execution", "ProgramResult", "State", "execute", "run_program"]
