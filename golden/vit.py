"""A pre-norm vision transformer as plain tensors, and its float forward pass.

    x = embed(image);  x = x + proj(attention(norm1(x)));  x = x + fc2(gelu(fc1(norm2(x))));  head(norm(x)[class token])

Every intermediate tensor goes through a ``tap`` under the name that it has in the integer network, so the
float model, paper mode (fake quantisation) and calibration share this one forward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Tap = Callable[[str, Tensor], Tensor]
"""Sees a tensor under its network name and returns what the forward pass goes on with."""


@dataclass(frozen=True, kw_only=True)
class Affine:
    """``x @ weight.T + bias``, or ``x * weight + bias`` for a LayerNorm."""

    weight: Tensor
    """float32[N, K] (LayerNorm: float32[D])"""
    bias: Tensor
    """float32[N]"""


@dataclass(frozen=True, kw_only=True)
class Block:
    """One transformer block."""

    norm1: Affine
    qkv: Affine
    proj: Affine
    norm2: Affine
    fc1: Affine
    fc2: Affine


@dataclass(frozen=True, kw_only=True)
class Vit:
    """The parts of a vision transformer with a class token."""

    image_size: int
    patch_size: int
    mean: tuple[float, ...]
    """Of each input channel, on a scale of 0 to 1."""
    std: tuple[float, ...]
    patch_embed: Affine
    """weight float32[D, channels * patch * patch] on normalised pixels, columns in the order channel, y, x"""
    class_token: Tensor
    """float32[D]"""
    position: Tensor
    """float32[T, D]"""
    blocks: tuple[Block, ...]
    norm: Affine
    head: Affine
    heads: int
    epsilon: float

    @property
    def width(self) -> int:
        """Channels of the residual stream, D."""
        return self.position.shape[1]

    @property
    def tokens(self) -> int:
        """Tokens with the class token, T."""
        return self.position.shape[0]

    @property
    def channels(self) -> int:
        """Channels of the input image."""
        return len(self.mean)


def keep(_name: str, x: Tensor) -> Tensor:
    """The tap that changes nothing."""
    return x


def normalise(vit: Vit, images: Tensor) -> Tensor:
    """uint8[B, H, W, C] to [B, C, H, W] in the dtype of the network."""
    mean, std = (torch.tensor(each, device=images.device) for each in (vit.mean, vit.std))
    return ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2).to(vit.position.dtype)


def patches(vit: Vit, pixels: Tensor) -> Tensor:
    """[B, C, H, W] to [B, T - 1, C * patch * patch]."""
    return F.unfold(pixels, vit.patch_size, stride=vit.patch_size).transpose(1, 2)


def split_heads(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """[B, T, 3 D] to q, k, v, each [B, heads, T, D / heads]."""
    batch, tokens, _ = qkv.shape
    q, k, v = qkv.reshape(batch, tokens, 3, heads, -1).permute(2, 0, 3, 1, 4)
    return q, k, v


def merge_heads(context: Tensor) -> Tensor:
    """[B, heads, T, d] to [B, T, heads * d]."""
    return context.transpose(1, 2).flatten(2)


def layernorm(x: Tensor, affine: Affine, epsilon: float) -> Tensor:
    """LayerNorm over the last axis."""
    return F.layer_norm(x, affine.weight.shape, affine.weight, affine.bias, epsilon)


def linear(x: Tensor, affine: Affine) -> Tensor:
    """``x @ weight.T + bias``."""
    return F.linear(x, affine.weight, affine.bias)


def embed(vit: Vit, images: Tensor, tap: Tap = keep) -> Tensor:
    """uint8[B, H, W, C] to the first residual tensor, float32[B, T, D]."""
    x = linear(patches(vit, normalise(vit, images)), vit.patch_embed)
    token = vit.class_token.expand(len(x), 1, -1)
    return tap("embed", torch.cat([token, x], 1) + vit.position)


def attention(vit: Vit, index: int, x: Tensor, tap: Tap = keep) -> Tensor:
    """Attention branch of block ``index``, before the residual adder, float32[B, T, D]."""
    block, name = vit.blocks[index], f"blocks.{index}"
    x = tap(f"{name}.norm1", layernorm(x, block.norm1, vit.epsilon))
    qkv = tap(f"{name}.attn.qkv", linear(x, block.qkv))
    q, k, v = split_heads(qkv, vit.heads)
    scores = tap(f"{name}.attn.scores", q @ k.transpose(2, 3) * q.shape[3] ** -0.5)
    probabilities = tap(f"{name}.attn.softmax", scores.softmax(3))
    context = tap(f"{name}.attn.values", merge_heads(probabilities @ v))
    return tap(f"{name}.attn.proj", linear(context, block.proj))


def mlp(vit: Vit, index: int, x: Tensor, tap: Tap = keep) -> Tensor:
    """MLP branch of block ``index``, before the residual adder, float32[B, T, D]."""
    block, name = vit.blocks[index], f"blocks.{index}"
    x = tap(f"{name}.norm2", layernorm(x, block.norm2, vit.epsilon))
    x = tap(f"{name}.mlp.fc1", linear(x, block.fc1))
    x = tap(f"{name}.mlp.gelu", F.gelu(x))
    return tap(f"{name}.mlp.fc2", linear(x, block.fc2))


def run_block(vit: Vit, index: int, x: Tensor, tap: Tap = keep) -> Tensor:
    """One block, float32[B, T, D] to float32[B, T, D]."""
    x = tap(f"blocks.{index}.attn.add", x + attention(vit, index, x, tap))
    return tap(f"blocks.{index}.mlp.add", x + mlp(vit, index, x, tap))


def classify(vit: Vit, x: Tensor, tap: Tap = keep) -> Tensor:
    """Last residual tensor to logits, float32[B, classes]."""
    x = tap("norm", layernorm(x[:, 0], vit.norm, vit.epsilon))
    return tap("head", linear(x, vit.head))


def forward(vit: Vit, images: Tensor, tap: Tap = keep) -> Tensor:
    """uint8[B, H, W, C] to logits, float32[B, classes]."""
    x = embed(vit, images, tap)
    for index in range(len(vit.blocks)):
        x = run_block(vit, index, x, tap)
    return classify(vit, x, tap)
