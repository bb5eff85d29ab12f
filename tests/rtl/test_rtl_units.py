"""Small units under each simulator: bits equal to the oracle, cycles equal to the formula."""

from __future__ import annotations

import pytest

from hwsim.config import load_preset
from tests.rtl.runner import run_bench

TINY = load_preset("tiny")


@pytest.mark.parametrize(
    "unit",
    [
        "round_saturate", "decoder_uniform", "decoder_two_scale", "decoder_log", "decoder_codebook", "requantizer",
        "isqrt", "reciprocal", "encoder_row",
    ],
)  # fmt: skip
def test_unit(unit: str, simulator: str) -> None:
    run_bench(unit, TINY, simulator)


@pytest.mark.parametrize("style", ["shift", "two_accumulator"])
def test_pe(style: str, simulator: str) -> None:
    run_bench("pe", load_preset("tiny", [f"pe_style={style}"]), simulator)
