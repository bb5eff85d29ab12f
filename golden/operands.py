"""The input and the weight of one linear layer, as a method's parts say.

    least  sum of sensitivity * (Q(x) Q(W)^T - x W^T)**2,  weight and input in turn;  or each by a rule of its own

Known: alternation, grids and metric (PTQ4ViT), percentiles by error (RepQ-ViT, ADFQ-ViT), observers (FQ-ViT).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from golden.candidates import GELU_EXPONENTS, Families, gelu_candidates
from golden.fold import Folded, fold_norm, smooth_norm
from golden.method import MethodConfig
from golden.observe import Observed
from golden.parameters import WeightParameters
from golden.proof import is_admitted
from golden.quantizers import ranges, rows, uniform
from golden.quantizers.base import Quantiser
from golden.quantizers.uniform import UniformQuantiser
from golden.search import Grid, Target, asymmetric_candidates, grid, least, search_input, search_weight
from golden.vit import Affine
from hwsim.errors import HwsimError
from hwsim.formats import TwoScale, Uniform

PRE_ACTIVATION_BITS = 10

Range = tuple[float, float]
"""Smallest and largest element of a whole tensor."""


@dataclass(frozen=True, kw_only=True)
class Normed:
    """A LayerNorm and the linear layer that reads it: what calibration makes of both."""

    norm: Affine
    linear: Affine
    quantiser: Quantiser
    weight: WeightParameters
    folded: Folded | None = None
    """Where scales were folded into both."""


@dataclass(frozen=True, kw_only=True)
class OperandConfigs:
    """The choices for both operands of a linear layer."""

    input: MethodConfig
    weight: MethodConfig


def fit_weight(target: Target, inputs: Tensor, config: MethodConfig) -> WeightParameters:
    """Weight of a layer, given its quantised inputs (float32[rows, K])."""
    if config.weights == "search":
        return search_weight(target, inputs, config.bits, grid(config.bits, config.full_grid))
    return ranges.weight_quantiser(target.weight, config.bits, config.weights, target.groups)


def fit_linear(target: Target, x_range: Range, configs: OperandConfigs) -> tuple[Quantiser, WeightParameters]:
    """Weight and asymmetric input of a linear layer."""
    config = configs.input
    if config.ranges != "search":
        chosen: Quantiser = by_rule(target.inputs, x_range, config)
        return chosen, fit_weight(target, chosen.fake_quantize(target.inputs), configs.weight)
    factors = grid(config.bits, config.full_grid)
    candidates = asymmetric_candidates(*x_range, config.bits, factors)
    chosen = uniform.calibrate_asymmetric(*x_range, config.bits)
    for _ in range(config.rounds):
        weight = fit_weight(target, chosen.fake_quantize(target.inputs), configs.weight)
        chosen = search_input(target, weight.dequantize(), [candidates], factors)
    return chosen, weight


def by_rule(x: Tensor, x_range: Range, config: MethodConfig) -> Quantiser:
    """Asymmetric quantiser of a tensor by the rule of ranges; the extremes are those of the whole tensor."""
    if config.ranges == "minmax":
        return uniform.calibrate_asymmetric(*x_range, config.bits)
    found = ranges.find(x, config.bits, config.ranges)
    return uniform.calibrate_asymmetric(float(found.low), float(found.high), config.bits)


def fit_norm(
    target: Target,
    norm: Affine,
    linear: Affine,
    whole: Tensor,
    sampled: Tensor,
    x_range: Range,
    configs: OperandConfigs,
    period: int | None = None,
) -> Normed:
    """LayerNorm's output and the weight of the layer that reads it.

    Parameters
    ----------
    target : of the layer, on the sampled tokens
    whole : float32[B, T, D], LayerNorm's output; where each row has its own scale only, else anything
    sampled : int64[R], the sampled tokens
    period : after how many tokens the scales of rows repeat
    """
    config = configs.input
    if config.norm == "row":
        quantiser = rows.calibrate_rows(whole, config.bits, config.outlier_threshold, _rule(config), period)
        inputs = quantiser.at_tokens(sampled).fake_quantize(whole[:, sampled]).flatten(0, 1)
        weight = fit_weight(target, inputs, configs.weight)
        return Normed(norm=norm, linear=linear, quantiser=quantiser, weight=weight)
    if config.fold == "none":
        chosen, weight = fit_linear(target, x_range, configs)
        return Normed(norm=norm, linear=linear, quantiser=chosen, weight=weight)
    folded = _folded(target, norm, linear, config)
    moved = folded.transform(target.inputs)
    there = Target(
        inputs=moved, weight=folded.linear.weight, bias=folded.linear.bias, sensitivity=target.sensitivity,
        groups=target.groups,
    )  # fmt: skip
    if folded.quantiser is None:
        chosen, weight = fit_linear(there, (float(moved.min()), float(moved.max())), configs)
    else:
        chosen = folded.quantiser
        weight = fit_weight(there, chosen.fake_quantize(moved), configs.weight)
    return Normed(norm=folded.norm, linear=folded.linear, quantiser=chosen, weight=weight, folded=folded)


def _folded(target: Target, norm: Affine, linear: Affine, config: MethodConfig) -> Folded:
    if config.fold == "smooth":
        return smooth_norm(norm, linear, target.inputs)
    assert config.fold in ("mean", "median")
    scale, zero_point = ranges.asymmetric_channels(target.inputs, config.bits, _rule(config))
    return fold_norm(norm, linear, scale, zero_point, config.bits, config.fold)


def fit_alone(x: Tensor, bits: int, config: MethodConfig) -> Quantiser:
    """Asymmetric quantiser of a tensor by its own error: where no layer's output is searched."""
    found = ranges.find(x, bits, _rule(config))
    return uniform.calibrate_asymmetric(float(found.low), float(found.high), bits)


