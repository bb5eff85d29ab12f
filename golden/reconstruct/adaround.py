"""AdaRound (arXiv 2004.10568): learn whether each weight is rounded down or up.

    W = clamp(floor(W0 / s) + h(v), -2**(b-1), 2**(b-1) - 1) * s        h(v) = clamp(1.2 sigmoid(v) - 0.1, 0, 1)
    regulariser = sum(1 - |2 h(v) - 1|**beta)

Known: v starts where h(v) is the fraction of W0 / s, and h is replaced by ``h >= 1/2`` at the end.
"""

from __future__ import annotations

import torch
from torch import Tensor

from golden.parameters import WeightParameters

STRETCH_LOW, STRETCH_HIGH = -0.1, 1.1


class SoftRounding:
    """The weight of one linear layer while its rounding is learnt.

    Parameters
    ----------
    weight : float32[N, K], the float network's
    calibrated : their steps and their width
    """

    def __init__(self, weight: Tensor, calibrated: WeightParameters) -> None:
        steps = weight.detach() / calibrated.scale[:, None]
        self.scale, self.bits = calibrated.scale, calibrated.bits
        self.floor = steps.floor()
        sigmoid = (steps - self.floor - STRETCH_LOW) / (STRETCH_HIGH - STRETCH_LOW)
        self.variable = sigmoid.logit().requires_grad_()
        """v, float32[N, K], what is learnt"""

    def share(self) -> Tensor:
        """h(v), float32[N, K]: 0 rounds down, 1 up."""
        return (self.variable.sigmoid() * (STRETCH_HIGH - STRETCH_LOW) + STRETCH_LOW).clamp(0, 1)

    def weight(self, share: Tensor) -> Tensor:
        """float32[N, K], with the gradient of ``share``, where the range does not clip it."""
        return self._clamp(self.floor + share) * self.scale[:, None]

    @torch.no_grad()
    def harden(self) -> WeightParameters:
        """Codes rounded down or up."""
        codes = self._clamp(self.floor + (self.share() >= 0.5))
        return WeightParameters(codes=codes.to(torch.int8), scale=self.scale, bits=self.bits)

    def _clamp(self, steps: Tensor) -> Tensor:
        top = 2 ** (self.bits - 1)
        return steps.clamp(-top, top - 1)
