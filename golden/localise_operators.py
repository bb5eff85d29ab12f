"""Each operator of an integer network in three modes, so that one unit can change its mode and all others keep theirs.

    integer   docs/numerics.md, on terms that may lie between two codes
    paper     the float operator with dequantised weights, its result rounded to the nearest code of its format
    float     the float operator with the float network's weights, its result as it is

Tensors are float64 of terms (``value = term * unit + offset``). A unit owns its weights, its arithmetic and the format
of its result. The grid on which a table is read belongs to the table's unit: the integer products before softmax and
GELU leave their sums unrounded, and softmax and GELU round and saturate what they read, which is the same in every bit.
With every unit in integer mode the codes are those of ``golden.integer``.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from golden import integer_ops as ops
from golden.calibrate import input_zero_point, pixel_weight
from golden.localise_formats import offset_of, terms_of, unit_of
from golden.parameters import Calibrated
from golden.vit import Affine, Vit, merge_heads, split_heads
from hwsim.formats import RowUniform
from hwsim.network import (
    AttentionScores,
    AttentionValues,
    Im2col,
    Layer,
    LayerNorm,
    Linear,
    Network,
    Residual,
    Softmax,
    Table,
)

BRANCH_LIMIT = 2**15
Terms = dict[str, Tensor]
"""float64[B, *shape] by the name of the tensor"""


class Mode(Enum):
    """How a unit computes."""

    INTEGER = "integer"
    PAPER = "paper"
    FLOAT = "float"


class Operators:
    """The layers of one network in three modes."""

    def __init__(self, network: Network, calibrated: Calibrated) -> None:
        self.network, self.calibrated = network, calibrated
        self.vit = calibrated.vit
        self.formats: dict[str, Any] = {name: spec.format for name, spec in network.manifest.tensors.items()}
        self.units = {name: self._unit(name) for name in self.formats}
        self.offsets = {name: offset_of(network, name) for name in self.formats if name != network.manifest.input}
        self.arrays = {name: torch.from_numpy(array.astype("float64")) for name, array in network.arrays.items()}
        self.affines = {Mode.FLOAT: _affines(self.vit), Mode.PAPER: self._quantised()}
        self.exp2_table = torch.from_numpy(network.arrays["exp2_table"].astype("int64"))
        self._embedding()

    def run(self, layer: Layer, tensors: Terms, mode: Mode) -> Tensor:
        """Terms of a layer's output, given those that it reads."""
        if isinstance(layer, Im2col):
            return self._im2col(layer, tensors[self.network.manifest.input])
        if mode is Mode.INTEGER:
            return self._integer(layer, tensors)
        values = self._operator(layer, tensors, mode)
        quantiser = self.calibrated.activations.get(layer.output)
        if mode is Mode.PAPER and quantiser is not None and not layer.output.endswith(".fc1"):
            values = quantiser.fake_quantize(values).double()
        return (values - self.offsets[layer.output]) / self.units[layer.output]

    def value(self, name: str, terms: Tensor) -> Tensor:
        """Values of terms, float64."""
        return terms * self.units[name] + self.offsets[name]

    def _unit(self, name: str) -> Tensor:
        quantiser = self.calibrated.activations.get(name)
        if quantiser is not None:
            return unit_of(quantiser)
        return torch.tensor(self.network.tensor(name).scale, dtype=torch.float64)

    def _quantised(self) -> dict[str, Affine]:
        """Weights as their codes say, biases as they are."""
        weights = self.calibrated.weights
        return {
            name: Affine(weight=weights[name].dequantize().double(), bias=old.bias) if name in weights else old
            for name, old in _affines(self.vit).items()
        }

    def _embedding(self) -> None:
        """What the embedding adds; it holds the quantised weights' share of the input's zero point and mean."""
        vit = self.vit
        mean = 255 * torch.tensor(vit.mean, dtype=torch.float64).repeat_interleave(vit.patch_size**2)
        offset = input_zero_point(vit) - mean
        weight = self.affines[Mode.PAPER]["patch_embed"].weight
        class_token, position = vit.embedding
        constant = position.double().clone()
        constant[0] += class_token.double()
        constant[1:] += vit.patch_embed.bias.double() + weight @ offset
        self.constant = constant
        self.float_share = torch.zeros_like(constant)
        self.float_share[1:] = (self.affines[Mode.FLOAT]["patch_embed"].weight - weight) @ offset

    def _im2col(self, layer: Im2col, image: Tensor) -> Tensor:
        zero_point = self.formats[layer.output].zero_point
        rows = F.unfold(image.permute(0, 3, 1, 2), layer.patch, stride=layer.patch).transpose(1, 2) - zero_point
        return F.pad(rows, (0, 0, 1, 0)) if layer.class_token else rows

    # float operators, on values

    def _operator(self, layer: Layer, tensors: Terms, mode: Mode) -> Tensor:
        def read(name: str) -> Tensor:
            return self.value(name, tensors[name])

        match layer:
            case Linear(name="patch_embed"):
                product = tensors[layer.input] @ self.affines[mode]["patch_embed"].weight.T
                return product + self.float_share if mode is Mode.FLOAT else product
            case Linear():
                affine = self.affines[mode][layer.name]
                return F.linear(read(layer.input), affine.weight, affine.bias)
            case AttentionScores():
                q, k, _ = split_heads(read(layer.input), layer.heads)
                scale: float = math.log2(math.e) * q.shape[3] ** -0.5
                return q @ k.transpose(2, 3) * scale
            case Softmax():
                return (read(layer.input) * math.log(2)).softmax(-1)
            case AttentionValues():
                return merge_heads(read(layer.probabilities) @ split_heads(read(layer.values), layer.heads)[2])
            case Table():
                return F.gelu(read(layer.input))
            case Residual():
                return read(layer.branch) + (self.constant if layer.skip is None else read(layer.skip))
            case LayerNorm():
                affine = self.affines[mode][layer.name]
                x = read(layer.input)[:, : layer.tokens]
                return F.layer_norm(x, affine.weight.shape, affine.weight, affine.bias, self.vit.epsilon)
        raise AssertionError(layer)

    # integer operators, on terms

    def _integer(self, layer: Layer, tensors: Terms) -> Tensor:
        match layer:
            case Linear():
                return self._linear(layer, tensors[layer.input])
            case AttentionScores():
                q, k, _ = split_heads(tensors[layer.input], layer.heads)
                return q @ k.transpose(2, 3) * self._ratio(layer.name)[:, None, None]
            case Softmax():
                scores = self._codes(layer.input, tensors[layer.input]).to(torch.int64)
                p = ops.softmax_q16(scores, self.exp2_table)
                return terms_of(self.network, layer.output, ops.encode_probability(p, self.formats[layer.output]))
            case AttentionValues():
                v = split_heads(tensors[layer.values], layer.heads)[2]
                sums = merge_heads(tensors[layer.probabilities] @ v)
                return self._clamped(layer.output, sums * self._ratio(layer.name))
            case Table():
                lowest = self.formats[layer.input].minimum
                address = self._codes(layer.input, tensors[layer.input]) - lowest
                codes = self.arrays[f"{layer.name}.table"][address.long()].long()
                return terms_of(self.network, layer.output, codes)
            case Residual():
                return self._residual(layer, tensors)
            case LayerNorm():
                return self._layernorm(layer, tensors[layer.input][:, : layer.tokens])
        raise AssertionError(layer)

    def _linear(self, layer: Linear, a: Tensor) -> Tensor:
        acc = a @ self.arrays[f"{layer.name}.weight"].T
        bias = self.arrays[f"{layer.name}.bias"]
        if isinstance(self.formats[layer.input], RowUniform):
            scales = self.arrays[f"{layer.input}.multipliers"][:, None]
            guarded = 2.0**ops.GUARD_BITS
            acc = _rounded(acc * scales * (guarded / 2**ops.ROW_FRACTION_BITS)) + bias * guarded
        else:
            acc = acc + bias
        scaled = acc * self._ratio(layer.name)
        return scaled if layer.output.endswith(".fc1") else self._clamped(layer.output, scaled)

    def _residual(self, layer: Residual, tensors: Terms) -> Tensor:
        if layer.skip is None:
            stream = self.arrays[f"{layer.name}.constant"]
        else:
            stream = tensors[layer.skip] * layer.mult * 2.0**-layer.shift
            stream = _rounded(stream) if layer.shift else stream
        y = (stream + tensors[layer.branch]).clamp_(-BRANCH_LIMIT, BRANCH_LIMIT - 1)
        steps = (1 << torch.from_numpy(self.network.shifts(layer.output)).int()).double()
        fmt = self.formats[layer.output]
        return _rounded(y / (steps * 2**layer.guard_bits)).clamp_(fmt.minimum, fmt.maximum) * steps

    def _layernorm(self, layer: LayerNorm, y: Tensor) -> Tensor:
        width, name = y.shape[-1], layer.output
        s1 = y.sum(-1, keepdim=True)
        radicand = (width * (y * y).sum(-1, keepdim=True) - s1 * s1 + layer.epsilon).clamp_(min=1)
        sd = ops.isqrt(radicand.floor().to(torch.int64))
        shift = ops.bit_length(sd) + 15 - ops.NORM_FRACTION_BITS
        n = _rounded(torch.ldexp((width * y - s1) * ops.reciprocal(sd), -shift)).clamp_(-(2**15), 2**15 - 1)
        gamma, beta = self.arrays[f"{layer.name}.gamma"], self.arrays[f"{layer.name}.beta"]
        result: Tensor = _rounded((n * gamma + beta) * 2.0**-layer.shift)
        fmt = self.formats[name]
        if not isinstance(fmt, RowUniform):
            codes: Tensor = result.clamp_(fmt.minimum, fmt.maximum)
            return codes - int(fmt.zero_point)
        assert layer.encode_shift is not None
        scales, zeros = (self.arrays[f"{name}.{key}"].long() for key in ("encode_multipliers", "zero_points"))
        v = result.clamp_(-BRANCH_LIMIT, BRANCH_LIMIT - 1).long()
        codes, outliers = ops.encode_rows(v, scales, zeros, layer.encode_shift, layer.threshold, fmt)
        return terms_of(self.network, name, codes, outliers)

    def _ratio(self, layer: str) -> Tensor:
        """``M / 2**s``, exact."""
        return torch.ldexp(self.arrays[f"{layer}.mult"], -self.arrays[f"{layer}.shift"].int())

    def _codes(self, name: str, terms: Tensor) -> Tensor:
        """Nearest codes of a uniform tensor, ties up, float64."""
        fmt = self.formats[name]
        codes: Tensor = (_rounded(terms) + fmt.zero_point).clamp_(fmt.minimum, fmt.maximum)
        return codes

    def _clamped(self, name: str, terms: Tensor) -> Tensor:
        return self._codes(name, terms) - int(self.formats[name].zero_point)


def _rounded(x: Tensor) -> Tensor:
    """To nearest, ties towards plus infinity."""
    return torch.floor(x + 0.5)


def _affines(vit: Vit) -> dict[str, Affine]:
    """Every linear layer and LayerNorm by the name of its layer, float64; the patch embedding's is of raw pixels."""
    found = {"norm": vit.norm, "head": vit.head, "patch_embed": Affine(weight=pixel_weight(vit), bias=vit.norm.bias)}
    for index, block in enumerate(vit.blocks):
        ends = {"norm1": block.norm1, "attn.qkv": block.qkv, "attn.proj": block.proj}
        ends |= {"norm2": block.norm2, "mlp.fc1": block.fc1, "mlp.fc2": block.fc2}
        found |= {f"blocks.{index}.{end}": affine for end, affine in ends.items()}
    return {name: Affine(weight=a.weight.double(), bias=a.bias.double()) for name, a in found.items()}
