"""The residual stream's format, as a method's parts say.

One scale of 16 bits for the whole stream (our decision), or 8 bits with a shift for each channel: O-2SF and k scales
(TSPTQ-ViT, reconstructed; k-scaled, known), or FQ-ViT's power-of-two factor (known).
"""

from __future__ import annotations

import torch
from torch import Tensor

from golden.method import MethodConfig
from golden.observe import RESIDUAL
from golden.quantizers import channel_rules
from golden.quantizers.base import Quantiser
from golden.quantizers.uniform import UniformQuantiser
from hwsim.formats import Uniform

WIDE_BITS = 16
HEADROOM = 1.25
"""Of the 16-bit stream over the largest calibration value."""
RADICAND_BITS = 48
"""LayerNorm's V = (D * range)**2 / 4 must stay below 2**48 (docs/numerics.md)."""


def calibrate_residual(x: Tensor, sensitivity: Tensor, bits: int, config: MethodConfig) -> Quantiser:
    """Shift of each channel of a residual tensor; both float32[rows, D]."""
    weights = None if config.metric == "mse" else sensitivity
    if config.residual == "power_of_two_factor":
        return channel_rules.power_of_two_factor(x, bits, weights)
    assert config.channel_rule is not None
    return channel_rules.find(x, bits, config.channel_rule, sensitivity, config.scales)


def calibrate_wide(largest: float, width: int, depth: int) -> dict[str, Quantiser]:
    """One scale for every residual tensor of a stream that reaches ``largest``."""
    bits = next(b for b in range(WIDE_BITS, 0, -1) if (width << b) ** 2 // 4 < 1 << RADICAND_BITS)
    fmt = Uniform(bits=bits, signed=True)
    scale = torch.tensor(max(largest, 1e-6) * HEADROOM / fmt.maximum)
    names = ["embed", *(f"blocks.{i}.{name}" for i in range(depth) for name in RESIDUAL)]
    return {name: UniformQuantiser(format=fmt, scale=scale) for name in names}
