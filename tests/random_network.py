"""Valid random networks: random formats, ragged shapes, random weights, multipliers that keep most values in range.

``random_network(seed)`` is small enough for the oracle. ``vit_network(shape, rng)`` makes any vision transformer, such
as ``DEIT_TINY``, whose programs have the real sizes.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import ChannelScaled, Codebook, Format, Logarithmic, RowUniform, TwoScale, Uniform
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
    Residual,
    Softmax,
    Table,
    TensorSpec,
)
from tests import oracle
from tests.codebooks import random_codebook, tanq_codebook
from tests.random_rows import VALUE_DEVIATION, random_rows, row_deviation

SIGNED_16 = Uniform(bits=16, signed=True)
WEIGHT_DEVIATION = 40
NARROW_DEVIATION = 4
"""Of weights of 4 bits."""
EDGE_LAYERS = ("patch_embed", "head")
STREAM_DEVIATION = 3000
"""Of a residual stream of 16 bits."""
BRANCH_DEVIATION = 12_000
"""Largest of a branch to a stream of 8 bits, whose large shifts would like more than 16 bits."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of a vision transformer."""

    size: int
    patch: int
    mode: str
    class_token: bool
    channels: int
    heads: int
    hidden: int
    depth: int
    classes: int


DEIT_TINY = Shape(
    size=224, patch=16, mode="RGB", class_token=True, channels=192, heads=3, hidden=768, depth=12, classes=1000
)

WHOLE = Shape(
    size=16, patch=4, mode="L", class_token=False, channels=64, heads=2, hidden=128, depth=2, classes=16
)  # fmt: skip
"""16 tokens: every size a multiple of the array's and of a word."""


def random_shape(rng: np.random.Generator) -> Shape:
    """Ragged sizes that fit the smallest array several times and the oracle's patience."""
    patch, heads = int(rng.integers(2, 5)), int(rng.integers(1, 4))
    return Shape(
        size=patch * int(rng.integers(1, 4)),
        patch=patch,
        mode=str(rng.choice(["L", "RGB"])),
        class_token=bool(rng.integers(2)),
        channels=heads * int(rng.integers(2, 6)),
        heads=heads,
        hidden=int(rng.integers(3, 20)),
        depth=int(rng.integers(1, 3)),
        classes=int(rng.integers(2, 8)),
    )


def random_network(
    seed: int,
    *,
    many_shifts: bool = True,
    row_scales: bool = False,
    wide_stream: bool = False,
    narrow_weights: bool = False,
    **changes: Any,
) -> Network:
    """Small random network; ``changes`` replace sizes of its ``Shape``.

    ``many_shifts`` draws logarithmic and codebook formats too, which two accumulators cannot hold. ``row_scales`` lets
    most LayerNorms make rows with scales of their own, most of them with outliers, ``wide_stream`` gives the
    residual stream 11 to 16 bits, and ``narrow_weights`` gives all layers but the first and the last weights of 4 bits.
    """
    rng = np.random.default_rng(seed)
    shape = replace(random_shape(rng), **changes)
    return vit_network(
        shape, rng, many_shifts=many_shifts, row_scales=row_scales, wide_stream=wide_stream,
        narrow_weights=narrow_weights,
    )  # fmt: skip


def random_images(network: Network, count: int, seed: int) -> NDArray[np.uint8]:
    """Images whose pixels are uniform, uint8[count, H, W, C]."""
    shape = network.tensor(network.manifest.input).shape
    return np.random.default_rng(seed).integers(0, 256, (count, *shape)).astype(np.uint8)


def multiplier(ratio: float) -> tuple[int, int]:
    """M in 2**14..2**15-1 and s in 0..47 with ``M / 2**s`` about ``ratio``."""
    shift = min(47, 14 - math.floor(math.log2(ratio)))
    return min((1 << 15) - 1, math.floor(ratio * (1 << shift))), shift


def gelu_table(fmt: Uniform, out: TwoScale | Uniform | Logarithmic | Codebook, scale: float) -> NDArray[np.uint8]:
    """Entries for a pre-activation of the given scale; a fine step of the output is one unit of the input.

    Logarithmic codes are those of what lies above the smallest value, as a part of the largest one; a codebook's are
    the nearest levels, its largest one standing for the largest value.
    """
    step = Fraction(scale)
    values = [Fraction(0.5 * x * (1 + math.erf(x / math.sqrt(2)))) for x in _codes(fmt) * scale]
    if isinstance(out, Logarithmic):
        span = max(values) - min(values)
        parts = [math.floor((x - min(values)) / span * 65536) for x in values]
        return np.array([oracle.encode_probability(p, out) for p in parts], np.uint8)
    if isinstance(out, Codebook):
        levels = _term_values(out)
        wanted = np.array([float(x / max(values)) for x in values]) * np.abs(levels).max()
        return np.abs(wanted[:, None] - levels).argmin(1).astype(np.uint8)
    if isinstance(out, TwoScale):
        return np.array([oracle.encode_two_scale_signed(x, step, out) for x in values], np.uint8)
    codes = [oracle.clamp(oracle.round_fraction(x / step) + out.zero_point, out.minimum, out.maximum) for x in values]
    return np.array(codes, np.uint8)


