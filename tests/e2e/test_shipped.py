"""The demo: the shipped network on the shipped images, from another folder, as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwsim.config import preset_names
from hwsim.flows.run import RunOptions, run

ROOT = Path(__file__).resolve().parents[2]
COUNT = 200


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Folder with ``result.json`` and ``report.html``, and what stood on the screen."""
    folder = tmp_path_factory.mktemp("demo")
    code = "from hwsim.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "--images", str(COUNT), "--json", "result.json", "--html", "report.html"],
        cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture(scope="module")
def result(demo: tuple[Path, str]) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((demo[0] / "result.json").read_text())
    return values


def test_result(result: dict[str, Any]) -> None:
    assert result["network"] == "fashion_mnist_vit"
    assert result["preset"] == "edge"
    assert result["images"] == COUNT


def test_hardware_is_as_good_as_float(result: dict[str, Any]) -> None:
    assert result["top1_float"] >= 85
    assert result["agreement"] >= 97
    assert abs(result["top1_float"] - result["top1_integer"]) <= 2


def test_totals_are_the_sums_of_the_layers(result: dict[str, Any]) -> None:
    layers = result["layers"]
    assert sum(layer["cycles"] for layer in layers) == result["cycles_per_image"]
    assert sum(result["cycles_by_reason"].values()) == result["cycles_per_image"]
    assert sum(layer["macs"] for layer in layers) == result["macs_per_image"]
    assert sum(layer["energy_aj"]["total"] for layer in layers) == result["energy_aj"]["total"]
    assert sum(result["energy_aj"]["by_component"].values()) == result["energy_aj"]["total"]
    assert sum(result["multiplications"].values()) == result["macs_per_image"] * COUNT


def test_presets_change_the_cost_and_no_bit() -> None:
    reports = {preset: run(RunOptions(images=2, preset=preset)) for preset in preset_names()}
    reports["two"] = run(RunOptions(images=2, overrides=("pe_style=two_accumulator",)))
    assert all(np.array_equal(report.logits, reports["edge"].logits) for report in reports.values())
    cycles = [reports[preset].cost.cycles_per_image for preset in ("tiny", "edge", "large")]
    assert cycles == sorted(cycles, reverse=True)
    assert len(set(cycles)) == 3


def test_table_is_one_screen(demo: tuple[Path, str], result: dict[str, Any]) -> None:
    lines = demo[1].splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 100
    assert f"{result['top1_integer']:.2f} %" in demo[1]
    assert f"{result['cycles_per_image']:,}" in demo[1]


def test_page_is_there(demo: tuple[Path, str]) -> None:
    page = (demo[0] / "report.html").read_text()
    assert page.rstrip().endswith("</html>")
    assert page.count("<svg") == 3
