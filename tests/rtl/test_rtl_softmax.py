"""Softmax and its encoder under each simulator, and the table of exponents in the package."""

from __future__ import annotations

import re

import pytest

from hwsim.config import load_preset
from hwsim.rtl import package_text
from tests import oracle
from tests.rtl.runner import run_bench


def test_the_package_holds_the_table_of_the_numerics_page() -> None:
    lines = re.findall(r"(?:5'd(\d+)|default): line = \{(.*)\};", package_text(load_preset("edge")))
    assert [number for number, _ in lines] == [*map(str, range(31)), ""]
    entries = [int(entry) for _, line in lines for entry in reversed(re.findall(r"17'd(\d+)", line))]
    assert entries == oracle.exp2_table()


@pytest.mark.parametrize(
    "overrides", [("tiny",), ("edge",), ("large",), ("tiny", "softmax_lanes=3", "name=three_lanes")]
)
def test_softmax(overrides: tuple[str, ...], simulator: str) -> None:
    preset, *rest = overrides
    run_bench("softmax", load_preset(preset, list(rest)), simulator)


@pytest.mark.parametrize("unit", ["encoder_two_scale", "encoder_log", "encoder_codebook"])
def test_encoder(unit: str, simulator: str) -> None:
    run_bench(unit, load_preset("tiny"), simulator)
