"""Golden vectors are there for every bench that replays them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rtl.replay import golden_vectors

HERE = Path(__file__).parent
UNITS = sorted(
    path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py") if "golden_vectors" in path.read_text()
)


def test_every_unit_with_numbers_replays_them() -> None:
    benches = {path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py")}
    # one PE and the rounding are inside the array and the requantiser; the path is made of units that have vectors
    assert benches - set(UNITS) == {"pe", "round_saturate", "gemm_path"}


@pytest.mark.parametrize("unit", UNITS)
def test_vectors_are_there(unit: str) -> None:
    path = HERE / "vectors" / f"{unit}.npz"
    assert path.is_file(), f"{path.name} is missing; write it with: make vectors"
    assert all(case for case in golden_vectors(unit).values())
