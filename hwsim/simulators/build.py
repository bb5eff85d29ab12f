"""Builds ``rtl/sim/hws_harness.sv`` with the accelerator for one configuration under one simulator, once a content.

A build lies in a cache folder, named by a hash of all that goes into it; it is made beside and renamed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError
from hwsim.rtl import package_text, rtl_folder
from hwsim.simulators.toolchain import MAKEFLAGS, Simulator, require_simulator, verilator_folder

WORDS_MIN = {"icarus": 1 << 15, "verilator": 1 << 20}
"""Smallest memory that is built, in DRAM beats: networks of many sizes then share a build."""


def cache_folder() -> Path:
    """Where builds are kept: ``HWSIM_CACHE``, or ``build/harness`` in a clone, or the user's cache."""
    if chosen := os.environ.get("HWSIM_CACHE"):
        return Path(chosen)
    clone = rtl_folder().parent
    if (clone / "pyproject.toml").is_file():
        return clone / "build" / "harness"
    return Path.home() / ".cache" / "hwsim" / version("hwsim")


def module_files() -> dict[str, Path]:
    """Every module's file by its name; the package is none."""
    return {path.stem: path for path in sorted(rtl_folder().rglob("*.sv")) if path.stem != "hws_pkg"}


def sources_of(top: str, extra: tuple[Path, ...] = ()) -> list[Path]:
    """Verilog of a module and of everything below it, without the package, leaves first.

    Parameters
    ----------
    extra : files of modules that are not in the accelerator's folder
    """
    files = module_files() | {path.stem: path for path in extra}
    found: dict[str, None] = {}

    def visit(name: str) -> None:
        code = re.sub(r"//.*", "", files[name].read_text())
        for below in sorted(set(re.findall(r"\bhws_\w+", code)) & set(files) - {name} - set(found)):
            visit(below)
        found[name] = None

    visit(top)
    return [files[name] for name in found]


@contextmanager
def new_build(folder: Path) -> Iterator[Path]:
    """A scratch folder beside ``folder`` that takes its name at the end; a build that fails leaves nothing."""
    scratch = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        yield scratch
        with suppress(OSError):  # another process was faster
            scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


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
    sources = sources_of("hws_harness")
    extra = rtl_folder() / "sim" / ("hws_harness_icarus.sv" if simulator == "icarus" else "main.cpp")
    text = [
        package_text(config),
        simulator,
        str(words),
        str(waves),
        str(coverage),
        MAKEFLAGS,
        Path(__file__).read_text(),
        extra.read_text(),
    ]
    text += [path.read_text() for path in sources]
    key = hashlib.sha256("\0".join(text).encode()).hexdigest()[:16]
    folder = cache_folder() / f"{config.name}-{config.pe_style}-{simulator}-{key}"
    product = folder / ("harness.vvp" if simulator == "icarus" else "Vhws_harness")
    if product.is_file():
        return product
    command = _icarus if simulator == "icarus" else _verilator
    options = ["--trace-fst"] * waves + ["--coverage-line"] * coverage
    with new_build(folder) as scratch:
        package = scratch / "hws_pkg.sv"
        package.write_text(package_text(config))
        _run(command(package, sources, extra, words, options, scratch), scratch)
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
    return [str(verilator_folder() / "verilator"), *options, *files]


def _run(command: list[str], folder: Path) -> None:
    environment = os.environ | {"MAKEFLAGS": MAKEFLAGS}
    log = folder / "build.log"
    with log.open("w") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=environment, check=False)
    if done.returncode:
        tail = " | ".join(log.read_text().splitlines()[-5:])
        raise HwsimError(f"building the accelerator with {Path(command[0]).name} failed: {tail}")
