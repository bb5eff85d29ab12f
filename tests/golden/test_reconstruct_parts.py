"""The parts of the reconstruction alone: soft rounding, losses, gradients through quantisers, settings."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from golden.parameters import WeightParameters
from golden.quantizers.base import Quantiser
from golden.quantizers.two_scale import calibrate_gelu, calibrate_softmax
from golden.quantizers.uniform import UniformQuantiser, calibrate_asymmetric
from golden.reconstruct.adaround import SoftRounding
from golden.reconstruct.config import ReconstructionConfig
from golden.reconstruct.losses import (
    attention_divergence,
    beta_at,
    log_attention,
    output_error,
    rounding_penalty,
)
from golden.reconstruct.straight_through import FixedQuantiser, LearntStepQuantiser
from hwsim.formats import Uniform


def some_rounding(bits: int = 4) -> tuple[Tensor, SoftRounding]:
    weight = torch.randn(5, 70, generator=torch.Generator().manual_seed(1))
    calibrated = WeightParameters(
        codes=torch.zeros(5, 70, dtype=torch.int8), scale=torch.linspace(0.2, 0.6, 5), bits=bits
    )
    return weight, SoftRounding(weight, calibrated)


def test_soft_rounding_starts_at_the_float_weight() -> None:
    weight, soft = some_rounding(bits=8)
    assert torch.allclose(soft.weight(soft.share()), weight, atol=1e-6)


def test_the_start_hardens_to_the_nearest_codes() -> None:
    weight, soft = some_rounding()
    nearest = UniformQuantiser(format=Uniform(bits=4, signed=True), scale=soft.scale[:, None]).quantize(weight)
    assert torch.equal(soft.harden().codes, nearest.to(torch.int8))
    assert soft.harden().codes.min() == -8  # so that clipping is seen


@pytest.mark.parametrize(("variable", "share"), [(50.0, 1.0), (-50.0, 0.0), (0.0, 0.5)])
def test_the_variable_decides_the_direction(variable: float, share: float) -> None:
    weight, soft = some_rounding(bits=8)
    with torch.no_grad():
        soft.variable.fill_(variable)
    steps = (weight / soft.scale[:, None]).floor()
    assert torch.all(soft.share() == share)
    assert torch.equal(soft.harden().codes, (steps + (share >= 0.5)).to(torch.int8))


def test_clipped_weights_have_no_gradient() -> None:
    weight, soft = some_rounding(bits=2)
    soft.weight(soft.share()).sum().backward()
    steps = (weight / soft.scale[:, None]).floor()
    clipped = (steps < -2) | (steps >= 2)  # floor 1 may still reach its ceiling's clamp from below
    gradient = soft.variable.grad
    assert gradient is not None
    assert torch.all((gradient == 0)[(steps < -3) | (steps >= 2)])
    assert torch.all((gradient > 0)[~clipped & (steps < 1)])


def test_penalty_is_zero_for_whole_shares_and_one_for_halves() -> None:
    assert rounding_penalty(torch.tensor([[0.0, 1.0, 1.0]]), 2.0) == 0
    assert rounding_penalty(torch.tensor([[0.5, 0.5, 1.0]]), 2.0) == 2
    assert rounding_penalty(torch.tensor([[0.25]]), 2.0) == 0.75


def test_beta_falls_from_20_to_2_after_the_warm_up() -> None:
    config = ReconstructionConfig(iterations=100)
    assert [beta_at(i, config) for i in (1, 19, 20, 60, 100)] == [None, None, 20.0, 11.0, 2.0]


def test_output_error_sums_weighted_tokens_and_averages_the_rest() -> None:
    output, weight = torch.arange(12.0).reshape(2, 3, 2), torch.tensor([2.0, 0.0, 1.0])
    expected = sum(weight[t] * (output[b, t, c] - 1) ** 2 for b in range(2) for t in range(3) for c in range(2)) / 4
    assert output_error(output, torch.ones(2, 3, 2), weight) == expected


@pytest.mark.parametrize(("axis", "dim"), [("heads", 1), ("keys", 3)])
def test_attention_divergence_is_that_of_pytorch(axis: str, dim: int) -> None:
    config = ReconstructionConfig(attention_axis=axis, temperature=0.5)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(2)
    found, target = (torch.randn(2, 3, 5, 5, generator=generator).softmax(3) for _ in range(2))
    logs = log_attention(found, config), log_attention(target, config)
    expected = torch.nn.functional.kl_div(
        (target / 0.5).log_softmax(dim), (found / 0.5).softmax(dim), reduction="batchmean"
    )
    assert torch.allclose(attention_divergence(*logs), expected, atol=1e-6)
    assert attention_divergence(logs[0], logs[0]) == 0


QUANTISERS = [
    calibrate_asymmetric(-1.0, 2.0, 4),
    calibrate_gelu(2.0, 4, 2),
    calibrate_softmax(4, 2),
    UniformQuantiser(format=Uniform(bits=4, signed=True), scale=torch.linspace(0.1, 0.3, 6)),
]


@pytest.mark.parametrize("quantiser", QUANTISERS, ids=lambda q: type(q).__name__ + q.format.kind)
def test_the_fixed_quantiser_has_the_exact_value_and_a_gradient_within_its_range(quantiser: Quantiser) -> None:
    x = torch.linspace(-4, 4, 6 * 40).reshape(2, 20, 6).requires_grad_()
    fixed = FixedQuantiser(quantiser)
    found = fixed(x)
    exact = quantiser.fake_quantize(x.detach())
    assert torch.equal(found, exact)
    found.sum().backward()
    lowest, highest = exact.flatten(0, 1).amin(0), exact.flatten(0, 1).amax(0)
    inside = (x >= lowest) & (x <= highest)
    assert inside.any()
    assert not inside.all()
    assert torch.equal(x.grad, inside.float())


@given(st.floats(0.05, 0.5), st.integers(0, 15))
def test_the_gradient_of_a_learnt_step_is_that_of_the_straight_through_estimator(scale: float, zero_point: int) -> None:
    quantiser = UniformQuantiser(format=Uniform(bits=4, signed=False, zero_point=zero_point), scale=torch.tensor(scale))
    x = torch.randn(3, 7, generator=torch.Generator().manual_seed(4)).requires_grad_()
    towards = torch.randn(3, 7, generator=torch.Generator().manual_seed(5))
    learnt = LearntStepQuantiser(quantiser, x.device)
    found = learnt(x)
    assert torch.equal(found, quantiser.fake_quantize(x.detach()))
    found_gradients = torch.autograd.grad((found * towards).sum(), (x, learnt.scale))
    s = torch.tensor(scale, requires_grad=True)
    steps = x / s
    rounded = steps + (torch.floor(steps + 0.5) - steps).detach()
    margin = 1e-3  # rounded is whole but for the last bits
    expected = (rounded + zero_point).clamp(-margin, 15 + margin).sub(zero_point) * s
    expected_gradients = torch.autograd.grad((expected * towards).sum(), (x, s))
    for a, b in zip(found_gradients, expected_gradients, strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-2)


def test_a_learnt_step_stays_positive() -> None:
    learnt = LearntStepQuantiser(calibrate_asymmetric(-1.0, 2.0, 4), torch.device("cpu"))
    with torch.no_grad():
        learnt.scale.fill_(-1.0)
    learnt.keep_positive()
    assert learnt.harden().unit > 0


def test_the_rate_lets_a_rounding_cross_its_range_whatever_the_iterations() -> None:
    assert ReconstructionConfig(rounding_rate=0.5).rate == 0.5
    _, soft = some_rounding()
    with torch.no_grad():
        soft.variable.fill_(-2.4)
        assert torch.all(soft.share() < 0.001)
        for iterations in (8, 600):
            config = ReconstructionConfig(iterations=iterations)
            soft.variable.fill_(-2.4 + iterations * config.rate)
            assert torch.all(soft.share() > 0.999)
            soft.variable.fill_(-2.4 + 0.9 * iterations * config.rate)
            assert torch.all(soft.share() < 0.96)


@pytest.mark.parametrize(
    "changes",
    [{"iterations": -1}, {"batch": 0}, {"float_share": 1.5}, {"warm_up": 1.0}, {"attention_axis": "rows"}, {"a": 1}],
)
def test_wrong_settings_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(changes))):
        ReconstructionConfig(**changes)  # type: ignore[arg-type]


def test_the_settings_need_no_pytorch() -> None:
    import subprocess
    import sys

    code = "import sys, golden.reconstruct.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
