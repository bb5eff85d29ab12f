"""Uniform quantisers: ranges, rounding, error bounds."""

from __future__ import annotations

import pytest
import torch

from golden.quantizers import uniform
from golden.quantizers.uniform import UniformQuantiser
from hwsim.formats import Uniform


@pytest.mark.parametrize(("smallest", "largest"), [(-1.0, 3.0), (0.5, 2.0), (-4.0, -1.0), (0.0, 0.0), (-1e-3, 90.0)])
@pytest.mark.parametrize("bits", [4, 8])
def test_asymmetric_covers_range_and_zero(smallest: float, largest: float, bits: int) -> None:
    p = uniform.calibrate_asymmetric(smallest, largest, bits)
    x = torch.linspace(min(smallest, 0), max(largest, 0), 999)
    error = (p.fake_quantize(x) - x).abs()
    assert error.max() <= p.scale * 1.001  # half a step, and half a step by which the zero point moves the ends
    assert p.fake_quantize(torch.zeros(1)).item() == 0


def test_symmetric_covers_the_largest() -> None:
    p = uniform.calibrate_symmetric(torch.tensor([2.0, 10.0]), bits=8)
    x = torch.stack([torch.linspace(-2, 2, 999), torch.linspace(-10, 10, 999)], 1)
    assert ((p.fake_quantize(x) - x).abs() <= p.scale / 2 * 1.001).all()


def test_ties_go_up_and_codes_saturate() -> None:
    p = UniformQuantiser(format=Uniform(bits=4, signed=True), scale=torch.tensor(1.0))
    x = torch.tensor([-99.0, -2.5, -0.5, 0.5, 2.5, 99.0])
    assert p.quantize(x).tolist() == [-8, -2, 0, 1, 3, 7]
