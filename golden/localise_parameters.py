"""The parameters of a calibration from the integer network that it became and the float network's weights.

    scale_w = M / 2**s * unit_out / unit_in        r_c = gamma_c / gamma'_c,  b_c = beta_c / r_c - beta'_c

A network file holds codes, multipliers and formats, but neither float weights nor quantisers. With the float weights
beside it everything follows, so that no calibration runs again: scales of weights from the multipliers (to 2**-15, as
the hardware has them), those of v from the multipliers of ``A.V``, the product of q's and k's from the multipliers of
the scores, and their ratio from the weights' codes. LayerNorms that a method folded (RepQ-ViT, MOSF, SQ-b) are those
whose affine is not the float network's: their r and b are read from G and B, so the float function stays the same.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from golden.export_parts import affine_arrays
from golden.localise_formats import quantiser_of
from golden.parameters import Calibrated, WeightParameters
from golden.quantizers.base import Quantiser
from golden.vit import Affine, Block, Vit
from hwsim.errors import HwsimError
from hwsim.formats import RowUniform, Uniform
from hwsim.network import LayerNorm, Linear, Network

SCORE_UNIT = 2.0**-8
GUARD_BITS = 8
"""Of sums that meet the multiplier of their row."""
SEARCHED = (0.05, 0.003)
CANDIDATES = 81
"""Scales of q that are tried: within each share of the best so far."""
NORM_FRACTION_BITS = 10
LEAST_CORRELATION = 0.7
"""Of a weight's codes and the float weight; three bits of the same weights correlate by more than 0.9."""


def recover(network: Network, vit: Vit) -> Calibrated:
    """Scales of weights, quantisers of activations, and the float network with folded LayerNorms where it has them.

    Parameters
    ----------
    network : as ``golden.export`` makes it
    vit : float network that it was made from

    Raises
    ------
    HwsimError
        If a weight of the float network is not the one that the codes stand for.
    """
    return _Recovery(network, vit).run()


def ratio(network: Network, layer: str) -> Tensor:
    """``M / 2**s`` of each output channel (or head), float64, s without the guard bits of rows."""
    mult, shift = network.arrays[f"{layer}.mult"], network.arrays[f"{layer}.shift"].astype(np.int64)
    made = network.maker(layer)
    has_rows = isinstance(made, Linear) and isinstance(network.tensor(made.input).format, RowUniform)
    return torch.from_numpy(np.ldexp(mult.astype(np.float64), (GUARD_BITS if has_rows else 0) - shift))


