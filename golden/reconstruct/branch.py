"""The modules that are reconstructed one after the other: the two residual branches of each block.

    attention   norm1, qkv, softmax, proj        MLP   norm2, fc1, GELU, fc2

Known (ADFQ-ViT): these units, not whole blocks. Patch embedding and head keep their 8 bits, rounded to nearest; so is
the weight of Swin's patch merging (our decision).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from golden.vit import Tap, Vit, attention, classify, mlp, run_block


@dataclass(frozen=True)
class Branch:
    """One residual branch of a block."""

    index: int
    """Of the block."""
    kind: Literal["attn", "mlp"]

    @property
    def name(self) -> str:
        """Prefix of its layers and tensors."""
        return f"blocks.{self.index}.{self.kind}"

    @property
    def layers(self) -> tuple[str, str]:
        """Names of its two linear layers within the block."""
        return ("qkv", "proj") if self.kind == "attn" else ("fc1", "fc2")

    @property
    def inputs(self) -> tuple[str, str]:
        """Names of the tensors that these layers read; the first is LayerNorm's output."""
        if self.kind == "attn":
            return f"blocks.{self.index}.norm1", f"{self.name}.values"
        return f"blocks.{self.index}.norm2", f"{self.name}.gelu"

    @property
    def probabilities(self) -> str:
        """Name of the attention probabilities; the MLP has no such tensor."""
        return f"{self.name}.softmax"

    @property
    def stream(self) -> str:
        """Name of the residual tensor after the branch."""
        return f"{self.name}.add"

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of all tensors that have a quantiser within the branch in paper mode."""
        return (*self.inputs, f"{self.name}.qkv", self.probabilities) if self.kind == "attn" else self.inputs

    def layer_name(self, layer: str) -> str:
        """Full name of one of the two layers."""
        return f"{self.name}.{layer}"

    def windows(self, vit: Vit) -> int:
        """Windows of its block; 1 where attention sees every token."""
        found = vit.blocks[self.index].windows
        return 1 if found is None else found.count

    @property
    def begins_block(self) -> bool:
        """Whether the block's patch merging, if it has one, comes before this branch."""
        return self.kind == "attn"

    def weight(self, vit: Vit, layer: str) -> Tensor:
        """float32[N, K] of one of the two layers."""
        weight: Tensor = getattr(vit.blocks[self.index], layer).weight
        return weight

    def with_weights(self, vit: Vit, weights: Mapping[str, Tensor]) -> Vit:
        """The network with other weights, by layer, in this branch."""
        block = vit.blocks[self.index]
        changed = {name: replace(getattr(block, name), weight=weight) for name, weight in weights.items()}
        blocks = (*vit.blocks[: self.index], replace(block, **changed), *vit.blocks[self.index + 1 :])
        return replace(vit, blocks=blocks)

    def run(self, vit: Vit, x: Tensor, tap: Tap) -> Tensor:
        """Residual stream to the output of the branch before the adder, both float32[B, T, D]."""
        output: Tensor = (attention if self.kind == "attn" else mlp)(vit, self.index, x, tap)
        return output

    def rest(self, vit: Vit, x: Tensor) -> Tensor:
        """Residual stream after the branch, float32[B, T, D], to the logits, float32[B, classes], all in float."""
        if self.kind == "attn":
            x = x + mlp(vit, self.index, x)
        for index in range(self.index + 1, len(vit.blocks)):
            x = run_block(vit, index, x)
        return classify(vit, x)


def branches(vit: Vit) -> list[Branch]:
    """All branches in network order."""
    kinds: tuple[Literal["attn", "mlp"], ...] = ("attn", "mlp")
    return [Branch(index, kind) for index in range(len(vit.blocks)) for kind in kinds]
