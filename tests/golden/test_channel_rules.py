"""Which channels take which scale, by each rule, and k-means in one dimension."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from golden.method import method_config
from golden.quantizers import channel_rules
from golden.quantizers.channel_scale import ChannelScaleQuantiser
from golden.quantizers.kmeans import k_means
from golden.residual import calibrate_residual
from hwsim.errors import HwsimError

RULES = ["sensitivity", "mse", "prefix", "threshold", "kmeans"]
LOUD = [2, 9]


def lively_rows(factor: float = 12) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(400, 16, generator=generator)
    x[:, LOUD] *= factor
    return x


def total_error(p: ChannelScaleQuantiser, x: torch.Tensor, sensitivity: torch.Tensor | float = 1.0) -> float:
    return float(((p.fake_quantize(x) - x).square() * sensitivity).double().sum())


def one_scale(x: torch.Tensor) -> ChannelScaleQuantiser:
    shifts = torch.zeros(x.shape[1], dtype=torch.uint8)
    return ChannelScaleQuantiser(bits=8, scale=float(x.abs().max()) / 127.5, shifts=shifts)


# Every rule


@pytest.mark.parametrize("rule", RULES)
def test_channels_that_stand_out_are_flagged(rule: str) -> None:
    x = lively_rows()
    p = channel_rules.find(x, 8, rule)
    assert p.shifts.nonzero().flatten().tolist() == LOUD
    assert int(p.shifts.max()) in (2, 3, 4)
    assert total_error(p, x) < total_error(one_scale(x), x) / 4


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_says_the_same_again_and_of_channels_in_another_order(rule: str) -> None:
    x = lively_rows()
    order = torch.randperm(16, generator=torch.Generator().manual_seed(3))
    p, again, moved = (channel_rules.find(one, 8, rule) for one in (x, x.clone(), x[:, order]))
    assert p.scale == again.scale == moved.scale
    assert torch.equal(p.shifts, again.shifts)
    assert torch.equal(p.shifts[order], moved.shifts)


@pytest.mark.parametrize("rule", RULES)
def test_a_tensor_of_zeros_has_a_scale(rule: str) -> None:
    p = channel_rules.find(torch.zeros(5, 4), 8, rule)
    assert p.scale > 0
    assert not p.fake_quantize(torch.zeros(5, 4)).any()


@pytest.mark.parametrize("rule", ["sensitivity", "prefix", "threshold", "kmeans"])
def test_sensitivity_decides_what_counts(rule: str) -> None:
    x = lively_rows()
    indifferent = torch.ones_like(x)
    indifferent[:, LOUD] = 0
    plain, weighed = channel_rules.find(x, 8, rule), channel_rules.find(x, 8, rule, indifferent)
    assert total_error(weighed, x, indifferent) <= total_error(plain, x, indifferent)


def test_without_weights_sensitivity_is_mse() -> None:
    x, weights = lively_rows(), torch.rand(400, 16, generator=torch.Generator().manual_seed(0))
    plain, weighed = channel_rules.find(x, 8, "sensitivity"), channel_rules.find(x, 8, "mse", weights)
    assert plain.scale == weighed.scale
    assert torch.equal(plain.shifts, weighed.shifts)


def test_unknown_rules_and_more_scales_than_a_rule_knows_are_refused() -> None:
    with pytest.raises(HwsimError, match="is 'best', expected kmeans, sensitivity, mse, prefix, threshold"):
        channel_rules.find(lively_rows(), 8, "best")
    with pytest.raises(HwsimError, match="channel rule prefix: scales is 4, expected 2"):
        channel_rules.find(lively_rows(), 8, "prefix", scales=4)


# Each rule


def test_each_channel_takes_the_scale_with_less_error() -> None:
    x = lively_rows()
    p = channel_rules.least_error(x, bits=8)
    chosen = (p.fake_quantize(x) - x).square().sum(0)
    for channel in range(16):
        flags = p.shifts > 0
        flags[channel] ^= True
        other = ChannelScaleQuantiser.two_scales(8, p.scale, int(p.shifts.max()), flags)
        error = (other.fake_quantize(x) - x).square().sum(0)
        assert chosen[channel] <= error[channel]


def test_a_prefix_is_no_worse_than_any_other_length() -> None:
    x = lively_rows() * torch.linspace(0.5, 2, 16)
    p = channel_rules.prefix(x, bits=8)
    order = x.abs().amax(0).argsort(descending=True)
    best = total_error(p, x)
    for length in range(17):
        flags = torch.zeros(16, dtype=torch.bool)
        flags[order[:length]] = True
        other = ChannelScaleQuantiser.two_scales(8, p.scale, int(p.shifts.max()), flags)
        assert best <= total_error(other, x) * 1.0001
    count = int((p.shifts > 0).sum())
    assert p.shifts[order[:count]].all()


def test_the_rule_with_free_flags_is_never_worse_than_one_that_binds_them() -> None:
    x = lively_rows() * torch.linspace(0.5, 2, 16)
    free = total_error(channel_rules.least_error(x, 8), x)
    for rule in ("prefix", "threshold"):
        assert free <= total_error(channel_rules.find(x, 8, rule), x) * 1.0001


def test_without_a_channel_beyond_any_threshold_there_is_one_scale() -> None:
    x = lively_rows(1)
    p = channel_rules.threshold(x, bits=8)
    assert total_error(p, x) <= total_error(one_scale(x), x)
    assert not p.shifts.any()


def test_a_threshold_counts_from_the_median() -> None:
    x = lively_rows(6)
    largest = x.abs().amax(0)
    p = channel_rules.threshold(x, bits=8)
    assert torch.equal(p.shifts > 0, largest > 4 * largest.median())
    x[:, 5] *= 50
    assert channel_rules.threshold(x, bits=8).shifts[5] > 0


def test_k_scales_lie_on_powers_of_two_of_the_smallest() -> None:
    x = torch.randn(600, 12, generator=torch.Generator().manual_seed(4))
    gain = torch.tensor([1.0, 4, 16, 90]).repeat_interleave(3)
    x *= gain
    p = channel_rules.find(x, 8, "kmeans", scales=4)
    assert p.shifts.tolist() == [0] * 3 + [2] * 3 + [4] * 3 + [6] * 3
    assert total_error(p, x, gain**-2) < total_error(channel_rules.find(x, 8, "kmeans"), x, gain**-2) / 10


def test_scales_too_far_apart_lose_the_finest() -> None:
    x = torch.randn(600, 9, generator=torch.Generator().manual_seed(4))
    x *= torch.tensor([1.0, 4000, 16000]).repeat_interleave(3)
    p = channel_rules.k_scaled(x, 8, k=3)
    assert p.shifts.tolist() == [0] * 3 + [5] * 3 + [7] * 3
    assert (p.fake_quantize(x) - x).abs()[:, 3:].max() < 0.05 * x.abs().max()
    config = method_config("tsptq", 8, {"channel_rule": "kmeans", "scales": 3})
    for width, largest in ((1024, 7), (1536, 6), (2048, 6), (3072, 5)):  # LayerNorm's radicand has 48 bits
        found = calibrate_residual(x, torch.ones_like(x), 8, config, width)
        assert isinstance(found, ChannelScaleQuantiser)
        assert found.shifts.tolist() == [0] * 3 + [largest - 2] * 3 + [largest] * 3


def test_factors_are_the_four_powers_of_two_below_the_scale_of_the_tensor() -> None:
    x = torch.randn(600, 8, generator=torch.Generator().manual_seed(4)).clamp_(-3, 3)
    x *= torch.tensor([1 / 64, 1 / 8, 1 / 8, 1 / 4, 1 / 2, 1 / 2, 1, 1])
    p = channel_rules.power_of_two_factor(x, 8)
    assert p.shifts.tolist() == [0, 0, 0, 1, 2, 2, 3, 3]
    assert p.scale == pytest.approx(float(x.abs().max()) / 127.5 / 8)
    for channel in range(8):
        column, chosen = x[:, [channel]], int(p.shifts[channel])
        errors = [
            total_error(ChannelScaleQuantiser(bits=8, scale=p.scale, shifts=torch.tensor([s])), column)
            for s in range(4)
        ]
        assert errors[chosen] == min(errors)


# k-means


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_clusters_are_the_best_of_all(k: int) -> None:
    generator = torch.Generator().manual_seed(k)
    for _ in range(10):
        values = torch.randn(9, generator=generator) ** 3
        labels = k_means(values, k)
        assert labels.unique().tolist() == list(range(k))
        ordered = values.sort().values.double()
        assert torch.equal(labels[values.argsort()], labels.sort().values)  # 0 is the smallest

        def spread(parts: list[torch.Tensor]) -> float:
            return float(sum((part - part.mean()).square().sum() for part in parts))

        every = [
            spread([ordered[a:b] for a, b in zip((0, *cuts), (*cuts, 9), strict=True)])
            for cuts in combinations(range(1, 9), k - 1)
        ]
        found = spread([values[labels == label].double() for label in range(k)])
        assert found == pytest.approx(min(every))


def test_more_clusters_than_values_are_refused() -> None:
    with pytest.raises(HwsimError, match="k is 4, expected 1 to the number of values, 3"):
        k_means(torch.ones(3), 4)
