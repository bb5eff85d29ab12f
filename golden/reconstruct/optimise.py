"""Learn the rounding of one module's weights, and the steps of its linear layers' uniform inputs.

Each iteration draws a batch of images, mixes the quantised prefix's input element by element with the float
network's (QDrop, arXiv 2203.05740), runs the module with soft rounding and quantised activations, and takes a step
of Adam on the loss of ``golden.reconstruct.losses``. Known: released code of ADFQ-ViT (``block_recon.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from golden.parameters import Calibrated, WeightParameters
from golden.quantizers.uniform import UniformQuantiser
from golden.reconstruct.adaround import SoftRounding
from golden.reconstruct.branch import Branch
from golden.reconstruct.config import ReconstructionConfig
from golden.reconstruct.losses import (
    attention_divergence,
    beta_at,
    log_attention,
    output_error,
    rounding_penalty,
)
from golden.reconstruct.straight_through import FixedQuantiser, LearntStepQuantiser
from golden.reconstruct.streams import Example


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """What became of a module."""

    weights: dict[str, WeightParameters]
    """By full layer name."""
    quantisers: dict[str, UniformQuantiser]
    """Those whose step was learnt, by tensor name."""


class Student:
    """A module with soft rounding and with quantisers that have a gradient."""

    def __init__(self, branch: Branch, calibrated: Calibrated, config: ReconstructionConfig) -> None:
        self.branch, self.vit = branch, calibrated.vit
        self.rounding = {
            layer: SoftRounding(branch.weight(self.vit, layer), calibrated.weights[branch.layer_name(layer)])
            for layer in branch.layers
        }
        self.learnt: dict[str, LearntStepQuantiser] = {}
        self.fixed: dict[str, FixedQuantiser] = {}
        for name in branch.tensors:
            quantiser = calibrated.activations.get(name)
            if config.learn_steps and name in branch.inputs and isinstance(quantiser, UniformQuantiser):
                self.learnt[name] = LearntStepQuantiser(quantiser, self.vit.head.weight.device)
            elif quantiser is not None:
                self.fixed[name] = FixedQuantiser(quantiser)

    def run(self, x: Tensor, mix: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor | None, list[Tensor]]:
        """One pass.

        Parameters
        ----------
        x : float32[B, T, D], residual stream
        mix : LayerNorm's output to the module's input, both float32[B, T, D]

        Returns
        -------
        The output (float32[B, T, D]), the attention probabilities before their quantiser (float32[B, heads, T, T],
        None of an MLP) and the share of each layer's weights that is rounded up.
        """
        probabilities: Tensor | None = None

        def tap(name: str, value: Tensor) -> Tensor:
            nonlocal probabilities
            if name == self.branch.inputs[0]:
                value = mix(value)
            if name == self.branch.probabilities:
                probabilities = value
            quantiser = self.learnt.get(name) or self.fixed.get(name)
            return value if quantiser is None else quantiser(value)

        shares = {layer: soft.share() for layer, soft in self.rounding.items()}
        weights = {layer: soft.weight(shares[layer]) for layer, soft in self.rounding.items()}
        output = self.branch.run(self.branch.with_weights(self.vit, weights), x, tap)
        return output, probabilities, list(shares.values())

    def harden(self) -> Learnt:
        """Integer codes and the learnt steps."""
        return Learnt(
            weights={self.branch.layer_name(layer): soft.harden() for layer, soft in self.rounding.items()},
            quantisers={name: quantiser.harden() for name, quantiser in self.learnt.items()},
        )


@torch.enable_grad()
def optimise(student: Student, example: Example, config: ReconstructionConfig, generator: torch.Generator) -> Learnt:
    """Learn the rounding and the steps of one module, also where a caller has switched gradients off.

    generator : on the device of the example
    """
    rounding = torch.optim.Adam([soft.variable for soft in student.rounding.values()], lr=config.rate)
    steps = _StepOptimiser(student, config) if student.learnt else None
    for iteration in range(1, config.iterations + 1):
        rounding.zero_grad()
        _loss(student, example, config, generator, iteration).backward()  # type: ignore[no-untyped-call]
        rounding.step()
        if steps is not None:
            steps.step()
    return student.harden()


class _StepOptimiser:
    """Adam on the steps, with a rate that falls as a cosine."""

    def __init__(self, student: Student, config: ReconstructionConfig) -> None:
        self.quantisers = list(student.learnt.values())
        self.adam = torch.optim.Adam([q.scale for q in self.quantisers], lr=config.step_rate)
        self.rate = torch.optim.lr_scheduler.CosineAnnealingLR(self.adam, T_max=config.iterations)

    def step(self) -> None:
        """Use the gradients, then clear them."""
        self.adam.step()
        self.rate.step()
        self.adam.zero_grad()
        for quantiser in self.quantisers:
            quantiser.keep_positive()


def _loss(
    student: Student, example: Example, config: ReconstructionConfig, generator: torch.Generator, iteration: int
) -> Tensor:
    """Loss of a batch drawn with replacement."""
    device = example.stream.device
    rows = torch.randint(len(example.stream), (config.batch,), generator=generator, device=device)

    def mix(quantised: Tensor) -> Tensor:
        is_float = torch.rand(quantised.shape, generator=generator, device=device) < config.float_share
        return torch.where(is_float, example.float_input[rows], quantised)

    output, probabilities, shares = student.run(example.stream[rows], mix)
    loss = output_error(output, example.target[rows], example.weight)
    if example.attention is not None and probabilities is not None:
        found = log_attention(probabilities, config, student.branch.windows(student.vit))
        loss = loss + config.attention_weight * attention_divergence(found, example.attention[rows])
    beta = beta_at(iteration, config)
    if beta is not None:
        loss = loss + config.regulariser * sum(rounding_penalty(share, beta) for share in shares)
    return loss
