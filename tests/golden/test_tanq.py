"""TanQ (reconstructed): the design's levels, nearest codes in the companded domain, the grid of the search."""

from __future__ import annotations

import math

import pytest
import torch

from golden.proof import is_context_admitted
from golden.quantizers import tanq
from golden.quantizers.tanq import Family

FAMILIES: list[Family] = ["A", "C"]
TOKENS = 197


def compress(x: float, family: Family, theta: float) -> float:
    """``G(x)``, the inverse of what makes the levels."""
    if family == "A":
        return 0.5 * (1 + math.tan(theta * (2 * x - 1)) / math.tan(theta))
    return math.atan(x * math.tan(theta)) / theta


@pytest.mark.parametrize(
    ("family", "theta", "levels"),
    [
        ("A", 1.2, [0, 0.05319, 0.15248, 0.35328, 0.64672, 0.84752, 0.94681, 1]),
        ("C", 1.3, [0, 0.05216, 0.10813, 0.17295, 0.25495, 0.37114, 0.56528, 1]),
    ],
)
def test_levels_of_the_design(family: Family, theta: float, levels: list[float]) -> None:
    assert tanq.calibrate(3, family, theta, 1.0, TOKENS).levels.tolist() == pytest.approx(levels, abs=5e-6)


@pytest.mark.parametrize("bits", [3, 4, 6, 8])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("theta", [0.8, 1.2, 1.45, 1.55])
@pytest.mark.parametrize("delta", [1.0, 0.31])
def test_codes_are_the_nearest_in_the_companded_domain(bits: int, family: Family, theta: float, delta: float) -> None:
    p = tanq.calibrate(bits, family, theta, delta, TOKENS)
    x = torch.linspace(0, 1, 2001, dtype=torch.float64)
    checked = 0
    for value, code in zip(x.tolist(), p.quantize(x).tolist(), strict=True):
        exact = compress(min(value / delta, 1), family, theta) * (2**bits - 1) + 0.5
        if abs(exact - round(exact)) > 1e-9:  # floats cannot tell on which side of a tie it lies
            assert code == math.floor(exact)
            checked += 1
    assert checked > 1900


@pytest.mark.parametrize("bits", [3, 4, 6, 8])
@pytest.mark.parametrize("family", FAMILIES)
def test_levels_rise_from_zero_to_the_scale(bits: int, family: Family) -> None:
    for theta in tanq.THETAS:
        levels = tanq.calibrate(bits, family, theta, 0.3, TOKENS).levels
        assert bool((levels.diff() > 0).all())
        assert float(levels[0]) == 0.0
        assert float(levels[-1]) == 0.3


@pytest.mark.parametrize("theta", [0.9, 1.5])
def test_family_a_is_fine_at_both_ends_and_c_near_zero(theta: float) -> None:
    a, c = (tanq.calibrate(6, family, theta, 1.0, TOKENS).levels for family in FAMILIES)
    assert torch.allclose(a, 1 - a.flip(0), atol=1e-14)
    assert a.diff()[0] < a.diff()[31] / 2
    assert bool((c.diff().diff() > 0).all())


@pytest.mark.parametrize("family", FAMILIES)
def test_the_grid_is_small_and_spans_what_was_measured(family: Family) -> None:
    found = tanq.candidates(3, family, TOKENS)
    assert len(found) == 99
    pairs = [(p.parameters["theta"], p.parameters["delta"]) for p in found]
    assert len(set(pairs)) == 99
    assert (min(pairs)[0], max(pairs)[0]) == (pytest.approx(0.8), pytest.approx(1.55, abs=0.01))
    assert {min(d for _, d in pairs), max(d for _, d in pairs)} == {0.1, 1.0}
    assert all(is_context_admitted(p.format, TOKENS) for p in found)
    assert sum(1.36 < theta < 1.5 for theta in tanq.THETAS) >= 4
