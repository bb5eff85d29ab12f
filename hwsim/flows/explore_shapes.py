"""Vision transformers without weights of their own: a timm name's sizes, TSPTQ-ViT's 8-bit formats, random integers.

Cycles, traffic and gates are those of the real network with weights of 8 bits, whose values change none of them;
classes mean nothing, and energy is that of random operands. Every weight is normal with deviation 40, and every
multiplier brings the sums, taken for sums of independent terms, to a third of the result's range:

    mult / 2**shift = wanted deviation / (deviation of the row operand * 40 * sqrt(depth))
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import ChannelScaled, Format, TwoScale, Uniform
from hwsim.network import (
    AttentionScores,
    AttentionValues,
    Im2col,
    Layer,
    LayerNorm,
    Linear,
    Manifest,
    Network,
    Origin,
    Preprocess,
    Residual,
    Softmax,
    Table,
    TensorSpec,
)
from hwsim.rtl import exp2_entries

CODES = Uniform(bits=8, signed=True)
ROWS = Uniform(bits=8, signed=False, zero_point=128)
SIGNED_16 = Uniform(bits=16, signed=True)
PRE_ACTIVATION = Uniform(bits=10, signed=True)
STREAM = ChannelScaled(bits=8)
PROBABILITIES = TwoScale(bits=8, exponent=3, small_signed=False)
WEIGHT_DEVIATION, CODE_DEVIATION, BRANCH_DEVIATION, SCORE_DEVIATION = 40.0, 40.0, 340.0, 600.0
GELU_RANGE = 4.0
"""Largest pre-activation, in units of the float network."""
PROBABILITY_ONE = 1 << 10
"""What a probability of 1 decodes to: 7 bits of payload, shifted by 3."""
LAYERNORM_SHIFT = 18
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of a vision transformer with a class token."""

    size: int
    patch: int
    channels: int
    heads: int
    hidden: int
    depth: int
    classes: int


def _imagenet(channels: int, heads: int) -> Shape:
    return Shape(size=224, patch=16, channels=channels, heads=heads, hidden=4 * channels, depth=12, classes=1000)


SHAPES = {
    f"{family}_{name}_patch16_224": _imagenet(channels, heads)
    for family in ("deit", "vit")
    for name, channels, heads in (("tiny", 192, 3), ("small", 384, 6), ("base", 768, 12))
}
"""By timm's names."""


def shape_network(name: str) -> Network:
    """Network of one of ``SHAPES``, the same at every call."""
    return _Builder(name, SHAPES[name]).build()


def random_pixels(network: Network, count: int) -> NDArray[np.uint8]:
    """Images of uniform pixels, uint8[count, height, width, channels], the same at every call."""
    shape = network.tensor(network.manifest.input).shape
    return np.random.default_rng(SEED).integers(0, 256, (count, *shape)).astype(np.uint8)


