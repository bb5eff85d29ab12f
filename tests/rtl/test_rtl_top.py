"""The whole accelerator through its AXI ports, under each simulator."""

from __future__ import annotations

from pathlib import Path

from hwsim.config import load_preset
from tests.rtl.runner import run_bench

WRAPPER = Path(__file__).parent / "hws_axi_top.sv"


def test_top(simulator: str) -> None:
    run_bench("top", load_preset("tiny"), simulator, top="hws_axi_top", extra=(WRAPPER,))
