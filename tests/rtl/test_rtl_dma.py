"""The DMA under each simulator: bytes, AXI rules, errors, and cycles equal to the timing model."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwsim.config import load_preset
from tests.rtl.runner import run_bench

HERE = Path(__file__).parent
AXI = (HERE / "hws_dma_axi.sv", HERE / "hws_axi_rules.sv")
SYSTEM = (HERE / "hws_dma_system.sv", HERE / "hws_axi_rules.sv")
SHORT_BURSTS = ["burst_beats=4", "dma_outstanding=2", "name=short_bursts"]
"""So that bursts end often and the limit of bursts under way is felt."""


def test_bytes_tiny(simulator: str) -> None:
    run_bench("dma_axi", load_preset("tiny"), simulator, top="hws_dma_axi", extra=AXI)


@pytest.mark.parametrize("preset", ["edge", "large"])
def test_bytes(preset: str) -> None:
    run_bench("dma_axi", load_preset(preset), "verilator", top="hws_dma_axi", extra=AXI)


def test_cycles_tiny(simulator: str) -> None:
    run_bench("dma_system", load_preset("tiny"), simulator, top="hws_dma_system", extra=SYSTEM)


@pytest.mark.parametrize("preset", ["edge", "large"])
def test_cycles(preset: str) -> None:
    run_bench("dma_system", load_preset(preset), "verilator", top="hws_dma_system", extra=SYSTEM)


@pytest.mark.parametrize("preset", ["tiny", "edge"])
def test_cycles_of_short_bursts(preset: str) -> None:
    run_bench("dma_system", load_preset(preset, SHORT_BURSTS), "verilator", top="hws_dma_system", extra=SYSTEM)
