"""The wheel carries presets, zoo and rtl, and runs from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return next(folder.glob("hwsim-*.whl"))


def test_wheel_carries_what_it_needs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for preset in ("tiny", "edge", "large"):
        assert f"hwsim/presets/{preset}.yaml" in names
    for name in ("fashion_mnist_vit/network.json", "fashion_mnist_vit/network.safetensors", "fashion_mnist/test.npz"):
        assert f"hwsim/zoo/{name}" in names
    modules = {f"hwsim/_rtl/{path.relative_to(ROOT / 'rtl')}" for path in (ROOT / "rtl").rglob("*.sv")}
    assert modules
    assert modules <= names


def test_installed_wheel_runs_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)  # the dependencies come from this environment
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code = "import hwsim, sys; print(hwsim.__file__); from hwsim.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "--images", "2"],
        cwd=elsewhere, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(site)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert str(site) in done.stdout
    assert "fashion_mnist_vit" in done.stdout


def test_installed_wheel_finds_its_rtl(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = "from hwsim.rtl import rtl_folder; print(sorted(p.name for p in rtl_folder().glob('hws_*.sv')))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "hws_pe_array.sv" in done.stdout
