"""The vectors in git are what golden makes today; a stale file is a failure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from golden.vectors import Vectors, shipped_vectors

FOLDER = Path(__file__).resolve().parents[1] / "rtl" / "vectors"


@pytest.fixture(scope="module")
def made() -> dict[str, Vectors]:
    return shipped_vectors()


def test_there_is_a_file_for_each_unit_and_no_other(made: dict[str, Vectors]) -> None:
    assert {path.stem for path in FOLDER.glob("*.npz")} == set(made)


def test_every_array_is_made_again(made: dict[str, Vectors]) -> None:
    for unit, vectors in made.items():
        with np.load(FOLDER / f"{unit}.npz") as stored:
            assert set(stored.files) == set(vectors), unit
            for key, values in vectors.items():
                assert stored[key].shape == values.shape, (unit, key)
                assert (stored[key] == values).all(), (unit, key)


def test_vectors_reach_both_regions(made: dict[str, Vectors]) -> None:
    for case in ("blocks.1.attn.softmax", "blocks.1.mlp.gelu"):
        shifts = made["decoder_two_scale"][f"{case}.shift"]
        assert 0 < (shifts != 0).sum() < len(shifts), case
