"""Calibration of TSPTQ-ViT: from a float network and a few unlabelled images to the parameters of every tensor.

Each operator is searched alone, its inputs and its target being the float network's (as PTQ4ViT does): weights and
inputs in turn for linear layers, q and k on the scores, V-2SF's exponent and v on the context, GELU's fine step and
exponent on fc2's output, O-2SF by its MSE rule. Reconstructed; see docs/numerics.md for the formats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from golden.attention_search import search_attention
from golden.observe import RESIDUAL, Observed, join, observe_block, observe_boundaries
from golden.parameters import Calibrated, WeightParameters
from golden.proof import is_admitted
from golden.quantizers import channel_scale, two_scale, uniform
from golden.quantizers.base import Quantiser
from golden.quantizers.uniform import UniformQuantiser
from golden.search import Grid, Target, asymmetric_candidates, least, search_input, search_weight
from golden.vit import Vit, patches

GELU_EXPONENTS = range(8)
PRE_ACTIVATION_BITS = 10
EDGE_BITS = 8
"""Width of the patch embedding, the classifier and the residual stream, whatever the width of the blocks."""

Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class CalibrationOptions:
    """How to calibrate; every choice is recorded in the network."""

    bits: int = 8
    seed: int = 0
    rounds: int = 2
    """Turns of weight and input search for each linear layer."""
    full_grid: bool = False
    """PTQ4ViT's 100 factors from 0.01 to 1.2 instead of 13 from 0.8 to 1.04."""
    residual_rule: Literal["sensitivity", "mse"] = "sensitivity"
    """How O-2SF weighs the errors of the two scales."""
    sampled_rows: int = 2048
    """Tokens of all images together, for the search."""
    label_draws: int = 4
    """Labels drawn from each float prediction for the sensitivity."""

    def sampled_tokens(self, images: int) -> int:
        """Tokens of each image."""
        return max(4, self.sampled_rows // images)

    def grid(self, bits: int | None = None) -> Grid:
        """Factors to try at a width (the blocks' own without one).

        Low widths need small ones. At 8 bits the metric, which knows no correlation between errors, clips too much
        where it may: on held-out images weights from 0.5 are worse than plain maxima.
        """
        if self.full_grid or (bits or self.bits) < 8:
            return Grid(low=0.01, high=1.2, points=100)
        return Grid(low=0.8, high=1.04, points=13)


def input_zero_point(vit: Vit) -> int:
    """Zero point of the pixels: the mean grey."""
    return round(255 * sum(vit.mean) / len(vit.mean))


def pixel_weight(vit: Vit) -> Tensor:
    """Patch embedding's weight for raw pixels, ``W / (255 std)``, float32[D, K]."""
    per_channel = vit.patch_embed.weight.reshape(vit.width, vit.channels, -1)
    return (per_channel / (255 * torch.tensor(vit.std)[:, None])).flatten(1)


@torch.no_grad()
def calibrate(vit: Vit, images: Tensor, options: CalibrationOptions, report: Report) -> Calibrated:
    """Find every parameter.

    Parameters
    ----------
    images : uint8[n, H, W, C]
    report : called with a few words before each stage, ``len(vit.blocks) + 2`` times
    """
    generator = torch.Generator().manual_seed(options.seed)
    report("float network")
    boundaries = join(list(observe_boundaries(vit, images, options.label_draws, generator)))
    weights: dict[str, WeightParameters] = {}
    activations: dict[str, Quantiser] = {}
    weights["patch_embed"] = _patch_embed(vit, images, boundaries.gradients[0], options, generator)
    activations["embed"] = _residual(boundaries.stream[0], boundaries.gradients[0].square().mean(0), options)
    for index in range(len(vit.blocks)):
        report(f"block {index + 1} of {len(vit.blocks)}")
        observed = observe_block(vit, index, boundaries, options.sampled_tokens(len(images)), generator)
        _block(vit, index, observed, options, weights, activations)
    report("classifier")
    target = Target(inputs=boundaries.head_input, weight=vit.head.weight, sensitivity=boundaries.head_sensitivity)
    x_range = (float(boundaries.head_input.min()), float(boundaries.head_input.max()))
    activations["norm"], weights["head"] = _linear(target, x_range, options, EDGE_BITS)
    return Calibrated(bits=options.bits, weights=weights, activations=activations, notes=_notes(activations))


def _block(
    vit: Vit,
    index: int,
    observed: Observed,
    options: CalibrationOptions,
    weights: dict[str, WeightParameters],
    activations: dict[str, Quantiser],
) -> None:
    block, name = vit.blocks[index], f"blocks.{index}"
    values, ranges, bits = observed.values, observed.ranges, options.bits

    def target(inputs: str, weight: Tensor, outputs: str) -> Target:
        return Target(
            inputs=values[inputs].flatten(0, 1),
            weight=weight,
            sensitivity=observed.sensitivity[outputs].flatten(0, 1),
        )

    to_qkv = target("norm1", block.qkv.weight, "attn.qkv")
    activations[f"{name}.norm1"], weights[f"{name}.attn.qkv"] = _linear(to_qkv, ranges["norm1"], options, bits)
    activations |= search_attention(name, observed, vit.heads, bits, options.grid())
    to_proj = target("attn.values", block.proj.weight, "attn.proj")
    activations[f"{name}.attn.values"], weights[f"{name}.attn.proj"] = _linear(
        to_proj, ranges["attn.values"], options, bits
    )
    to_fc1 = target("norm2", block.fc1.weight, "mlp.fc1")
    activations[f"{name}.norm2"], weights[f"{name}.mlp.fc1"] = _linear(to_fc1, ranges["norm2"], options, bits)
    activations[f"{name}.mlp.fc1"] = _pre_activation(observed, options)
    to_fc2 = target("mlp.gelu", block.fc2.weight, "mlp.fc2")
    activations[f"{name}.mlp.gelu"], weights[f"{name}.mlp.fc2"] = _after_gelu(
        to_fc2, block.fc2.bias, ranges["mlp.gelu"][1], options
    )
    for residual in RESIDUAL:
        activations[f"{name}.{residual}"] = _residual(values[residual], observed.sensitivity[residual], options)


def _linear(
    target: Target, x_range: tuple[float, float], options: CalibrationOptions, bits: int
) -> tuple[Quantiser, WeightParameters]:
    """Weight and asymmetric input of a linear layer, in turn."""
    grid = options.grid(bits)
    candidates = asymmetric_candidates(*x_range, bits, grid)
    chosen: Quantiser = uniform.calibrate_asymmetric(*x_range, bits)
    for _ in range(options.rounds):
        weight = search_weight(target, chosen.fake_quantize(target.inputs), bits, grid)
        chosen = search_input(target, weight.dequantize(), candidates)
    return chosen, weight


def _after_gelu(
    target: Target, bias: Tensor, largest: float, options: CalibrationOptions
) -> tuple[Quantiser, WeightParameters]:
    """fc2's weight and the joint search of V-2SF's fine step and exponent, within the accumulator proof."""
    inputs, exponents = target.inputs, GELU_EXPONENTS
    grid = options.grid()
    for _ in range(options.rounds):
        weight = search_weight(target, inputs, options.bits, grid)
        candidates = [
            p
            for m in exponents
            for f in grid.factors()
            if is_admitted(p := two_scale.calibrate_gelu(largest * f, options.bits, m), weight, bias)
        ]
        chosen = search_input(target, weight.dequantize(), candidates)
        inputs = chosen.fake_quantize(target.inputs)
        exponents = range(max(0, chosen.format.exponent - 1), chosen.format.exponent + 2)
    return chosen, weight


def _pre_activation(observed: Observed, options: CalibrationOptions) -> Quantiser:
    """Ten-bit input of the GELU table, by the error of GELU's output."""
    x, gelu = observed.values["mlp.fc1"], observed.values["mlp.gelu"]
    sensitivity = observed.sensitivity["mlp.gelu"]
    largest = torch.tensor(max(map(abs, observed.ranges["mlp.fc1"])))
    start = uniform.calibrate_symmetric(largest, PRE_ACTIVATION_BITS)

    def error(p: UniformQuantiser) -> float:
        difference = torch.nn.functional.gelu(p.fake_quantize(x)) - gelu
        return float((difference.square_() * sensitivity).double().sum())

    return least([start.scaled(f) for f in Grid(low=0.2, high=1.0, points=33).factors()], error)


def _residual(x: Tensor, sensitivity: Tensor, options: CalibrationOptions) -> Quantiser:
    """O-2SF of a residual tensor, both float32[B, T, D]; tokens that nothing reads do not count."""
    read = sensitivity.sum((0, 2)) > 0
    rows, weights = x[:, read].flatten(0, 1), sensitivity[:, read].flatten(0, 1)
    return channel_scale.calibrate_channels(
        rows, EDGE_BITS, weights if options.residual_rule == "sensitivity" else None
    )


def _patch_embed(
    vit: Vit, images: Tensor, gradients: Tensor, options: CalibrationOptions, generator: torch.Generator
) -> WeightParameters:
    """Weight on raw pixels; the input is exact."""
    pixels = patches(vit, images.permute(0, 3, 1, 2).float() - 255 * torch.tensor(vit.mean)[:, None, None])
    rows = torch.randperm(vit.tokens - 1, generator=generator)[: options.sampled_tokens(len(images))]
    target = Target(
        inputs=pixels[:, rows].flatten(0, 1),
        weight=pixel_weight(vit),
        sensitivity=gradients.square().mean(0)[:, rows + 1].flatten(0, 1),
    )
    return search_weight(target, target.inputs, EDGE_BITS, options.grid(EDGE_BITS))


def _notes(activations: dict[str, Quantiser]) -> dict[str, object]:
    """Exponents chosen, in the order of the blocks."""

    def exponents(suffix: str) -> list[int]:
        return [p.format.exponent for n, p in activations.items() if n.endswith(suffix)]  # type: ignore[union-attr]

    return {
        "softmax_exponents": exponents(".softmax"),
        "gelu_exponents": exponents(".gelu"),
        "residual_exponents": exponents("embed") + exponents(".add"),
    }