def vit_network(
    shape: Shape,
    rng: np.random.Generator,
    *,
    many_shifts: bool = False,
    row_scales: bool = False,
    wide_stream: bool = False,
    narrow_weights: bool = False,
) -> Network:
    """Random vision transformer in the layer order of a timm ViT."""
    return _Builder(shape, rng, many_shifts, row_scales, wide_stream, narrow_weights).build()


class _Builder:
    def __init__(
        self,
        shape: Shape,
        rng: np.random.Generator,
        many_shifts: bool,
        row_scales: bool,
        wide_stream: bool,
        narrow_weights: bool,
    ) -> None:
        self.shape, self.rng, self.wide_stream, self.narrow_weights = shape, rng, wide_stream, narrow_weights
        # of their own, so that all else stays the same
        self.format_rng = rng.spawn(1)[0] if many_shifts else None
        self.row_rng = rng.spawn(1)[0] if row_scales else None
        self.stream_rng = rng.spawn(1)[0]
        self.wide = Uniform(bits=int(self.stream_rng.integers(11, 17)), signed=True)
        self.magnitudes = self.stream_rng.integers(0, 8, shape.channels)  # how far each channel stands out
        self.layers: list[Layer] = []
        self.tensors: dict[str, TensorSpec] = {}
        self.arrays: dict[str, NDArray[Any]] = {}

    def build(self) -> Network:
        s = self.shape
        image_channels = 1 if s.mode == "L" else 3
        self._tensor("image", (s.size, s.size, image_channels), self._unsigned(8))
        self.tokens = (s.size // s.patch) ** 2 + s.class_token
        patches = self._add(
            Im2col(name="patches", output="patches.rows", patch=s.patch, class_token=s.class_token),
            (self.tokens, image_channels * s.patch**2),
            self.tensors["image"].format,
        )
        stream = self._residual("embed", "patch_embed", patches, None)
        for block in range(s.depth):
            stream = self._block(f"blocks.{block}", stream)
        features = self._layernorm("norm", stream, 1)
        logits = self._linear("head", features, s.classes, SIGNED_16, 8000)
        return Network(self._manifest(logits), self.arrays)

    def _block(self, name: str, stream: str) -> str:
        s, rng = self.shape, self.rng
        norm1 = self._layernorm(f"{name}.norm1", stream, self.tokens)
        qkv = self._linear(f"{name}.attn.qkv", norm1, 3 * s.channels, Uniform(bits=8, signed=True), 40)
        context = self._attention(f"{name}.attn", qkv)
        stream = self._residual(f"{name}.attn.add", f"{name}.attn.proj", context, stream)
        norm2 = self._layernorm(f"{name}.norm2", stream, self.tokens)
        pre = Uniform(bits=int(rng.integers(6, 11)), signed=True)
        fc1 = self._linear(f"{name}.mlp.fc1", norm2, s.hidden, pre, pre.maximum / 3)
        gelu = self._table(f"{name}.mlp.gelu", fc1, pre)
        return self._residual(f"{name}.mlp.add", f"{name}.mlp.fc2", gelu, stream)

    def _attention(self, name: str, qkv: str) -> str:
        s, rng = self.shape, self.rng
        square = (s.heads, self.tokens, self.tokens)
        width = s.channels // s.heads
        scores = self._add(
            AttentionScores(name=f"{name}.scores", output=f"{name}.scores.out", input=qkv, heads=s.heads),
            square,
            SIGNED_16,
        )
        self._multipliers(f"{name}.scores", 600 / (40 * 40 * math.sqrt(width)), s.heads)
        fmt: Format = TwoScale(bits=8, exponent=int(rng.integers(2, 8)), small_signed=False)
        if rng.random() < 0.2:
            fmt = Uniform(bits=int(rng.integers(6, 9)), signed=False)
        fmt = self._many_shifts(is_probability=True) or fmt
        probabilities = self._add(
            Softmax(name=f"{name}.softmax", output=f"{name}.softmax.out", input=scores), square, fmt
        )
        self.arrays["exp2_table"] = np.array(oracle.exp2_table(), np.uint32)
        context = self._add(
            AttentionValues(
                name=f"{name}.values", output=f"{name}.values.out", probabilities=probabilities, values=qkv,
                heads=s.heads,
            ),
            (self.tokens, s.channels),
            self._unsigned(8),
        )  # fmt: skip
        self._multipliers(f"{name}.values", 2 / _value_of_one(fmt), s.channels)
        return context

    def _linear(
        self, name: str, source: str, columns: int, fmt: Uniform, deviation: float | NDArray[np.float64]
    ) -> str:
        rows, depth = self.tensors[source].shape
        rng = self.rng
        narrow = self.narrow_weights and name not in EDGE_LAYERS
        spread, end = (NARROW_DEVIATION, 8) if narrow else (WEIGHT_DEVIATION, 128)
        weight = np.clip(np.rint(rng.normal(size=(columns, depth)) * spread), -end, end - 1).astype(np.int8)
        row_deviation = _deviation(self.tensors[source].format)
        acc_deviation = row_deviation * spread * math.sqrt(depth)
        self.arrays[f"{name}.weight"] = weight
        self.arrays[f"{name}.bias"] = np.rint(rng.normal(size=columns) * acc_deviation / 2).astype(np.int32)
        self._multipliers(name, deviation / acc_deviation, columns)
        if isinstance(self.tensors[source].format, RowUniform):
            self.arrays[f"{name}.shift"] += np.uint8(8)  # the guard bits
        return self._add(Linear(name=name, output=f"{name}.out", input=source), (rows, columns), fmt)

    def _table(self, name: str, source: str, fmt: Uniform) -> str:
        out: Any = TwoScale(bits=8, exponent=int(self.rng.integers(0, 5)), small_signed=True)
        if self.rng.random() < 0.2:
            out = self._unsigned(8)
        out = self._many_shifts(is_probability=False) or out
        self.arrays[f"{name}.table"] = gelu_table(fmt, out, 4 / fmt.maximum)
        return self._add(Table(name=name, output=f"{name}.out", input=source), self.tensors[source].shape, out)

    def _many_shifts(self, *, is_probability: bool) -> Logarithmic | Codebook | None:
        """Every second time a logarithmic or a codebook format, of terms that 32-bit accumulators hold."""
        rng = self.format_rng
        if rng is None or rng.random() < 0.5:
            return None
        bits = int(rng.integers(2, 9))
        if rng.random() < 0.5:
            base = str(rng.choice(["two", "sqrt_two"]))
            max_shift = int(rng.integers(1, 16 if base == "two" else 12))
            return Logarithmic.model_validate({"bits": bits, "base": base, "max_shift": max_shift})
        draw = random.Random(int(rng.integers(1 << 30)))
        if is_probability and rng.random() < 0.5:
            return tanq_codebook(bits, float(rng.uniform(0.8, 1.5)), int(rng.integers(8, 16)))
        book = random_codebook(draw, bits, shift_max=int(rng.integers(0, 10)), signed=not is_probability)
        return book if is_probability else book.model_copy(update={"thresholds": ()})

    def _residual(self, name: str, branch_name: str, source: str, skip: str | None) -> str:
        rng, guard_bits = self.rng, int(self.rng.integers(0, 5))
        if self.wide_stream:
            return self._wide_residual(name, branch_name, source, skip)
        fmt = ChannelScaled(bits=int(rng.integers(6, 9)))
        # a code must not be too far from the same channel's in the tensor before
        shifts = np.clip(self.magnitudes + self.stream_rng.integers(-1, 2, self.shape.channels), 0, 7)
        deviation = np.minimum(fmt.maximum / 3 * 2.0 ** (guard_bits + shifts), BRANCH_DEVIATION)
        branch = self._linear(branch_name, source, self.shape.channels, SIGNED_16, deviation)
        shape = self.tensors[branch].shape
        mult, shift = multiplier(float(rng.uniform(0.4, 0.9)) * 2**guard_bits)
        if skip is None:
            mult, shift = 0, 0
            self.arrays[f"{name}.constant"] = np.rint(rng.normal(size=shape) * deviation / 2).astype(np.int16)
        layer = Residual(
            name=name, output=f"{name}.out", branch=branch, skip=skip, mult=mult, shift=shift, guard_bits=guard_bits
        )
        self.arrays[f"{name}.out.shifts"] = shifts.astype(np.uint8)
        return self._add(layer, shape, fmt)

    def _wide_residual(self, name: str, branch_name: str, source: str, skip: str | None) -> str:
        deviation = min(STREAM_DEVIATION, self.wide.maximum / 2)
        branch = self._linear(branch_name, source, self.shape.channels, SIGNED_16, deviation)
        shape = self.tensors[branch].shape
        if skip is None:
            constant = np.rint(self.rng.normal(size=shape) * deviation)
            self.arrays[f"{name}.constant"] = constant.astype(np.int16)
        layer = Residual(
            name=name, output=f"{name}.out", branch=branch, skip=skip, mult=int(skip is not None), shift=0, guard_bits=0
        )
        return self._add(layer, shape, self.wide)

    def _row_layernorm(self, name: str, source: str, tokens: int, rng: np.random.Generator) -> str:
        channels, shift = self.tensors[source].shape[1], 13
        rows = random_rows(rng, tokens, channels)
        gamma = rng.uniform(0.5, 1.5, channels) * VALUE_DEVIATION / 2**10 * 2**shift
        self.arrays[f"{name}.gamma"] = np.minimum(np.rint(gamma), (1 << 15) - 1).astype(np.int16)
        beta = rng.normal(size=channels) * VALUE_DEVIATION / 4 * 2**shift
        self.arrays[f"{name}.beta"] = np.rint(beta).astype(np.int32)
        self.arrays |= {f"{name}.out.{key}": array for key, array in rows.arrays.items()}
        layer = LayerNorm(
            name=name, output=f"{name}.out", input=source, tokens=tokens, shift=shift,
            epsilon=int(rng.integers(0, 999)), encode_shift=rows.encode_shift, threshold=rows.threshold,
        )  # fmt: skip
        return self._add(layer, (tokens, channels), rows.fmt)

    def _layernorm(self, name: str, source: str, tokens: int) -> str:
        if self.row_rng is not None and self.row_rng.random() < 0.8:
            return self._row_layernorm(name, source, tokens, self.row_rng)
        rng, channels = self.rng, self.tensors[source].shape[1]
        fmt = self._unsigned(8) if rng.integers(2) else Uniform(bits=8, signed=True)
        shift = 18
        gamma = rng.uniform(0.5, 1.5, channels) * 32 / 2**10 * 2**shift
        beta = (rng.normal(size=channels) * 10 + fmt.zero_point) * 2**shift
        self.arrays[f"{name}.gamma"] = np.rint(gamma).astype(np.int16)
        self.arrays[f"{name}.beta"] = np.rint(beta).astype(np.int32)
        layer = LayerNorm(
            name=name, output=f"{name}.out", input=source, tokens=tokens, shift=shift, epsilon=int(rng.integers(0, 999))
        )
        return self._add(layer, (tokens, channels), fmt)

    def _multipliers(self, name: str, ratio: float | NDArray[np.float64], count: int) -> None:
        pairs = [multiplier(float(each)) for each in ratio * self.rng.uniform(0.5, 2, count)]
        self.arrays[f"{name}.mult"] = np.array([mult for mult, _ in pairs], np.int16)
        self.arrays[f"{name}.shift"] = np.array([shift for _, shift in pairs], np.uint8)

    def _unsigned(self, bits: int) -> Uniform:
        return Uniform(bits=bits, signed=False, zero_point=int(self.rng.integers(90, 160)))

    def _add(self, layer: Layer, shape: tuple[int, ...], fmt: Format) -> str:
        self.layers.append(layer)
        return self._tensor(layer.output, shape, fmt)

    def _tensor(self, name: str, shape: tuple[int, ...], fmt: Format) -> str:
        self.tensors[name] = TensorSpec(shape=shape, format=fmt, scale=1.0)
        return name

    def _manifest(self, logits: str) -> Manifest:
        s = self.shape
        return Manifest.model_validate(
            {
                "name": "random",
                "origin": Origin(model="random", method="random", bits=8, seed=0, calibration_images=0),
                "preprocess": {"mode": s.mode, "size": s.size, "resize": s.size, "interpolation": "bicubic"},
                "classes": [str(label) for label in range(s.classes)],
                "input": "image",
                "logits": logits,
                "tensors": self.tensors,
                "layers": self.layers,
                "arrays_sha256": "",
            }
        )


def _codes(fmt: Uniform) -> NDArray[np.int64]:
    return np.arange(fmt.minimum, fmt.maximum + 1)


def _deviation(fmt: Format) -> float:
    """Rough deviation of the decoded values of a tensor, in units of its fine step."""
    if isinstance(fmt, Logarithmic | Codebook):
        return float(_term_values(fmt).std())
    if isinstance(fmt, RowUniform):
        return row_deviation(fmt) * 2**fmt.exponent
    return 30.0 if isinstance(fmt, Uniform) else 20.0


def _term_values(fmt: Logarithmic | Codebook) -> NDArray[np.int64]:
    return np.array([oracle.term_value(oracle.decode(code, fmt)) for code in range(1 << fmt.bits)])


def _value_of_one(fmt: Format) -> int:
    """What a probability of 1 decodes to, or nearly."""
    if isinstance(fmt, TwoScale):
        return 1 << (fmt.payload_bits + fmt.exponent)
    if isinstance(fmt, Uniform):
        return 1 << fmt.bits
    return max(1, oracle.term_value(oracle.decode(oracle.encode_probability(1 << 16, fmt), fmt)))
