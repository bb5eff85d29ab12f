"""The PE array under each simulator, for two sizes and both PE styles."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwsim.config import load_preset
from tests.rtl.runner import run_bench


@pytest.mark.parametrize("style", ["shift", "two_accumulator"])
@pytest.mark.parametrize("preset", ["tiny", "edge"])
def test_pe_array(preset: str, style: str, simulator: str) -> None:
    run_bench("pe_array", load_preset(preset, [f"pe_style={style}"]), simulator)


def test_gemm_path(simulator: str) -> None:
    run_bench("gemm_path", load_preset("tiny"), simulator, extra=(Path(__file__).parent / "hws_gemm_path.sv",))