class _Builder:
    def __init__(self, name: str, shape: Shape) -> None:
        self.name, self.shape = name, shape
        self.rng = np.random.default_rng(SEED)
        self.tokens = (shape.size // shape.patch) ** 2 + 1
        self.layers: list[Layer] = []
        self.tensors: dict[str, TensorSpec] = {}
        self.arrays: dict[str, NDArray[Any]] = {"exp2_table": np.array(exp2_entries(), np.uint32)}

    def build(self) -> Network:
        s = self.shape
        image = self._tensor("image", (s.size, s.size, 3), ROWS)
        patches = Im2col(name="patches", output="patches", patch=s.patch, class_token=True)
        self._add(patches, (self.tokens, 3 * s.patch**2), ROWS)
        stream = self._residual("embed", "patch_embed", "patches", None)
        for block in range(s.depth):
            stream = self._block(f"blocks.{block}", stream)
        logits = self._linear("head", self._layernorm("norm", stream, 1), s.classes, SIGNED_16, 8000.0)
        manifest = Manifest(
            name=self.name,
            origin=Origin(model=self.name, method="random", bits=8, seed=SEED, calibration_images=0),
            preprocess=Preprocess(mode="RGB", size=s.size, resize=s.size, interpolation="bicubic"),
            classes=[str(label) for label in range(s.classes)],
            input=image,
            logits=logits,
            tensors=self.tensors,
            layers=self.layers,
            arrays_sha256="",
        )
        return Network(manifest, self.arrays)

    def _block(self, name: str, stream: str) -> str:
        s = self.shape
        rows = self._layernorm(f"{name}.norm1", stream, self.tokens)
        qkv = self._linear(f"{name}.attn.qkv", rows, 3 * s.channels, CODES, CODE_DEVIATION)
        stream = self._residual(f"{name}.attn.add", f"{name}.attn.proj", self._attention(f"{name}.attn", qkv), stream)
        rows = self._layernorm(f"{name}.norm2", stream, self.tokens)
        wide = self._linear(f"{name}.mlp.fc1", rows, s.hidden, PRE_ACTIVATION, PRE_ACTIVATION.maximum / 3)
        self.arrays[f"{name}.mlp.gelu.table"] = _gelu()
        gelu = self._add(
            Table(name=f"{name}.mlp.gelu", output=f"{name}.mlp.gelu", input=wide), (self.tokens, s.hidden), ROWS
        )
        return self._residual(f"{name}.mlp.add", f"{name}.mlp.fc2", gelu, stream)

    def _attention(self, name: str, qkv: str) -> str:
        s = self.shape
        square, width = (s.heads, self.tokens, self.tokens), s.channels // s.heads
        scores = AttentionScores(name=f"{name}.scores", output=f"{name}.scores", input=qkv, heads=s.heads)
        self._multipliers(scores.name, SCORE_DEVIATION / (CODE_DEVIATION**2 * math.sqrt(width)), s.heads)
        self._add(scores, square, SIGNED_16)
        softmax = Softmax(name=f"{name}.softmax", output=f"{name}.softmax", input=scores.output)
        self._add(softmax, square, PROBABILITIES)
        values = AttentionValues(
            name=f"{name}.values", output=f"{name}.values", probabilities=softmax.output, values=qkv, heads=s.heads
        )
        self._multipliers(values.name, 2 / PROBABILITY_ONE, s.channels)
        return self._add(values, (self.tokens, s.channels), ROWS)

    def _residual(self, name: str, branch_name: str, source: str, skip: str | None) -> str:
        channels = self.shape.channels
        branch = self._linear(branch_name, source, channels, SIGNED_16, BRANCH_DEVIATION)
        self.arrays[f"{name}.shifts"] = np.zeros(channels, np.uint8)
        mult, shift = (0, 0) if skip is None else _multiplier(4.0)  # 3 guard bits, and half of the stream before
        if skip is None:
            constant = self.rng.normal(size=(self.tokens, channels)) * BRANCH_DEVIATION / 2
            self.arrays[f"{name}.constant"] = np.rint(constant).astype(np.int16)
        layer = Residual(name=name, output=name, branch=branch, skip=skip, mult=mult, shift=shift, guard_bits=3)
        return self._add(layer, (self.tokens, channels), STREAM)

    def _layernorm(self, name: str, source: str, tokens: int) -> str:
        channels = self.shape.channels
        gain = CODE_DEVIATION * 2.0 ** (LAYERNORM_SHIFT - 10)
        self.arrays[f"{name}.gamma"] = np.rint(self.rng.uniform(0.5, 1.5, channels) * gain).astype(np.int16)
        self.arrays[f"{name}.beta"] = np.full(channels, ROWS.zero_point << LAYERNORM_SHIFT, np.int32)
        layer = LayerNorm(
            name=name, output=name, input=source, tokens=tokens, shift=LAYERNORM_SHIFT, epsilon=0
        )  # fmt: skip
        return self._add(layer, (tokens, channels), ROWS)

    def _linear(self, name: str, source: str, columns: int, fmt: Uniform, deviation: float) -> str:
        rows, depth = self.tensors[source].shape
        weight = np.rint(self.rng.normal(size=(columns, depth)) * WEIGHT_DEVIATION)
        self.arrays[f"{name}.weight"] = np.clip(weight, CODES.minimum, CODES.maximum).astype(np.int8)
        sums = CODE_DEVIATION * WEIGHT_DEVIATION * math.sqrt(depth)
        self.arrays[f"{name}.bias"] = np.rint(self.rng.normal(size=columns) * sums / 2).astype(np.int32)
        self._multipliers(name, deviation / sums, columns)
        return self._add(Linear(name=name, output=name, input=source), (rows, columns), fmt)

    def _multipliers(self, name: str, ratio: float, count: int) -> None:
        mult, shift = _multiplier(ratio)
        self.arrays[f"{name}.mult"] = np.full(count, mult, np.int16)
        self.arrays[f"{name}.shift"] = np.full(count, shift, np.uint8)

    def _add(self, layer: Layer, shape: tuple[int, ...], fmt: Format) -> str:
        self.layers.append(layer)
        return self._tensor(layer.output, shape, fmt)

    def _tensor(self, name: str, shape: tuple[int, ...], fmt: Format) -> str:
        self.tensors[name] = TensorSpec(shape=shape, format=fmt, scale=1.0)
        return name


def _multiplier(ratio: float) -> tuple[int, int]:
    """M in 2**14 .. 2**15 - 1 and s with ``M / 2**s`` just below the ratio."""
    shift = 14 - math.floor(math.log2(ratio))
    return math.floor(ratio * (1 << shift)), shift


def _gelu() -> NDArray[np.uint8]:
    """GELU of every pre-activation as a code of ``ROWS``, uint8[1024]."""
    x = np.arange(PRE_ACTIVATION.minimum, PRE_ACTIVATION.maximum + 1) * GELU_RANGE / PRE_ACTIVATION.maximum
    gelu = [0.5 * value * (1 + math.erf(value / math.sqrt(2))) for value in x]
    codes = np.rint(np.array(gelu) / GELU_RANGE * (ROWS.maximum - ROWS.zero_point)) + ROWS.zero_point
    return codes.astype(np.uint8)
