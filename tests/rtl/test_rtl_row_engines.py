"""Softmax and LayerNorm engines at one activation buffer: tiny under each simulator, edge under Verilator."""

from __future__ import annotations

from pathlib import Path

from hwsim.config import load_preset
from tests.rtl.runner import run_bench

WRAPPER = (Path(__file__).parent / "hws_row_engines.sv",)


def test_tiny(simulator: str) -> None:
    run_bench("row_engines", load_preset("tiny"), simulator, extra=WRAPPER)


def test_edge() -> None:
    run_bench("row_engines", load_preset("edge"), "verilator", extra=WRAPPER)
