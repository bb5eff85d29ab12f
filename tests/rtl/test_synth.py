"""Every module synthesises with Yosys, has no latch and no combinational loop; prints what each one costs.

Synthesis is that of ``hwsim area``: each elaborated module once, kept by a hash of its sources, with ``check -assert``.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from hwsim.config import load_preset
from hwsim.cost.area import Size
from hwsim.cost.synthesis import RAM, Job, Netlist, base_name, run_yosys, synthesise, total
from hwsim.errors import HwsimError
from hwsim.rtl import package_text
from hwsim.simulators.build import module_files, sources_of
from tests.rtl.runner import BENCH_MODULES, BUILD, ROOT, RTL


def names() -> list[str]:
    """Every module of the accelerator; those of ``sim/`` are no hardware."""
    return [name for name, path in module_files().items() if RTL / "sim" not in path.parents]


def benches() -> list[str]:
    """Bench modules without the memory behind the accelerator, which is no hardware."""
    found = [path.stem for path in BENCH_MODULES]
    return [name for name in found if all(RTL / "sim" not in path.parents for path in sources_of(name, BENCH_MODULES))]


def roots() -> list[str]:
    """Modules that no other one contains; with what is below them they are all modules."""
    below = {path.stem for name in names() for path in sources_of(name) if path.stem != name}
    return [name for name in names() if name not in below]


def jobs() -> list[tuple[str, str]]:
    """Module and PE style: the second style for the modules that know of it only."""
    both = [(name, "shift") for name in roots()]
    return [*both, ("hws_pe_array", "two_accumulator")]


@cache
def netlist(job: tuple[str, str]) -> Netlist:
    top, style = job
    return synthesise(load_preset("edge", [f"pe_style={style}"]), Job(top=top))


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def yosys(script: list[str], name: str) -> str:
    """Run a script; paths in it are relative, because Yosys in WASM sees the current folder only."""
    return run_yosys(script, ROOT, relative(BUILD / "synth" / name))


@pytest.fixture(scope="module")
def package() -> str:
    """A small package for the flat netlists."""
    path = BUILD / "synth" / "pkg_tiny.sv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(package_text(load_preset("tiny")))
    return relative(path)


@pytest.mark.parametrize("job", jobs(), ids="-".join)
def test_synthesis(job: tuple[str, str]) -> None:
    cells, bits = total(netlist(job))
    assert not [kind for kind in cells if "LATCH" in kind.upper() or kind == "$_SR_"]
    size = Size.of(cells, bits)
    assert size.gates + size.registers > 0
    print(f"{job[0]} ({job[1]}): {size.gates:,} gates, {size.registers:,} registers, {size.memory_bits:,} bits")


def test_the_memory_synthesises(package: str) -> None:
    """Elsewhere it is a black box, because a vendor's macro takes its place."""
    source = relative(module_files()[RAM])
    yosys([f"read_verilog -sv {package} {source}", f"synth -top {RAM}", "check -assert"], RAM)


def test_every_module_is_synthesised() -> None:
    done = {base_name(name) for job in jobs() for name in netlist(job).modules}
    assert set(names()) <= done


def test_no_combinational_loop_through_modules(package: str) -> None:
    """Flat, because a loop of valid and ready would run through several modules."""
    script: list[str] = []
    for top in [*roots(), *benches()]:
        sources = " ".join(relative(path) for path in sources_of(top, BENCH_MODULES))
        script += ["design -reset", f"read_verilog -sv {package} {sources}", f"hierarchy -check -top {top}"]
        script += ["proc", "flatten", "opt_clean", "check -assert"]
    yosys(script, "flat")


BROKEN = {
    "loop": ("assign y = a ^ z; assign z = y & b;", "check -assert", "logic loop"),
    "latch": ("always @* if (a) y = b; assign z = b;", "select -assert-none t:$_DLATCH*", "DLATCH"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_the_checks_find_a_fault(fault: str, package: str) -> None:
    body, command, complaint = BROKEN[fault]
    source = (ROOT / package).with_name(f"broken_{fault}.sv")
    kind = "output reg" if fault == "latch" else "output wire"
    source.write_text(f"module broken(input wire a, input wire b, {kind} y, output wire z); {body} endmodule\n")
    with pytest.raises(HwsimError, match=complaint):
        yosys([f"read_verilog -sv {relative(source)}", "synth -top broken", command], f"broken_{fault}")


def test_a_latch_has_no_weight() -> None:
    with pytest.raises(HwsimError, match=re.escape("$_DLATCH_P_")):
        Size.of({"$_DLATCH_P_": 1})
