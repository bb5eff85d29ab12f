"""What calibration finds: integer weights with their scales, and a quantiser for each activation tensor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from golden.quantizers import tsptq, uniform
from golden.quantizers.tsptq import ChannelTwoScaleParameters, TwoScaleParameters
from golden.quantizers.uniform import UniformParameters

Quantiser = UniformParameters | TwoScaleParameters | ChannelTwoScaleParameters


@dataclass(frozen=True, kw_only=True)
class WeightParameters:
    """A weight matrix on integers, symmetric per output channel."""

    codes: Tensor
    """int8[N, K]"""
    scale: Tensor
    """float32[N]"""

    def dequantize(self) -> Tensor:
        """float32[N, K]"""
        return self.codes * self.scale[:, None]


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """Everything that export needs beside the float network.

    ``weights`` is keyed by the name of the linear layer (``patch_embed``: the weight of normalised pixels divided
    by ``255 std``), ``activations`` by that of the tensor.
    """

    bits: int
    weights: dict[str, WeightParameters]
    activations: dict[str, Quantiser]
    notes: dict[str, Any] = field(default_factory=dict)
    """What a reader of ``network.json`` may want to know, such as every softmax exponent."""


def fake_quantize(x: Tensor, p: Quantiser) -> Tensor:
    """Value of the nearest code of each element."""
    match p:
        case UniformParameters():
            return uniform.dequantize(uniform.quantize(x, p), p)
        case TwoScaleParameters():
            return tsptq.fake_quantize(x, p)
        case ChannelTwoScaleParameters():
            return tsptq.dequantize_channels(tsptq.quantize_channels(x, p), p)
