"""Cycles of the GEMM engine: the closed form against the recurrence of docs/microarchitecture.md, tile by tile."""

from __future__ import annotations

import random

import numpy as np
import pytest

from hwsim.config import AcceleratorConfig, load_preset
from hwsim.timing.gemm import gemm_busy, gemm_done, gemm_gap, gemm_tile_times, gemm_tiles, gemm_times


@pytest.fixture(params=["tiny", "edge", "large"])
def config(request: pytest.FixtureRequest) -> AcceleratorConfig:
    return load_preset(request.param)


def recurrence(start: int, steps: list[int], before: int, config: AcceleratorConfig) -> tuple[int, int]:
    drain = config.array_rows * config.array_columns // config.drain_lanes
    last = max(start + steps[0], before + drain + 15)
    for count in steps[1:]:
        last = max(last + count, last + drain)
    return last, last + drain + 15


def test_the_closed_form_is_the_recurrence(config: AcceleratorConfig) -> None:
    rng = random.Random(1)
    for _ in range(200):
        rows, columns, steps = rng.randint(1, 200), rng.randint(1, 200), rng.randint(1, 100)
        before, start = rng.randint(-100, 100), rng.randint(0, 200)
        expected = recurrence(start, [steps] * gemm_tiles(rows, columns, config), before, config)
        assert gemm_times(start, rows, columns, steps, before, config) == expected


def test_tiles_may_have_steps_of_their_own(config: AcceleratorConfig) -> None:
    rng = random.Random(2)
    for _ in range(200):
        steps = [rng.randint(1, 100) for _ in range(rng.randint(1, 30))]
        before, start = rng.randint(-100, 100), rng.randint(0, 200)
        expected = recurrence(start, steps, before, config)
        assert gemm_tile_times(start, np.array(steps), before, config) == expected


def test_the_numbers_of_edge() -> None:
    edge = load_preset("edge")
    assert gemm_done(edge) == gemm_gap(edge) == 47
    assert gemm_times(100, 197, 64, 192, -47, edge) == (100 + 52 * 192, 100 + 52 * 192 + 47)
    assert gemm_busy(197, 64, 192, edge) == (52 * 192, 52 * 32)


def test_what_is_no_product_is_refused() -> None:
    edge = load_preset("edge")
    with pytest.raises(ValueError, match="steps must be 1 or more, not 0"):
        gemm_times(0, 1, 1, 0, -47, edge)
    with pytest.raises(ValueError, match="steps must hold 1 or more for each tile"):
        gemm_tile_times(0, np.array([3, 0]), -47, edge)
