"""TanQ of DopQ-ViT (arXiv 2408.03291), after softmax: levels uniform in a domain companded by a tangent.

    u = G(min(x / delta, 1)),  code = floor((2**b - 1) u + 1/2),  value = delta * G^-1(code / (2**b - 1))
    A: G^-1(u) = (1 + atan((2u - 1) tan(theta)) / theta) / 2        fine near 0 and near delta
    C: G^-1(u) = tan(theta u) / tan(theta)                          fine near 0

Reconstructed: the paper's formula was not found. A matches a summary of it ("precision for the dense values near 0 and
the sparse ones near 1") and does better on attention maps of DeiT-Tiny; C is there to compare. A third form, fine near
1 alone (``atan(u tan(theta)) / theta``), was never better than uniform codes. The scale delta is our decision.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from golden.quantizers.codebook import CodebookQuantiser, probability_codebook

Family = Literal["A", "C"]

THETAS = tuple(math.pi / 2 - (math.pi / 2 - 0.8) * 0.72**i for i in range(11))
"""0.8 to 1.542. The finest step goes with ``cos(theta)``, so the grid is geometric in ``pi/2 - theta``."""
DELTAS = tuple(10 ** (-i / 8) for i in range(9))
"""1 to 0.1, geometric."""


def expand(u: Tensor, family: Family, theta: float) -> Tensor:
    """``G^-1(u)``, exactly 0 and 1 at the ends; u : float64 in 0..1."""
    if family == "A":
        x = 0.5 * (1 + torch.atan((2 * u - 1) * math.tan(theta)) / theta)
    else:
        x = torch.tan(theta * u) / math.tan(theta)
    return torch.where((u == 0) | (u == 1), u, x)


def calibrate(bits: int, family: Family, theta: float, delta: float, tokens: int) -> CodebookQuantiser:
    """TanQ for rows of ``tokens`` probabilities; ``0 < theta < pi/2``, ``0 < delta <= 1``."""
    last = (1 << bits) - 1
    codes = torch.arange(last + 1, dtype=torch.float64)
    levels = delta * expand(codes / last, family, theta)
    bounds = delta * expand((codes[1:] - 0.5) / last, family, theta)
    return probability_codebook(levels, bounds, bits, tokens, {"theta": theta, "delta": delta})


def candidates(bits: int, family: Family, tokens: int) -> list[CodebookQuantiser]:
    """Grid of a search, 99 candidates.

    One stage is enough (our decision): neighbours differ by a factor of 1.4 in the finest step and of 1.3 in the scale,
    and the best found on DeiT-Tiny (theta 1.38 to 1.48, delta 0.25 to 0.8) lie where there are several of both.
    """
    return [calibrate(bits, family, theta, delta, tokens) for theta in THETAS for delta in DELTAS]
