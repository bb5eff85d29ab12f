"""The search of factors: both stages, each element apart."""

from __future__ import annotations

import pytest
import torch

from golden.search import Grid, grid, least_of_families, search_factors

WHOLE = Grid(low=0.01, high=1.2, points=100)
STAGED = Grid(low=0.01, high=1.2, points=100, stride=7)


@pytest.mark.parametrize("factors", [WHOLE, STAGED, Grid(low=0.1, high=1.0, points=5, stride=7)])
def test_each_element_finds_the_nearest_factor_to_its_own_minimum(factors: Grid) -> None:
    minima = torch.linspace(-0.1, 1.3, 57)
    found = search_factors(lambda f: (f - minima).square(), minima, factors)
    every = torch.tensor(factors.factors(), dtype=torch.float32)
    nearest = every[(every[:, None] - minima).square().argmin(0)]
    assert torch.equal(found, nearest)


def test_two_stages_try_a_quarter_of_the_factors() -> None:
    tried: list[float] = []

    def error(factor: torch.Tensor) -> torch.Tensor:
        tried.append(float(factor))
        return (factor - 0.37).abs()

    search_factors(error, torch.zeros(()), STAGED)
    assert len(set(tried)) < 28 == len(tried) + 2


@pytest.mark.parametrize("factors", [WHOLE, STAGED])
def test_the_best_member_of_the_best_family(factors: Grid) -> None:
    families = [[(0, f) for f in factors.factors()], [(1, f) for f in factors.factors()[:3]], [(2, 0.5)]]
    best = least_of_families(families, lambda c: abs(c[1] - 0.5) + (0.1 if c[0] != 0 else 0.0), factors)
    assert best[0] == 0
    assert abs(best[1] - 0.5) <= 0.006
    assert least_of_families(families, lambda c: float(c[0] != 1) + c[1], factors) == families[1][0]
    assert least_of_families(families, lambda c: float(c[0] != 2), factors) == (2, 0.5)


def test_the_whole_grid_is_searched_at_eight_bits_and_where_asked() -> None:
    assert grid(8).stride == grid(8, full=True).stride == grid(4, full=True).stride == 1
    assert grid(4).stride > 1
    assert grid(4).factors() == grid(8, full=True).factors()
