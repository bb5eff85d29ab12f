"""The residual streams of the float and of the quantised network, which stop before one module at a time.

    quantised:  x = Q(x + O^(x))        float:  x = x + O(x)

Known (ADFQ-ViT, released code): a module learns from the quantised prefix's stream to the float network's output. All
images' streams are held, and of one module its float input and output.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from golden.paper import PaperModel
from golden.reconstruct.branch import Branch
from golden.reconstruct.config import ReconstructionConfig
from golden.reconstruct.losses import log_attention
from golden.vit import Tap, Vit, embed, enter, keep

TOKENS_IN_A_BATCH = 3200
"""Images a batch are this divided by the tokens of one; no gradient is needed here."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """What a module sees and what it shall return, for all images."""

    stream: Tensor
    """float32[n, T, D], residual stream of the quantised prefix"""
    float_input: Tensor
    """float32[n, T, D], LayerNorm's output in the float network"""
    target: Tensor
    """float32[n, T, D], the module's output in the float network"""
    weight: Tensor
    """float32[T], of each token's error, mean 1"""
    attention: Tensor | None
    """float32[n, heads, T, T], ``log_attention`` of the float network, where the loss has the attention term"""


class Streams:
    """The residual stream of the float and of the quantised network, float32[n, T, D] each."""

    @torch.no_grad()
    def __init__(self, vit: Vit, model: PaperModel, images: Tensor) -> None:
        self.vit = vit
        self.batch = max(1, TOKENS_IN_A_BATCH // vit.tokens)
        self.floating = torch.cat([embed(vit, part) for part in torch.split(images, self.batch)])
        self.quantised = torch.cat([embed(model.vit, part, model.tap) for part in torch.split(images, self.batch)])

    @torch.no_grad()
    def enter(self, branch: Branch, model: PaperModel) -> None:
        """Both streams to where a branch begins, before anything else is asked about it."""
        if not branch.begins_block or self.vit.blocks[branch.index].merge is None:
            return
        parts = [torch.split(stream, self.batch) for stream in (self.floating, self.quantised)]
        self.floating = torch.cat([enter(self.vit, branch.index, x) for x in parts[0]])
        self.quantised = torch.cat([enter(model.vit, branch.index, x, model.tap) for x in parts[1]])

    @torch.no_grad()
    def example(self, branch: Branch, config: ReconstructionConfig, weight: Tensor) -> Example:
        """What to learn the branch from; weight : float32[T] of each token's error."""
        inputs: list[Tensor] = []
        attention: list[Tensor] = []

        def record(name: str, x: Tensor) -> Tensor:
            if name == branch.inputs[0]:
                inputs.append(x)
            if name == branch.probabilities and config.attention_weight > 0:
                attention.append(log_attention(x, config, branch.windows(self.vit)))
            return x

        target = self._run(branch, self.vit, self.floating, record)
        return Example(
            stream=self.quantised,
            float_input=torch.cat(inputs),
            target=target,
            weight=weight,
            attention=torch.cat(attention) if attention else None,
        )

    @torch.no_grad()
    def quantised_output(self, branch: Branch, model: PaperModel) -> Tensor:
        """Output of the branch in the quantised network, float32[n, T, D]."""
        return self._run(branch, model.vit, self.quantised, model.tap)

    @torch.no_grad()
    def float_output(self, branch: Branch) -> Tensor:
        """Output of the branch in the float network, float32[n, T, D]."""
        return self._run(branch, self.vit, self.floating, keep)

    @torch.no_grad()
    def advance(self, branch: Branch, model: PaperModel, quantised: Tensor, floating: Tensor) -> None:
        """Both residual adders after the branch."""
        for stream, output, tap in (
            (self.quantised, quantised, model.tap),
            (self.floating, floating, keep),
        ):
            for x, addend in zip(torch.split(stream, self.batch), torch.split(output, self.batch), strict=True):
                x.copy_(tap(branch.stream, x + addend))

    def _run(self, branch: Branch, vit: Vit, stream: Tensor, tap: Tap) -> Tensor:
        return torch.cat([branch.run(vit, x, tap) for x in torch.split(stream, self.batch)])
