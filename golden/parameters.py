"""What calibration finds: integer weights with their scales, and a quantiser for each activation tensor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from golden.fold import Folded
from golden.quantizers.base import Quantiser
from golden.vit import Vit


@dataclass(frozen=True, kw_only=True)
class WeightParameters:
    """A weight matrix on integers, symmetric per output channel."""

    codes: Tensor
    """int8[N, K]"""
    scale: Tensor
    """float32[N]"""
    bits: int
    """Width of a code."""

    def dequantize(self) -> Tensor:
        """float32[N, K]"""
        return self.codes * self.scale[:, None]


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """Everything that export needs beside the float network.

    ``weights`` is keyed by the name of the linear layer (``patch_embed``: the weight of normalised pixels divided
    by ``255 std``), ``activations`` by that of the tensor.
    """

    vit: Vit
    """The float network, folded where the method folds scales into it."""
    weights: dict[str, WeightParameters]
    activations: dict[str, Quantiser]
    folds: dict[str, Folded] = field(default_factory=dict)
    """What was folded, by the name of LayerNorm's output."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What a reader of ``network.json`` may want to know, such as every softmax exponent."""
