"""The two on-chip buffers under each simulator: layout, latency, old value on a read during a write, conflicts."""

from __future__ import annotations

import pytest

from hwsim.config import load_preset
from tests.rtl.runner import run_bench


@pytest.mark.parametrize("unit", ["activation_buffer", "weight_buffer"])
def test_buffer(unit: str, simulator: str) -> None:
    run_bench(unit, load_preset("tiny"), simulator)


@pytest.mark.parametrize(
    ("unit", "preset"), [("activation_buffer", "edge"), ("weight_buffer", "edge"), ("weight_buffer", "large")]
)
def test_wider_buffer(unit: str, preset: str) -> None:
    run_bench(unit, load_preset(preset), "verilator")