class _Recovery:
    def __init__(self, network: Network, vit: Vit) -> None:
        self.network, self.vit = network, vit
        self.weights: dict[str, WeightParameters] = {}
        self.activations: dict[str, Quantiser] = {}

    def run(self) -> Calibrated:
        """Walk through the network."""
        vit = self.vit
        self._check_shape()
        blocks = tuple(self._block(f"blocks.{index}", block) for index, block in enumerate(vit.blocks))
        std = 255 * torch.tensor(vit.std).repeat_interleave(vit.patch_size**2)
        self._weight("patch_embed", "patches", vit.patch_embed.weight / std)
        self._weight("head", "norm", vit.head.weight)
        self._keep("embed", "norm")
        folded = replace(vit, blocks=blocks)
        return Calibrated(vit=folded, weights=self.weights, activations=self.activations)

    def _block(self, name: str, block: Block) -> Block:
        norm1, qkv = self._normed(f"{name}.norm1", block.norm1, block.qkv)
        norm2, fc1 = self._normed(f"{name}.norm2", block.norm2, block.fc1)
        self._attention(name, qkv.weight)
        self._weight(f"{name}.attn.proj", f"{name}.attn.values", block.proj.weight)
        self._weight(f"{name}.mlp.fc1", f"{name}.norm2", fc1.weight)
        self._weight(f"{name}.mlp.fc2", f"{name}.mlp.gelu", block.fc2.weight)
        ends = ("norm1", "attn.softmax", "attn.values", "attn.add", "norm2", "mlp.fc1", "mlp.gelu", "mlp.add")
        self._keep(*(f"{name}.{end}" for end in ends))
        return replace(block, norm1=norm1, qkv=qkv, norm2=norm2, fc1=fc1)

    def _keep(self, *names: str) -> None:
        for name in names:
            self.activations[name] = quantiser_of(self.network, name)

    def _attention(self, name: str, weight: Tensor) -> None:
        """Scales of q, k and v of each head, and of qkv's weights."""
        network, attn, heads = self.network, f"{name}.attn", self.vit.heads
        fitted = self._fitted_scale(f"{attn}.qkv", weight)
        unit_in = network.tensor(f"{name}.norm1").scale
        unit_out = (fitted * unit_in / ratio(network, f"{attn}.qkv").clamp_min(1e-30)).reshape(3, heads, -1)
        q, k = unit_out[:2].median(2).values
        product = ratio(network, f"{attn}.scores") / self._to_log2()
        q = self._matched(f"{attn}.qkv", weight, unit_in, (product * q / k).sqrt(), product)
        context, softmax = network.tensor(f"{attn}.values").scale, network.tensor(f"{attn}.softmax").scale
        v = ratio(network, f"{attn}.values") * context / softmax
        scale = torch.cat([part.repeat_interleave(unit_out.shape[2]) for part in (q, product / q)] + [v])
        self.activations[f"{attn}.qkv"] = quantiser_of(network, f"{attn}.qkv", scale)
        self._weight_of(f"{attn}.qkv", ratio(network, f"{attn}.qkv") * scale / unit_in)

    def _matched(self, layer: str, weight: Tensor, unit_in: float, start: Tensor, product: Tensor) -> Tensor:
        """Scales of q near ``start`` with which most codes of q's and k's weights are the nearest, float64[heads].

        start, product : float64[heads], the product that of the scales of q and k
        """
        shape = 3, self.vit.heads, -1, weight.shape[1]
        codes = torch.from_numpy(self.network.arrays[f"{layer}.weight"]).double().reshape(shape)
        units = ratio(self.network, layer).reshape(*shape[:3]) / unit_in
        steps = weight.double().reshape(shape) / units[..., None].clamp_min(1e-30)
        low, high = float(codes.min()), float(codes.max())

        def matches(q: Tensor) -> Tensor:
            q, k = q[:, None, None], (product / q)[:, None, None]
            found = torch.stack([steps[0] / q, steps[1] / k]).add_(0.5).floor_().clamp_(low, high)
            return (found == codes[:2]).sum((0, 2, 3))

        for reach in SEARCHED:
            factors = torch.linspace(1 - reach, 1 + reach, CANDIDATES, dtype=torch.float64)
            counts = torch.stack([matches(start * factor) for factor in factors])
            best = (counts == counts.amax(0)).double()
            start = start * (best * factors[:, None]).sum(0) / best.sum(0)
        return start

    def _to_log2(self) -> float:
        """Factor of the scores' multipliers beside the scales of q and k."""
        return math.log2(math.e) / math.sqrt(self.vit.width / self.vit.heads) / SCORE_UNIT

    def _weight(self, layer: str, source: str, weight: Tensor) -> None:
        self._fitted_scale(layer, weight)
        units = self.network.tensor(layer).scale / self.network.tensor(source).scale
        self._weight_of(layer, ratio(self.network, layer) * units)

    def _weight_of(self, layer: str, scale: Tensor) -> None:
        codes = torch.from_numpy(self.network.arrays[f"{layer}.weight"])
        self.weights[layer] = WeightParameters(codes=codes, scale=scale.float(), bits=8 * codes.element_size())

    def _fitted_scale(self, layer: str, weight: Tensor) -> Tensor:
        """Scale of each row by least squares over the codes that did not saturate, float64[N].

        Raises
        ------
        HwsimError
            If the codes are not those of this weight.
        """
        codes, w = torch.from_numpy(self.network.arrays[f"{layer}.weight"]).double(), weight.double()
        correlation = float((codes * w).sum(1).mul(_inverse_norm(codes) * _inverse_norm(w)).mean())
        if not correlation >= LEAST_CORRELATION:
            raise HwsimError(
                f"{layer}: the codes of network {self.network.name} are not of these float weights, with which they "
                f"correlate by {correlation:.2f} (expected the weights that it was quantised from, --weights FILE)"
            )
        inside = codes.abs() < codes.abs().amax(1, keepdim=True)
        inside |= ~inside.any(1, keepdim=True)
        kept = codes * inside
        return (kept * w).sum(1).abs() / kept.square().sum(1).clamp_min(1)

    def _normed(self, name: str, norm: Affine, linear: Affine) -> tuple[Affine, Affine]:
        """The LayerNorm and the linear that reads it, folded as the network's are."""
        unit, zero_point = norm_unit(self.network, name)
        gamma, beta, shift = affine_arrays(norm, unit, zero_point)
        arrays, layer = self.network.arrays, self.network.maker(name)
        assert isinstance(layer, LayerNorm)
        g, b = arrays[f"{name}.gamma"], arrays[f"{name}.beta"]
        if layer.shift == shift and np.array_equal(g, gamma) and np.array_equal(b, beta):
            return norm, linear
        there = torch.from_numpy(np.ldexp(g.astype(np.float64), NORM_FRACTION_BITS - layer.shift)) * unit
        offset = (torch.from_numpy(np.ldexp(b.astype(np.float64), -layer.shift)) - zero_point) * unit
        # a channel without gain is a constant, whatever its scale is
        r = torch.where(there * norm.weight == 0, 1.0, norm.weight.double() / there)
        moved = norm.bias.double() / r - offset
        weight = linear.weight.double() * r
        return (
            Affine(weight=(norm.weight / r).float(), bias=offset.float()),
            Affine(weight=weight.float(), bias=(linear.bias + weight @ moved).float()),
        )

    def _check_shape(self) -> None:
        vit, network = self.vit, self.network
        if vit.class_token is None:
            raise HwsimError(f"network {network.name}: has windows, expected a ViT or DeiT, which localise takes apart")
        depth = sum(isinstance(layer, LayerNorm) for layer in network.layers) // 2
        expected = len(vit.blocks), vit.tokens, vit.width, len(vit.head.bias)
        found = depth, *network.tensor("embed").shape, network.tensor(network.manifest.logits).shape[-1]
        if found != expected:
            words = "blocks, tokens, channels, classes"
            raise HwsimError(
                f"network {network.name} has {found} {words}, the float network {expected} "
                "(expected the model that it was quantised from)"
            )


def norm_unit(network: Network, name: str) -> tuple[float, int]:
    """Value of one unit of LayerNorm's result before it is encoded, and its zero point."""
    spec = network.tensor(name)
    fmt = spec.format
    if isinstance(fmt, RowUniform):
        return spec.scale if fmt.outliers else spec.scale * 2.0 ** (fmt.exponent + fmt.bits - 15), 0
    assert isinstance(fmt, Uniform)
    return spec.scale, fmt.zero_point


def _inverse_norm(rows: Tensor) -> Tensor:
    return rows.square().sum(1).sqrt().clamp_min(1e-30).reciprocal()
