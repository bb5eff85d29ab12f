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
from hwsim.formats import ChannelScaled, RowUniform, Uniform
from hwsim.network import (
    AttentionScores,
    AttentionValues,
    Im2col,
    Layer,
    LayerNorm,
    Linear,
    Network,
    Rearrange,
    Residual,
    Softmax,
    Table,
    TokenMean,
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
            case Rearrange():
                return rearrange(tensors[layer.input], layer)
            case Linear():
                return self._linear(layer, tensors)
            case AttentionScores():
                return self._scores(layer, tensors[layer.input])
            case Softmax():
                p = ops.softmax_q16(tensors[layer.input], self.arrays["exp2_table"])
                return ops.encode_probability(p, self.formats[layer.output])
            case AttentionValues():
                return self._values(layer, tensors[layer.probabilities], tensors[layer.values])
            case TokenMean():
                total = tensors[layer.input].sum(1, keepdim=True)
                return ops.requantise(total, *self._multipliers(layer.name), self.formats[layer.output])
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
            a = ops.row_terms(codes, tensors[name + OUTLIERS], self._rows(name, "zero_points"), fmt)
            acc = ops.product(a, self.arrays[f"{layer.name}.weight"].double())
            scales, bias = self._rows(name, "multipliers"), self.arrays[f"{layer.name}.bias"]
            return ops.requantise_rows(acc, scales, bias, *self._multipliers(layer.name), self._result(layer.output))
        a = ops.terms(codes, self.formats[layer.input])
        acc = ops.product(a, self.arrays[f"{layer.name}.weight"].double()) + self.arrays[f"{layer.name}.bias"]
        return ops.requantise(acc, *self._multipliers(layer.name), self._result(layer.output))

    def _scores(self, layer: AttentionScores, qkv: Tensor) -> Tensor:
        q, k, _ = split_heads(qkv, layer.heads, layer.windows)
        a = ops.terms(q, self.formats[layer.input])
        mult, shift = (x.repeat(layer.windows)[:, None, None] for x in self._multipliers(layer.name))
        scores = ops.requantise(ops.product(a, k.double()), mult, shift, self.formats[layer.output])
        if not layer.biased:
            return scores
        bias = self.arrays[f"{layer.name}.bias"][self.arrays[f"{layer.name}.kind"]]
        return (scores + bias.flatten(0, 1)).clamp_(-SATURATED, SATURATED - 1)

    def _values(self, layer: AttentionValues, probabilities: Tensor, qkv: Tensor) -> Tensor:
        _, _, v = split_heads(qkv, layer.heads, layer.windows)
        a = ops.terms(probabilities, self.formats[layer.probabilities])
        acc = ops.product(a, v.double().transpose(2, 3))
        # [B, windows * heads, T of one, d] to [B, T, heads * d]
        side_by_side = (
            acc.reshape(len(acc), layer.windows, layer.heads, *acc.shape[2:]).transpose(2, 3).flatten(3).flatten(1, 2)
        )
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
            scales, zeros = self._rows(name, "encode_multipliers"), self._rows(name, "zero_points")
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

    def _result(self, name: str) -> Uniform:
        """Range and zero point of what a linear layer writes; the shifts of channels are in its multipliers."""
        fmt: Uniform | ChannelScaled = self.formats[name]
        return fmt if isinstance(fmt, Uniform) else Uniform(bits=fmt.bits, signed=True)

    def _rows(self, tensor: str, key: str) -> Tensor:
        """An array of a tensor with scales of rows, int64[T]; what is stored may repeat."""
        stored = self.arrays[f"{tensor}.{key}"]
        return stored.repeat(self.network.tensor(tensor).shape[0] // len(stored))

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


def split_heads(qkv: Tensor, heads: int, windows: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """[B, T, 3 D] to q, k, v, each [B, windows * heads, T / windows, D / heads]."""
    batch = len(qkv)
    q, k, v = qkv.reshape(batch, windows, -1, 3, heads, qkv.shape[2] // (3 * heads)).permute(3, 0, 1, 4, 2, 5)
    return q.flatten(1, 2), k.flatten(1, 2), v.flatten(1, 2)


def rearrange(x: Tensor, layer: Rearrange) -> Tensor:
    """Rows of [B, height * width, N] as the layer wants them, by slices and rolls of the grid, no index."""
    size, shift = layer.size, (layer.shift, layer.shift)
    rows, columns = layer.height // size, layer.width // size
    if layer.kind == "unwindow":
        grid = x.reshape(len(x), rows, columns, size, size, -1).permute(0, 1, 3, 2, 4, 5)
        return grid.reshape(len(x), layer.height, layer.width, -1).roll(shift, (1, 2)).flatten(1, 2)
    grid = x.reshape(len(x), layer.height, layer.width, -1)
    if layer.kind == "merge":
        beside = [grid[:, down::2, right::2] for right in (0, 1) for down in (0, 1)]
        return torch.cat(beside, 3).flatten(1, 2)
    moved = grid.roll((-layer.shift, -layer.shift), (1, 2)).reshape(len(x), rows, size, columns, size, -1)
    return moved.permute(0, 1, 3, 2, 4, 5).flatten(1, 4)
