"""The GEMM engine between its memories: bytes and cycles of instructions."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwsim.config import load_preset
from tests.rtl.runner import run_bench

EXTRA = (Path(__file__).parent / "hws_gemm_system.sv",)
WIDE = ["array_rows=2", "array_columns=8", "drain_lanes=8", "name=wide"]
"""All columns of a row leave at once; a word holds four row tiles."""
TALL = ["array_rows=16", "array_columns=2", "drain_lanes=1", "activation_buffer_bytes=262144", "name=tall"]
"""One lane; a word holds eight column tiles."""


@pytest.mark.parametrize("style", ["shift", "two_accumulator"])
def test_gemm_tiny(style: str, simulator: str) -> None:
    run_bench("gemm", load_preset("tiny", [f"pe_style={style}"]), simulator, top="hws_gemm_system", extra=EXTRA)


@pytest.mark.parametrize("overrides", [WIDE, TALL], ids=["wide", "tall"])
def test_gemm_of_other_shapes(overrides: list[str]) -> None:
    run_bench("gemm", load_preset("tiny", overrides), "icarus", top="hws_gemm_system", extra=EXTRA)


def test_gemm_edge() -> None:
    run_bench("gemm", load_preset("edge"), "verilator", top="hws_gemm_system", extra=EXTRA)
