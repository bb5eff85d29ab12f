"""Paper mode: fake quantisation with float non-linear operators, which is what the papers' tables measure.

    O = Q(x) Q(W)^T + b        Q = dequantise(quantise(.)), softmax, GELU and LayerNorm in float

Quantised: every weight, the operands of every product and the residual stream; not quantised: scores, the
pre-activation, the branches before the adder and the logits.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from golden.parameters import Calibrated
from golden.vit import Affine, Block, Merge, Vit, forward


class PaperModel:
    """A float network with quantised weights and operands."""

    def __init__(self, calibrated: Calibrated) -> None:
        self.vit = quantised_weights(calibrated)
        self.quantisers = {n: p for n, p in calibrated.activations.items() if not n.endswith(".fc1")}

    def tap(self, name: str, x: Tensor) -> Tensor:
        """Fake-quantise a tensor if it has a quantiser."""
        quantiser = self.quantisers.get(name)
        return x if quantiser is None else quantiser.fake_quantize(x)

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """uint8[B, H, W, C] to logits, float32[B, classes]."""
        return forward(self.vit, images, self.tap)


def quantised_weights(calibrated: Calibrated) -> Vit:
    """The network with each weight replaced by the value of its codes."""

    def affine(name: str, old: Affine) -> Affine:
        return Affine(weight=calibrated.weights[name].dequantize(), bias=old.bias)

    def block(index: int, old: Block) -> Block:
        name = f"blocks.{index}"
        return replace(
            old,
            qkv=affine(f"{name}.attn.qkv", old.qkv),
            proj=affine(f"{name}.attn.proj", old.proj),
            fc1=affine(f"{name}.mlp.fc1", old.fc1),
            fc2=affine(f"{name}.mlp.fc2", old.fc2),
            merge=None if old.merge is None else merge(name, old.merge),
        )

    def merge(name: str, old: Merge) -> Merge:
        return replace(old, reduction=affine(f"{name}.merge.reduction", old.reduction))

    vit = calibrated.vit
    per_pixel = calibrated.weights["patch_embed"].dequantize().reshape(vit.width, vit.channels, -1)
    normalised = (per_pixel * (255 * torch.tensor(vit.std, device=per_pixel.device)[:, None])).flatten(1)
    return replace(
        vit,
        patch_embed=Affine(weight=normalised, bias=vit.patch_embed.bias),
        blocks=tuple(block(i, b) for i, b in enumerate(vit.blocks)),
        head=affine("head", vit.head),
    )
