"""The accumulator bound that every network must meet: ``|any partial sum| + |bias| < 2**31`` (docs/numerics.md).

bound[n] = max( sum_k max(0, max_code(term * w)), sum_k max(0, max_code(-term * w)) ),  term = mantissa << shift
"""

from __future__ import annotations

import torch
from torch import Tensor

from golden.parameters import WeightParameters
from golden.quantizers.two_scale import TwoScaleQuantiser
from hwsim.formats import TwoScale, Uniform

ACCUMULATOR_LIMIT = 2**31
LARGEST_COLUMN = 128  # magnitude of an int8 code of K or V


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


def is_context_admitted(fmt: TwoScale, tokens: int) -> bool:
    """Whether ``probabilities @ v`` is proved safe for rows of this many tokens, whatever v's codes are.

    The decoded row sums to at most ``P * 2**-(16-n-m) + T/2 + min(T, 2**m + 1) * 2**(m-1)`` with ``P = 2**16 + T/2``.
    """
    n, m, t = fmt.payload_bits, fmt.exponent, tokens
    row_sum = (2**16 + t / 2) / 2 ** (16 - n - m) + t / 2 + min(t, 2**m + 1) * 2**m / 2
    return min(row_sum, t * term_range(fmt)[1]) * LARGEST_COLUMN < ACCUMULATOR_LIMIT


def is_admitted(p: TwoScaleQuantiser, weight: WeightParameters, bias: Tensor) -> bool:
    """Whether inputs of this format are proved safe with this weight and bias (float32[N])."""
    steps = (bias.double() / (p.fine_step * weight.scale.double())).abs().ceil()
    return bool((accumulator_bound(p.format, weight.codes) + steps < ACCUMULATOR_LIMIT).all())
