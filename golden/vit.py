"""A pre-norm vision transformer as plain tensors, and its float forward pass.

    x = embed(image);  x = x + proj(attention(norm1(x)));  x = x + fc2(gelu(fc1(norm2(x))));  head(norm(x)[class token])

Swin differs in four places: a LayerNorm after the patch embedding, attention inside windows (``golden.windows``), patch
merging before the first block of a stage, ``x = reduction(norm(neighbours(x)))``, and the mean of all tokens before the
head. Every intermediate tensor goes through a ``tap`` under the name that it has in the integer network, so the
float model, paper mode (fake quantisation) and calibration share this one forward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from golden.windows import Windows, merge_neighbours, partition, restore, score_bias, separated
from hwsim.errors import HwsimError

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
class Merge:
    """Patch merging: a grid of half the height and width, and more channels."""

    height: int
    """Of the grid of tokens before"""
    width: int
    norm: Affine
    """float32[4 C]"""
    reduction: Affine
    """weight float32[D, 4 C], bias zeros"""


@dataclass(frozen=True, kw_only=True)
class Block:
    """One transformer block."""

    heads: int
    norm1: Affine
    qkv: Affine
    proj: Affine
    norm2: Affine
    fc1: Affine
    fc2: Affine
    windows: Windows | None = None
    """Where attention stays inside windows; else every token sees all."""
    merge: Merge | None = None
    """What makes the block's input of the residual stream before it; else it is that stream."""

    @property
    def width(self) -> int:
        """Channels of the block's residual tensors, D."""
        return len(self.proj.bias)


@dataclass(frozen=True, kw_only=True)
class Vit:
    """The parts of a vision transformer with a class token, or of a Swin."""

    image_size: int
    patch_size: int
    mean: tuple[float, ...]
    """Of each input channel, on a scale of 0 to 1."""
    std: tuple[float, ...]
    patch_embed: Affine
    """weight float32[D, channels * patch * patch] on normalised pixels, columns in the order channel, y, x"""
    class_token: Tensor | None
    """float32[D]; None: no such token, and the mean of all is classified"""
    position: Tensor | None
    """float32[T, D]"""
    blocks: tuple[Block, ...]
    norm: Affine
    head: Affine
    epsilon: float
    patch_norm: Affine | None = None
    """LayerNorm after the patch embedding"""

    @property
    def width(self) -> int:
        """Channels of the first residual tensor, D."""
        return len(self.patch_embed.bias)

    @property
    def tokens(self) -> int:
        """Tokens of the first residual tensor, the class token included, T."""
        return (self.image_size // self.patch_size) ** 2 + (self.class_token is not None)

    @property
    def heads(self) -> int:
        """Heads of the first block."""
        return self.blocks[0].heads

    @property
    def head_input(self) -> str:
        """Name of the tensor that the classifier reads."""
        return "norm" if self.class_token is not None else "pool"

    @property
    def embedding(self) -> tuple[Tensor, Tensor]:
        """Class token and position.

        Raises
        ------
        HwsimError
            If the network has none, as Swin.
        """
        if self.class_token is None or self.position is None:
            raise HwsimError("the network has no class token and no position embedding, expected a ViT or DeiT")
        return self.class_token, self.position

    def block_tokens(self, index: int) -> int:
        """Tokens of the residual tensors of a block."""
        windows = self.blocks[index].windows
        return self.tokens if windows is None else windows.height * windows.width

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
    return ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2).to(vit.head.weight.dtype)


def patches(vit: Vit, pixels: Tensor) -> Tensor:
    """[B, C, H, W] to [B, tokens of the image, C * patch * patch]."""
    return F.unfold(pixels, vit.patch_size, stride=vit.patch_size).transpose(1, 2)


