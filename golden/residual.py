"""The residual stream's format, as a method's parts say.

One scale of 16 bits for the whole stream, of Swin for each stage (our decision), or 8 bits with a shift for each
channel: O-2SF and k scales (TSPTQ-ViT, reconstructed; k-scaled, known), or FQ-ViT's power-of-two factor (known).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from golden.method import MethodConfig
from golden.quantizers import channel_rules
from golden.quantizers.base import Quantiser
from golden.quantizers.channel_scale import LARGEST_SHIFT
from golden.quantizers.uniform import UniformQuantiser
from golden.vit import Vit
from hwsim.formats import Uniform

WIDE_BITS = 16
HEADROOM = 1.25
"""Of the 16-bit stream over the largest calibration value."""
RADICAND_BITS = 48
"""LayerNorm's V = (D * range)**2 / 4 must stay below 2**48 (docs/numerics.md)."""


def calibrate_residual(x: Tensor, sensitivity: Tensor, bits: int, config: MethodConfig, width: int) -> Quantiser:
    """Shift of each channel of a residual tensor.

    Parameters
    ----------
    x, sensitivity : float32[rows, D]
    width : channels of the widest LayerNorm that reads the tensor
    """
    weights = None if config.metric == "mse" else sensitivity
    if config.residual == "power_of_two_factor":
        return channel_rules.power_of_two_factor(x, bits, weights)
    assert config.channel_rule is not None
    spread = (1 << bits) - 1
    shift = next(s for s in range(LARGEST_SHIFT, -1, -1) if (width * (spread << s)) ** 2 // 4 < 1 << RADICAND_BITS)
    return channel_rules.find(x, bits, config.channel_rule, sensitivity, config.scales, shift)


def calibrate_wide(largest: Mapping[str, float], vit: Vit) -> dict[str, Quantiser]:
    """One scale for all residual tensors of a stage, which reach ``largest`` by name."""
    found: dict[str, Quantiser] = {}
    for names, width in stages(vit):
        bits = next(b for b in range(WIDE_BITS, 0, -1) if (width << b) ** 2 // 4 < 1 << RADICAND_BITS)
        found |= {name: covering(max(largest[each] for each in names), bits) for name in names}
    return found


def covering(largest: float, bits: int) -> Quantiser:
    """A signed code that reaches somewhat beyond ``largest``."""
    fmt = Uniform(bits=bits, signed=True)
    return UniformQuantiser(format=fmt, scale=torch.tensor(max(largest, 1e-6) * HEADROOM / fmt.maximum))


def stages(vit: Vit) -> list[tuple[list[str], int]]:
    """Names of the residual tensors from one patch merging to the next, and the widest LayerNorm that reads them."""
    found, names = [], ["embed"]
    for index, block in enumerate(vit.blocks):
        if block.merge is not None:
            found.append((names, len(block.merge.norm.bias)))
            names = [f"blocks.{index}.merge.reduction"]
        names += [f"blocks.{index}.attn.add", f"blocks.{index}.mlp.add"]
    return [*found, (names, len(vit.norm.bias))]
