"""Units behind the requantiser under each simulator: table and residual adder, few and many lanes."""

from __future__ import annotations

import pytest

from hwsim.config import load_preset
from tests.rtl.runner import run_bench


@pytest.mark.parametrize("unit", ["table", "residual"])
@pytest.mark.parametrize("preset", ["tiny", "edge"])
def test_drain_unit(unit: str, preset: str, simulator: str) -> None:
    run_bench(unit, load_preset(preset), simulator)
