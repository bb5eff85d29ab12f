"""From calibrated parameters to the integer network: layers, tensors and arrays, in the order in which they run.

    mult / 2**shift = scale_in * scale_weight / scale_out        bias = b / (scale_in * scale_weight)

Every number that integer mode needs is made here, in float64, and nothing else is: ``golden.integer`` and the
accelerator read the same network file.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from golden.calibrate import input_zero_point
from golden.device import CPU, move
from golden.export_parts import (
    affine_arrays,
    exp2_table,
    fit,
    gelu_table,
    integer_bias,
    multiplier,
    multipliers,
)
from golden.parameters import Calibrated
from golden.quantizers.base import Quantiser
from golden.quantizers.channel_scale import ChannelScaleQuantiser
from golden.quantizers.rows import RowQuantiser, normal_unit, row_arrays
from golden.quantizers.uniform import UniformQuantiser
from golden.vit import Affine
from hwsim.formats import Format, RowUniform, Uniform
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

GUARD_BITS = 3
ROW_GUARD_BITS = 8
"""Of sums that meet the multiplier of their row."""
SCORE_UNIT = 2.0**-8
WIDE = Uniform(bits=16, signed=True)


def export(name: str, calibrated: Calibrated, preprocess: Preprocess, classes: list[str], origin: Origin) -> Network:
    """Make the integer network, on the CPU wherever the parameters lie.

    Raises
    ------
    HwsimError
        If a number does not fit the width that docs/numerics.md gives it.
    """
    return _Exporter(move(calibrated, CPU)).run(name, preprocess, classes, origin)


class _Exporter:
    def __init__(self, calibrated: Calibrated) -> None:
        self.vit = calibrated.vit
        self.calibrated = calibrated
        self.layers: list[Layer] = []
        self.tensors: dict[str, TensorSpec] = {}
        self.arrays: dict[str, NDArray[Any]] = {"exp2_table": exp2_table()}

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
        zero_point = input_zero_point(vit)
        pixel = Uniform(bits=8, signed=False, zero_point=zero_point)
        self._tensor("image", (vit.image_size, vit.image_size, vit.channels), pixel, 1.0)
        self._tensor("patches", (vit.tokens, weight.codes.shape[1]), pixel, 1.0)
        self.layers.append(Im2col(name="patches", output="patches", patch=vit.patch_size, class_token=True))
        self._linear("patch_embed", "patches", torch.ones(()), torch.zeros(vit.width), self._branch_scale("embed"))
        self._tensor("patch_embed", (vit.tokens, vit.width), WIDE, self._branch_scale("embed"))
        offset = zero_point - 255 * torch.tensor(vit.mean, dtype=torch.float64).repeat_interleave(vit.patch_size**2)
        constant = vit.position.double().clone()
        constant[0] += vit.class_token.double()
        constant[1:] += vit.patch_embed.bias.double() + weight.dequantize().double() @ offset
        self.arrays["embed.constant"] = fit(constant / self._branch_scale("embed"), np.int16, "embed.constant")
        self._residual("embed", "patch_embed", None)

    def _block(self, index: int, stream: str) -> str:
        vit, block, name = self.vit, self.vit.blocks[index], f"blocks.{index}"
        attn, mlp = f"{name}.attn", f"{name}.mlp"
        self._layernorm(f"{name}.norm1", stream, block.norm1, vit.tokens)
        self._attention(name, block.qkv)
        self._branch(f"{attn}.proj", f"{attn}.values", block.proj.bias, f"{attn}.add")
        self._residual(f"{attn}.add", f"{attn}.proj", stream)
        self._layernorm(f"{name}.norm2", f"{attn}.add", block.norm2, vit.tokens)
        pre = self._uniform(f"{mlp}.fc1")
        self._linear(f"{mlp}.fc1", f"{name}.norm2", self._scale(f"{name}.norm2"), block.fc1.bias, float(pre.scale))
        hidden = len(block.fc1.bias)
        self._tensor(f"{mlp}.fc1", (vit.tokens, hidden), pre.format, float(pre.scale))
        gelu = self._quantiser(f"{mlp}.gelu")
        self.layers.append(Table(name=f"{mlp}.gelu", output=f"{mlp}.gelu", input=f"{mlp}.fc1"))
        self._tensor(f"{mlp}.gelu", (vit.tokens, hidden), gelu.format, gelu.unit)
        self.arrays[f"{mlp}.gelu.table"] = gelu_table(pre, gelu)
        self._branch(f"{mlp}.fc2", f"{mlp}.gelu", block.fc2.bias, f"{mlp}.add")
        self._residual(f"{mlp}.add", f"{mlp}.fc2", f"{attn}.add")
        return f"{mlp}.add"

    def _attention(self, block: str, qkv: Affine) -> None:
        vit, attn = self.vit, f"{block}.attn"
        tokens, width, heads = vit.tokens, vit.width, vit.heads
        parts = self._uniform(f"{attn}.qkv")
        self._linear(f"{attn}.qkv", f"{block}.norm1", self._scale(f"{block}.norm1"), qkv.bias, parts.scale)
        # the scales of q, k and v of each head live in the multipliers; the tensor records the largest
        self._tensor(f"{attn}.qkv", (tokens, 3 * width), parts.format, float(parts.scale.max()))
        q, k, v = parts.scale.double().reshape(3, heads, -1)
        to_log2 = math.log2(math.e) / math.sqrt(width / heads) / SCORE_UNIT
        self._multipliers(f"{attn}.scores", q[:, 0] * k[:, 0] * to_log2)
        self.layers.append(
            AttentionScores(name=f"{attn}.scores", output=f"{attn}.scores", input=f"{attn}.qkv", heads=heads)
        )
        self._tensor(f"{attn}.scores", (heads, tokens, tokens), WIDE, SCORE_UNIT)
        softmax = self._quantiser(f"{attn}.softmax")
        self.layers.append(Softmax(name=f"{attn}.softmax", output=f"{attn}.softmax", input=f"{attn}.scores"))
        self._tensor(f"{attn}.softmax", (heads, tokens, tokens), softmax.format, softmax.unit)
        context = self._uniform(f"{attn}.values")
        self._multipliers(f"{attn}.values", softmax.unit * v.flatten() / context.scale.double())
        self.layers.append(
            AttentionValues(
                name=f"{attn}.values",
                output=f"{attn}.values",
                probabilities=f"{attn}.softmax",
                values=f"{attn}.qkv",
                heads=heads,
            )
        )
        self._tensor(f"{attn}.values", (tokens, width), context.format, float(context.scale))

    def _classifier(self, stream: str) -> None:
        vit, head = self.vit, self.vit.head
        self._layernorm("norm", stream, vit.norm, 1)
        # |logit| <= |w| |x| + |b|: the widest that LayerNorm's output can make, so that none saturates
        scale = self._logit_scale()
        self._linear("head", "norm", self._scale("norm"), head.bias, scale)
        self._tensor("head", (1, len(head.bias)), WIDE, scale)

    def _logit_scale(self) -> float:
        norm, weight = self._uniform("norm"), self.calibrated.weights["head"]
        terms = torch.tensor([norm.format.minimum, norm.format.maximum]) - norm.format.zero_point
        steps = weight.codes.double().square().sum(1).sqrt() * float(terms.abs().max()) * math.sqrt(self.vit.width)
        largest = steps * float(norm.scale) * weight.scale.double() + self.vit.head.bias.double().abs()
        return float(largest.max()) / WIDE.maximum

    def _layernorm(self, name: str, stream: str, affine: Affine, tokens: int) -> None:
        out = self._quantiser(name)
        if isinstance(out, RowQuantiser):
            unit, zero_point = normal_unit(out), 0
        else:
            unit, zero_point = out.unit, self._uniform(name).format.zero_point
        gamma, beta, shift = affine_arrays(affine, unit, zero_point)
        self.arrays[f"{name}.gamma"], self.arrays[f"{name}.beta"] = gamma, beta
        epsilon = round(self.vit.epsilon * self.vit.width**2 / self._residual_scale(stream) ** 2)
        layer = LayerNorm(name=name, output=name, input=stream, tokens=tokens, shift=shift, epsilon=epsilon)
        if isinstance(out, RowQuantiser):
            encoding = row_arrays(out, unit, name)
            layer = layer.model_copy(update={"encode_shift": encoding.encode_shift, "threshold": encoding.threshold})
            self.arrays |= {f"{name}.{key}": array for key, array in encoding.arrays._asdict().items()}
        self.layers.append(layer)
        self._tensor(name, (tokens, self.vit.width), out.format, out.unit)

    def _branch(self, name: str, source: str, bias: Tensor, residual: str) -> None:
        scale = self._branch_scale(residual)
        self._linear(name, source, self._scale(source), bias, scale)
        self._tensor(name, (self.vit.tokens, self.vit.width), WIDE, scale)

    def _residual(self, name: str, branch: str, skip: str | None) -> None:
        p = self._quantiser(name)
        mult, shift, guard_bits = (1, 0, 0) if skip else (0, 0, 0)
        if isinstance(p, ChannelScaleQuantiser):
            guard_bits = GUARD_BITS
            if skip:
                mult, shift = multiplier(self._residual_scale(skip) / self._branch_scale(name), name)
        self.layers.append(
            Residual(name=name, output=name, branch=branch, skip=skip, mult=mult, shift=shift, guard_bits=guard_bits)
        )
        self._tensor(name, (self.vit.tokens, self.vit.width), p.format, p.unit)
        if isinstance(p, ChannelScaleQuantiser):
            self.arrays[f"{name}.shifts"] = p.shifts.to(torch.uint8).numpy()

    def _linear(self, name: str, source: str, scale_in: Tensor, bias: Tensor, scale_out: Tensor | float) -> None:
        weight = self.calibrated.weights[name]
        unit = scale_in.double() * weight.scale.double()
        self.arrays[f"{name}.weight"] = weight.codes.numpy()
        whole = bias.double() + self._offset(source) * weight.dequantize().double().sum(1)
        self.arrays[f"{name}.bias"] = integer_bias(name, self.tensors[source].format, weight.codes, whole, unit)
        ratios = unit / torch.as_tensor(scale_out, dtype=torch.float64)
        has_rows = isinstance(self.tensors[source].format, RowUniform)
        self._multipliers(name, ratios, ROW_GUARD_BITS if has_rows else 0)
        self.layers.append(Linear(name=name, output=name, input=source))

    def _multipliers(self, name: str, ratios: Tensor, guard_bits: int = 0) -> None:
        mult, shift = multipliers(ratios, name)
        self.arrays[f"{name}.mult"], self.arrays[f"{name}.shift"] = mult, shift + np.uint8(guard_bits)

    def _tensor(self, name: str, shape: tuple[int, ...], fmt: Format, scale: float) -> None:
        self.tensors[name] = TensorSpec(shape=shape, format=fmt, scale=scale)

    def _quantiser(self, name: str) -> Quantiser:
        return self.calibrated.activations[name]

    def _uniform(self, name: str) -> UniformQuantiser:
        found = self._quantiser(name)
        assert isinstance(found, UniformQuantiser), name
        return found

    def _scale(self, name: str) -> Tensor:
        """Value of one unit of a row operand's terms."""
        return torch.tensor(self.tensors[name].scale, dtype=torch.float64)

    def _residual_scale(self, name: str) -> float:
        return self._quantiser(name).unit

    def _branch_scale(self, residual: str) -> float:
        p = self._quantiser(residual)
        return p.unit / 2**GUARD_BITS if isinstance(p, ChannelScaleQuantiser) else p.unit

    def _offset(self, name: str) -> float:
        """Value of a row operand's term 0."""
        found = self.calibrated.activations.get(name)
        return 0.0 if found is None else found.offset
