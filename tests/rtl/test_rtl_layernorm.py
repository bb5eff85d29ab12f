"""LayerNorm under each simulator: few and many lanes, a number of lanes that is no power of two, Swin's widest rows."""

from __future__ import annotations

import pytest

from hwsim.config import load_preset
from tests.rtl.runner import run_bench


@pytest.mark.parametrize("overrides", [
    ("tiny",), ("edge",), ("tiny", "layernorm_lanes=3", "name=three_lanes"),
    ("edge", "layernorm_channels_max=2048", "name=wide_rows"),
])  # fmt: skip
def test_layernorm(overrides: tuple[str, ...], simulator: str) -> None:
    preset, *rest = overrides
    run_bench("layernorm", load_preset(preset, list(rest)), simulator)