def fit_column(x: Tensor, bits: int, config: MethodConfig) -> Quantiser:
    """Symmetric quantiser of a tensor that feeds the columns of a product, by its own error."""
    scale = ranges.symmetric_scale(x.flatten()[None], bits, _rule(config))[0]
    return UniformQuantiser(format=Uniform(bits=bits, signed=True), scale=scale)


def _rule(config: MethodConfig) -> str:
    """Rule of ranges where there are too many scales to search."""
    return "percentile_mse" if config.ranges == "search" else config.ranges


def fit_gelu(target: Target, x_range: Range, configs: OperandConfigs) -> tuple[Quantiser, WeightParameters]:
    """GELU's output and fc2's weight, within the accumulator proof."""
    config = configs.input
    if config.ranges != "search" and config.gelu == "uniform":
        return fit_linear(target, x_range, configs)
    inputs = target.inputs
    searched = config.exponent is None
    exponents: Iterable[int] = GELU_EXPONENTS if searched else [config.exponent or 0]
    for _ in range(config.rounds):
        weight = fit_weight(target, inputs, configs.weight)
        choices = gelu_candidates(config, *x_range, exponents)
        admitted = (_admitted(families, weight, target.bias) for families in choices)
        families = next((found for found in admitted if found), None)
        if families is None:
            raise HwsimError(
                f"gelu = {config.gelu}: no choice keeps {len(target.weight)} sums over {target.weight.shape[1]} inputs"
                " in 32 bits, expected another exponent or format"
            )
        chosen = search_input(target, weight.dequantize(), families, grid(config.bits, config.full_grid))
        inputs = chosen.fake_quantize(target.inputs)
        if searched and isinstance(chosen.format, TwoScale):
            exponents = range(max(0, chosen.format.exponent - 1), chosen.format.exponent + 2)
    return chosen, weight


def _admitted(families: Families, weight: WeightParameters, bias: Tensor) -> Families:
    """What the accumulator proof admits, without the families of which nothing is left."""
    found = [[p for p in family if is_admitted(p, weight, bias)] for family in families]
    return [family for family in found if family]


def fit_pre_activation(observed: Observed) -> Quantiser:
    """Ten-bit input of the GELU table, by the error of GELU's output; integer mode only."""
    x, gelu = observed.values["mlp.fc1"], observed.values["mlp.gelu"]
    sensitivity = observed.sensitivity["mlp.gelu"]
    largest = torch.tensor(max(map(abs, observed.ranges["mlp.fc1"])), device=x.device)
    start = uniform.calibrate_symmetric(largest, PRE_ACTIVATION_BITS)

    def error(p: UniformQuantiser) -> float:
        difference = torch.nn.functional.gelu(p.fake_quantize(x)) - gelu
        return float((difference.square_() * sensitivity).double().sum())

    return least([start.scaled(f) for f in Grid(low=0.2, high=1.0, points=33).factors()], error)
