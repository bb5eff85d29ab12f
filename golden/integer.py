"""Integer mode: an exported network on integers throughout, from pixels to logits, in PyTorch.

Each layer is one line of docs/numerics.md (see ``golden.integer_ops``). The network file is all it knows, so what is
measured is what ships. Every intermediate tensor can be had by name: these are the golden integers.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from golden import integer_ops as ops
from golden.device import CPU
from hwsim.formats import ChannelScaled, RowUniform
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

SATURATED = 2**15
OUTLIERS = " outliers"
"""After the name of a tensor, that of the outliers beside its codes."""


class IntegerModel:
    """Runs a network; batches of images, int64 tensors of codes.

    On any device: integers, and float64 that holds integers below 2**53, give the same bits in any order of summation.
    """

    def __init__(self, network: Network, device: torch.device = CPU) -> None:
        self.network, self.device = network, device
        self.formats: dict[str, Any] = {n: spec.format for n, spec in network.manifest.tensors.items()}
        self.arrays = {n: torch.from_numpy(a.astype("int64")).to(device) for n, a in network.arrays.items()}
        self.last_use = self._last_use()

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """uint8[B, H, W, C] to logits, int64[B, classes]."""
        tensors = {self.network.manifest.input: images.to(torch.int64)}
        for layer in self.network.layers:
            tensors[layer.output] = self.run_layer(layer, tensors)
            for name in self.last_use.get(layer.name, ()):
                del tensors[name]
                tensors.pop(name + OUTLIERS, None)
        return tensors[self.network.manifest.logits].flatten(1)

    @torch.inference_mode()
    def trace(self, images: Tensor) -> dict[str, Tensor]:
        """Every tensor by name, int64[B, *shape], the input included."""
        tensors = {self.network.manifest.input: images.to(torch.int64)}
        for layer in self.network.layers:
            tensors[layer.output] = self.run_layer(layer, tensors)
        return {name: tensors[name] for name in self.formats}

    def run_layer(self, layer: Layer, tensors: dict[str, Tensor]) -> Tensor:
        """Output codes of one layer, given the tensors that it reads."""
        match layer:
            case Im2col():
                return self._im2col(layer, tensors[self.network.manifest.input])
            case Linear():
                return self._linear(layer, tensors)
            case AttentionScores():
                return self._scores(layer, tensors[layer.input])
            case Softmax():
                p = ops.softmax_q16(tensors[layer.input], self.arrays["exp2_table"])
                return ops.encode_probability(p, self.formats[layer.output])
            case AttentionValues():
                return self._values(layer, tensors[layer.probabilities], tensors[layer.values])
            case Table():
                lowest = self.formats[layer.input].minimum
                return self.arrays[f"{layer.name}.table"][tensors[layer.input] - lowest]
            case Residual():
                return self._residual(layer, tensors)
            case LayerNorm():
                return self._layernorm(layer, tensors)

    def _im2col(self, layer: Im2col, image: Tensor) -> Tensor:
        pixels = image.permute(0, 3, 1, 2).double()
        rows = F.unfold(pixels, layer.patch, stride=layer.patch).transpose(1, 2).to(torch.int64)
        if layer.class_token:
            rows = F.pad(rows, (0, 0, 1, 0), value=self.formats[layer.output].zero_point)
        return rows

    def _linear(self, layer: Linear, tensors: dict[str, Tensor]) -> Tensor:
        name, codes = layer.input, tensors[layer.input]
        fmt = self.formats[name]
        if isinstance(fmt, RowUniform):
            a = ops.row_terms(codes, tensors[name + OUTLIERS], self.arrays[f"{name}.zero_points"], fmt)
            acc = ops.product(a, self.arrays[f"{layer.name}.weight"].double())
            scales, bias = self.arrays[f"{name}.multipliers"], self.arrays[f"{layer.name}.bias"]
            return ops.requantise_rows(acc, scales, bias, *self._multipliers(layer.name), self.formats[layer.output])
        a = ops.terms(codes, self.formats[layer.input])
        acc = ops.product(a, self.arrays[f"{layer.name}.weight"].double()) + self.arrays[f"{layer.name}.bias"]
        return ops.requantise(acc, *self._multipliers(layer.name), self.formats[layer.output])

    def _scores(self, layer: AttentionScores, qkv: Tensor) -> Tensor:
        q, k, _ = split_heads(qkv, layer.heads)
        a = ops.terms(q, self.formats[layer.input])
        mult, shift = (x[:, None, None] for x in self._multipliers(layer.name))
        return ops.requantise(ops.product(a, k.double()), mult, shift, self.formats[layer.output])

    def _values(self, layer: AttentionValues, probabilities: Tensor, qkv: Tensor) -> Tensor:
        _, _, v = split_heads(qkv, layer.heads)
        a = ops.terms(probabilities, self.formats[layer.probabilities])
        acc = ops.product(a, v.double().transpose(2, 3))
        side_by_side = acc.transpose(1, 2).flatten(2)
        return ops.requantise(side_by_side, *self._multipliers(layer.name), self.formats[layer.output])

    def _residual(self, layer: Residual, tensors: dict[str, Tensor]) -> Tensor:
        if layer.skip is None:
            stream = self.arrays[f"{layer.name}.constant"]
        else:
            stream = ops.round_shift(self._on_grid(layer.skip, tensors[layer.skip]) * layer.mult, layer.shift)
        y = (stream + tensors[layer.branch]).clamp_(-SATURATED, SATURATED - 1)
        fmt = self.formats[layer.output]
        return ops.round_shift(y, layer.guard_bits + self._shifts(layer.output)).clamp_(fmt.minimum, fmt.maximum)

    def _layernorm(self, layer: LayerNorm, tensors: dict[str, Tensor]) -> Tensor:
        y = self._on_grid(layer.input, tensors[layer.input][:, : layer.tokens])
        gamma, beta = self.arrays[f"{layer.name}.gamma"], self.arrays[f"{layer.name}.beta"]
        fmt, name = self.formats[layer.output], layer.output
        if isinstance(fmt, RowUniform):
            v = ops.layernorm_unclamped(y, layer.epsilon, gamma, beta, layer.shift).clamp_(-SATURATED, SATURATED - 1)
            scales, zeros = self.arrays[f"{name}.encode_multipliers"], self.arrays[f"{name}.zero_points"]
            assert layer.encode_shift is not None
            codes, outliers = ops.encode_rows(v, scales, zeros, layer.encode_shift, layer.threshold, fmt)
            tensors[name + OUTLIERS] = outliers
            return codes
        return ops.layernorm(y, layer.epsilon, gamma, beta, layer.shift, self.formats[layer.output])

    def _on_grid(self, name: str, codes: Tensor) -> Tensor:
        """Codes of the residual stream on their tensor's one grid."""
        return codes << self._shifts(name)

    def _shifts(self, name: str) -> Tensor:
        """Shift of each channel of the residual stream, int64[D]; 0 where it has one scale."""
        if isinstance(self.formats[name], ChannelScaled):
            return self.arrays[f"{name}.shifts"]
        return torch.zeros(self.network.tensor(name).shape[-1], dtype=torch.int64, device=self.device)

    def _multipliers(self, name: str) -> tuple[Tensor, Tensor]:
        return self.arrays[f"{name}.mult"], self.arrays[f"{name}.shift"]

    def _last_use(self) -> dict[str, list[str]]:
        """Tensors that no layer after this one reads, by the name of the layer."""
        last: dict[str, str] = {}
        for layer in self.network.layers:
            for key in ("input", "branch", "skip", "probabilities", "values"):
                name = getattr(layer, key, None)
                if name is not None:
                    last[name] = layer.name
        found: dict[str, list[str]] = {}
        for name, layer_name in last.items():
            found.setdefault(layer_name, []).append(name)
        return found


def split_heads(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """[B, T, 3 D] to q, k, v, each [B, heads, T, D / heads]."""
    batch, tokens, _ = qkv.shape
    q, k, v = qkv.reshape(batch, tokens, 3, heads, -1).permute(2, 0, 3, 1, 4)
    return q, k, v