def split_heads(qkv: Tensor, heads: int, windows: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """[B, T, 3 D] to q, k, v, each [B, windows * heads, T / windows, D / heads]."""
    batch = len(qkv)
    q, k, v = qkv.reshape(batch, windows, -1, 3, heads, qkv.shape[2] // (3 * heads)).permute(3, 0, 1, 4, 2, 5)
    return q.flatten(1, 2), k.flatten(1, 2), v.flatten(1, 2)


def merge_heads(context: Tensor, windows: int = 1) -> Tensor:
    """[B, windows * heads, T / windows, d] to [B, T, heads * d]."""
    batch, _, tokens, channels = context.shape
    by_window = context.reshape(batch, windows, -1, tokens, channels)
    return by_window.transpose(2, 3).flatten(3).flatten(1, 2)


def layernorm(x: Tensor, affine: Affine, epsilon: float) -> Tensor:
    """LayerNorm over the last axis."""
    return F.layer_norm(x, affine.weight.shape, affine.weight, affine.bias, epsilon)


def linear(x: Tensor, affine: Affine) -> Tensor:
    """``x @ weight.T + bias``."""
    return F.linear(x, affine.weight, affine.bias)


def embed(vit: Vit, images: Tensor, tap: Tap = keep) -> Tensor:
    """uint8[B, H, W, C] to the first residual tensor, float32[B, T, D]."""
    x = linear(patches(vit, normalise(vit, images)), vit.patch_embed)
    if vit.patch_norm is not None:
        x = tap("patch_norm", layernorm(tap("patch_embed", x), vit.patch_norm, vit.epsilon))
        return tap("embed", x)
    class_token, position = vit.embedding
    token = class_token.expand(len(x), 1, -1)
    return tap("embed", torch.cat([token, x], 1) + position)


def enter(vit: Vit, index: int, x: Tensor, tap: Tap = keep) -> Tensor:
    """Residual stream before block ``index`` to the block's input: itself, or merged patches."""
    merge, name = vit.blocks[index].merge, f"blocks.{index}.merge"
    if merge is None:
        return x
    x = merge_neighbours(x, merge.height, merge.width)
    x = tap(f"{name}.norm", layernorm(x, merge.norm, vit.epsilon))
    return tap(f"{name}.reduction", linear(x, merge.reduction))


def attention(vit: Vit, index: int, x: Tensor, tap: Tap = keep) -> Tensor:
    """Attention branch of block ``index``, before the residual adder, float32[B, T, D].

    From LayerNorm to the context the tokens are in window order where the block has windows.
    """
    block, name = vit.blocks[index], f"blocks.{index}"
    windows = block.windows
    count = 1 if windows is None else windows.count
    if windows is not None:
        x = partition(x, windows)
    x = tap(f"{name}.norm1", layernorm(x, block.norm1, vit.epsilon))
    qkv = tap(f"{name}.attn.qkv", linear(x, block.qkv))
    q, k, v = split_heads(qkv, block.heads, count)
    scores = q @ k.transpose(2, 3) * q.shape[3] ** -0.5
    if windows is not None:
        scores = scores + score_bias(windows)[separated(windows)[1]].flatten(0, 1)
    scores = tap(f"{name}.attn.scores", scores)
    probabilities = tap(f"{name}.attn.softmax", scores.softmax(3))
    context = tap(f"{name}.attn.values", merge_heads(probabilities @ v, count))
    if windows is not None:
        context = restore(context, windows)
    return tap(f"{name}.attn.proj", linear(context, block.proj))


def mlp(vit: Vit, index: int, x: Tensor, tap: Tap = keep) -> Tensor:
    """MLP branch of block ``index``, before the residual adder, float32[B, T, D]."""
    block, name = vit.blocks[index], f"blocks.{index}"
    x = tap(f"{name}.norm2", layernorm(x, block.norm2, vit.epsilon))
    x = tap(f"{name}.mlp.fc1", linear(x, block.fc1))
    x = tap(f"{name}.mlp.gelu", F.gelu(x))
    return tap(f"{name}.mlp.fc2", linear(x, block.fc2))


def run_block(vit: Vit, index: int, x: Tensor, tap: Tap = keep) -> Tensor:
    """One block, float32[B, T, D] to float32[B, T, D], or to fewer tokens of more channels where it merges patches."""
    x = enter(vit, index, x, tap)
    x = tap(f"blocks.{index}.attn.add", x + attention(vit, index, x, tap))
    return tap(f"blocks.{index}.mlp.add", x + mlp(vit, index, x, tap))


def classify(vit: Vit, x: Tensor, tap: Tap = keep) -> Tensor:
    """Last residual tensor to logits, float32[B, classes]."""
    if vit.class_token is not None:
        x = tap("norm", layernorm(x[:, 0], vit.norm, vit.epsilon))
    else:
        x = tap("pool", tap("norm", layernorm(x, vit.norm, vit.epsilon)).mean(1))
    return tap("head", linear(x, vit.head))


def forward(vit: Vit, images: Tensor, tap: Tap = keep) -> Tensor:
    """uint8[B, H, W, C] to logits, float32[B, classes]."""
    x = embed(vit, images, tap)
    for index in range(len(vit.blocks)):
        x = run_block(vit, index, x, tap)
    return classify(vit, x, tap)
