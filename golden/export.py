"""From calibrated parameters to the integer network: layers, tensors and arrays, in the order in which they run.

    mult / 2**shift = scale_in * scale_weight / scale_out        bias = b / (scale_in * scale_weight)

Every number that integer mode needs is made here, in float64, and nothing else is: ``golden.integer`` and the
accelerator read the same network file.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from golden.calibrate import input_zero_point
from golden.device import CPU, move
from golden.export_builder import WIDE, Builder
from golden.export_parts import fit, gelu_table, integer_score_bias
from golden.parameters import Calibrated
from golden.vit import Affine, Block, Merge
from golden.windows import score_bias, separated
from hwsim.formats import Uniform
from hwsim.network import (
    AttentionScores,
    AttentionValues,
    Im2col,
    Manifest,
    Network,
    Origin,
    Preprocess,
    Softmax,
    Table,
    TokenMean,
)

SCORE_UNIT = 2.0**-8


def export(name: str, calibrated: Calibrated, preprocess: Preprocess, classes: list[str], origin: Origin) -> Network:
    """Make the integer network, on the CPU wherever the parameters lie.

    Raises
    ------
    HwsimError
        If a number does not fit the width that docs/numerics.md gives it.
    """
    return _Exporter(move(calibrated, CPU)).run(name, preprocess, classes, origin)


class _Exporter(Builder):
    def run(self, name: str, preprocess: Preprocess, classes: list[str], origin: Origin) -> Network:
        """Walk through the network."""
        self._embedding()
        stream = "embed"
        for index in range(len(self.vit.blocks)):
            stream = self._block(index, stream)
        self._classifier(stream)
        manifest = Manifest(
            name=name,
            origin=origin,
            preprocess=preprocess,
            classes=classes,
            input="image",
            logits="head",
            tensors=self.tensors,
            layers=self.layers,
            arrays_sha256="",
        )
        return Network(manifest, self.arrays)

    def _embedding(self) -> None:
        vit, weight = self.vit, self.calibrated.weights["patch_embed"]
        zero_point, has_class = input_zero_point(vit), vit.class_token is not None
        pixel = Uniform(bits=8, signed=False, zero_point=zero_point)
        self._tensor("image", (vit.image_size, vit.image_size, vit.channels), pixel, 1.0)
        self._tensor("patches", (vit.tokens, weight.codes.shape[1]), pixel, 1.0)
        self.layers.append(Im2col(name="patches", output="patches", patch=vit.patch_size, class_token=has_class))
        offset = zero_point - 255 * torch.tensor(vit.mean, dtype=torch.float64).repeat_interleave(vit.patch_size**2)
        bias = vit.patch_embed.bias.double() + weight.dequantize().double() @ offset
        if vit.patch_norm is not None:
            self._normed_embedding(bias, vit.patch_norm)
            return
        self._linear("patch_embed", "patches", torch.ones(()), torch.zeros(vit.width), self._branch_scale("embed"))
        self._tensor("patch_embed", (vit.tokens, vit.width), WIDE, self._branch_scale("embed"))
        class_token, position = vit.embedding
        constant = position.double().clone()
        constant[0] += class_token.double()
        constant[1:] += bias
        self.arrays["embed.constant"] = fit(constant / self._branch_scale("embed"), np.int16, "embed.constant")
        self._residual("embed", "patch_embed", None)

    def _normed_embedding(self, bias: Tensor, norm: Affine) -> None:
        """Patches and LayerNorm, and a product with the identity, whose requantiser makes codes of the stream."""
        before = self._uniform("patch_embed")
        self._linear("patch_embed", "patches", torch.ones(()), bias, before.scale)
        self._tensor("patch_embed", (self.vit.tokens, self.vit.width), before.format, before.unit)
        self._layernorm("patch_norm", "patch_embed", norm)
        self._stream_from("embed", "patch_norm", torch.zeros(self.vit.width))

    def _merge(self, name: str, stream: str, merge: Merge) -> str:
        gathered = f"{name}.patches"
        self._rearrange(gathered, stream, "merge", merge)
        self._layernorm(f"{name}.norm", gathered, merge.norm)
        self._stream_from(f"{name}.reduction", f"{name}.norm", merge.reduction.bias)
        return f"{name}.reduction"

    def _block(self, index: int, stream: str) -> str:
        block, name = self.vit.blocks[index], f"blocks.{index}"
        attn, mlp, windows = f"{name}.attn", f"{name}.mlp", block.windows
        if block.merge is not None:
            stream = self._merge(f"{name}.merge", stream, block.merge)
        normed, context = stream, f"{attn}.values"
        if windows is not None:
            normed, context = f"{attn}.window", f"{attn}.unwindow"
            self._rearrange(normed, stream, "window", windows)
        self._layernorm(f"{name}.norm1", normed, block.norm1)
        self._attention(name, block)
        if windows is not None:
            self._rearrange(context, f"{attn}.values", "unwindow", windows)
        self._branch(f"{attn}.proj", context, block.proj.bias, f"{attn}.add")
        self._residual(f"{attn}.add", f"{attn}.proj", stream)
        self._layernorm(f"{name}.norm2", f"{attn}.add", block.norm2)
        pre = self._uniform(f"{mlp}.fc1")
        self._linear(f"{mlp}.fc1", f"{name}.norm2", self._scale(f"{name}.norm2"), block.fc1.bias, float(pre.scale))
        hidden = self.tensors[f"{name}.norm2"].shape[0], len(block.fc1.bias)
        self._tensor(f"{mlp}.fc1", hidden, pre.format, float(pre.scale))
        gelu = self._quantiser(f"{mlp}.gelu")
        self.layers.append(Table(name=f"{mlp}.gelu", output=f"{mlp}.gelu", input=f"{mlp}.fc1"))
        self._tensor(f"{mlp}.gelu", hidden, gelu.format, gelu.unit)
        self.arrays[f"{mlp}.gelu.table"] = gelu_table(pre, gelu)
        self._branch(f"{mlp}.fc2", f"{mlp}.gelu", block.fc2.bias, f"{mlp}.add")
        self._residual(f"{mlp}.add", f"{mlp}.fc2", f"{attn}.add")
        return f"{mlp}.add"

    def _attention(self, name: str, block: Block) -> None:
        attn, heads, windows = f"{name}.attn", block.heads, block.windows
        tokens, width = self.tensors[f"{name}.norm1"].shape
        count = 1 if windows is None else windows.count
        square = (count * heads, tokens // count, tokens // count)
        parts = self._uniform(f"{attn}.qkv")
        self._linear(f"{attn}.qkv", f"{name}.norm1", self._scale(f"{name}.norm1"), block.qkv.bias, parts.scale)
        # the scales of q, k and v of each head live in the multipliers; the tensor records the largest
        self._tensor(f"{attn}.qkv", (tokens, 3 * width), parts.format, float(parts.scale.max()))
        q, k, v = parts.scale.double().reshape(3, heads, -1)
        to_log2 = math.log2(math.e) / math.sqrt(width / heads) / SCORE_UNIT
        self._multipliers(f"{attn}.scores", q[:, 0] * k[:, 0] * to_log2)
        scores = AttentionScores(
            name=f"{attn}.scores", output=f"{attn}.scores", input=f"{attn}.qkv", heads=heads, windows=count
        )
        if windows is not None:
            scores = scores.model_copy(update={"biased": True})
            self.arrays[f"{attn}.scores.bias"] = integer_score_bias(score_bias(windows), SCORE_UNIT)
            self.arrays[f"{attn}.scores.kind"] = separated(windows)[1].to(torch.uint8).numpy()
        self.layers.append(scores)
        self._tensor(f"{attn}.scores", square, WIDE, SCORE_UNIT)
        softmax = self._quantiser(f"{attn}.softmax")
        self.layers.append(Softmax(name=f"{attn}.softmax", output=f"{attn}.softmax", input=f"{attn}.scores"))
        self._tensor(f"{attn}.softmax", square, softmax.format, softmax.unit)
        context = self._uniform(f"{attn}.values")
        self._multipliers(f"{attn}.values", softmax.unit * v.flatten() / context.scale.double())
        self.layers.append(
            AttentionValues(
                name=f"{attn}.values",
                output=f"{attn}.values",
                probabilities=f"{attn}.softmax",
                values=f"{attn}.qkv",
                heads=heads,
                windows=count,
            )
        )
        self._tensor(f"{attn}.values", (tokens, width), context.format, float(context.scale))

    def _classifier(self, stream: str) -> None:
        vit, head, source = self.vit, self.vit.head, self.vit.head_input
        self._layernorm("norm", stream, vit.norm, 1 if source == "norm" else None)
        if source == "pool":
            self._pool()
        # |logit| <= |w| |x| + |b|: the widest that LayerNorm's output can make, so that none saturates
        scale = self._logit_scale()
        self._linear("head", source, self._scale(source), head.bias, scale)
        self._tensor("head", (1, len(head.bias)), WIDE, scale)

    def _pool(self) -> None:
        rows, width = self.tensors["norm"].shape
        mean = self._uniform("pool")
        self._multipliers("pool", (self._scale("norm") / (rows * mean.scale.double())).expand(width))
        self.layers.append(TokenMean(name="pool", output="pool", input="norm"))
        self._tensor("pool", (1, width), mean.format, float(mean.scale))

    def _logit_scale(self) -> float:
        norm, weight = self._uniform(self.vit.head_input), self.calibrated.weights["head"]
        terms = torch.tensor([norm.format.minimum, norm.format.maximum]) - norm.format.zero_point
        steps = (
            weight.codes.double().square().sum(1).sqrt() * float(terms.abs().max()) * math.sqrt(len(self.vit.norm.bias))
        )
        largest = steps * float(norm.scale) * weight.scale.double() + self.vit.head.bias.double().abs()
        return float(largest.max()) / WIDE.maximum
