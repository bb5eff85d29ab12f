"""Golden vectors are there for every bench that replays them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rtl.replay import golden_vectors

HERE = Path(__file__).parent
UNITS = sorted(
    path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py") if "golden_vectors" in path.read_text()
)


INSIDE_OTHERS = {"pe", "round_saturate"}
"""One PE and the rounding are inside the array and the requantiser, which have vectors."""
NOT_IN_THE_SHIPPED_NETWORK = {"decoder_log", "decoder_codebook", "encoder_log", "encoder_codebook", "encoder_row"}
"""Formats that golden has no tensors of yet; whole random networks exercise them on the accelerator."""


def test_every_unit_of_the_shipped_network_replays_golden() -> None:
    units = {path.stem for path in (HERE.parent.parent / "hwsim" / "units").glob("*.py")}
    benches = units & {path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py")}
    assert benches - set(UNITS) == INSIDE_OTHERS | NOT_IN_THE_SHIPPED_NETWORK


@pytest.mark.parametrize("unit", UNITS)
def test_vectors_are_there(unit: str) -> None:
    path = HERE / "vectors" / f"{unit}.npz"
    assert path.is_file(), f"{path.name} is missing; write it with: make vectors"
    assert all(case for case in golden_vectors(unit).values())
