"""The accumulator bound that every network must meet: ``|any partial sum| + |bias| < 2**31`` (docs/numerics.md).

    bound[n] = max( sum_k max(0, max_code(term * w)), sum_k max(0, max_code(-term * w)) ),  term = mantissa << shift
"""

from __future__ import annotations

import torch
from torch import Tensor

from golden.parameters import WeightParameters
from golden.quantizers.tsptq import TwoScaleParameters
from hwsim.formats import TwoScale, Uniform

ACCUMULATOR_LIMIT = 2**31


def term_range(fmt: Uniform | TwoScale) -> tuple[int, int]:
    """Smallest and largest ``mantissa << shift`` of a row operand."""
    if isinstance(fmt, Uniform):
        return fmt.minimum - fmt.zero_point, fmt.maximum - fmt.zero_point
    low = -(1 << (fmt.payload_bits - 1)) if fmt.small_signed else 0
    return low, ((1 << fmt.payload_bits) - 1) << fmt.exponent


def accumulator_bound(fmt: Uniform | TwoScale, weight: Tensor) -> Tensor:
    """Largest magnitude of any partial sum of each output, int64[N]; weight : int8[N, K]."""
    low, high = term_range(fmt)
    w = weight.to(torch.int64)
    positive = torch.maximum(w * low, w * high).clamp_(min=0).sum(1)
    negative = torch.maximum(-w * low, -w * high).clamp_(min=0).sum(1)
    return torch.maximum(positive, negative)


def is_admitted(p: TwoScaleParameters, weight: WeightParameters, bias: Tensor) -> bool:
    """Whether inputs of this format are proved safe with this weight and bias (float32[N])."""
    steps = (bias.double() / (p.fine_step * weight.scale.double())).abs().ceil()
    return bool((accumulator_bound(p.format, weight.codes) + steps < ACCUMULATOR_LIMIT).all())
