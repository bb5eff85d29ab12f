"""Whole networks with row scales and outliers: every byte and every cycle of the accelerator is the model's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from hwsim import cli
from hwsim.compiler.executable import compile_executable
from hwsim.config import load_preset
from hwsim.network import save_network
from tests.random_network import random_images, random_network

SEED = 3
"""Its network has outliers in one layer and row scales without them in another."""


def test_the_network_has_both_kinds() -> None:
    executable = compile_executable(random_network(SEED, depth=1, row_scales=True), load_preset("tiny"))
    products = [one for one in executable.program if one.operation == "gemm" and one["row_scales"]]
    assert {one["outliers"] for one in products} == {0, 1}


def test_whole_network_is_equal(tmp_path: Path, simulator: str) -> None:
    save_network(random_network(SEED, depth=1, row_scales=True), tmp_path / "net")
    images = random_images(random_network(SEED, depth=1, row_scales=True), 2, SEED)
    np.savez(tmp_path / "images.npz", images=images, labels=np.zeros(2, np.int64))
    arguments = ["--data", str(tmp_path / "images.npz"), "--images", "2", "--preset", "tiny", "--sim", simulator]
    done = CliRunner().invoke(cli.app, ["verify", str(tmp_path / "net"), *arguments])
    assert done.exit_code == 0, done.output
    assert "equal: every byte and every cycle" in done.output
