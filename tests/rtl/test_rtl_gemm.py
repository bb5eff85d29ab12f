"""The GEMM engine between its memories: tiny in both PE styles under each simulator, edge under Verilator."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwsim.config import load_preset
from tests.rtl.runner import run_bench

EXTRA = (Path(__file__).parent / "hws_gemm_system.sv",)


@pytest.mark.parametrize("style", ["shift", "two_accumulator"])
def test_gemm_tiny(style: str, simulator: str) -> None:
    run_bench("gemm", load_preset("tiny", [f"pe_style={style}"]), simulator, top="hws_gemm_system", extra=EXTRA)


def test_gemm_edge(simulator: str) -> None:
    if simulator == "verilator":
        run_bench("gemm", load_preset("edge"), simulator, top="hws_gemm_system", extra=EXTRA)
