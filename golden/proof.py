"""The accumulator bound that every network must meet: ``|any partial sum| + |bias| < 2**31`` (docs/numerics.md).

    linear   bound[n] = max( sum_k max(0, max_code(term * w)), sum_k max(0, max_code(-term * w)) )
    A.V      largest row sum of decoded probabilities, times 128

``term = mantissa << shift``. Written apart from the compiler's proof, and never laxer than it.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import torch
from torch import Tensor

from golden.integer_ops import log_ends, log_terms
from golden.parameters import WeightParameters
from golden.quantizers.base import Quantiser
from hwsim.errors import HwsimError
from hwsim.formats import ChannelScaled, Codebook, Format, Logarithmic, RowUniform, TwoScale, Uniform

ACCUMULATOR_LIMIT = 2**31
LARGEST_COLUMN = 128  # magnitude of an int8 code of K or V
LARGEST_SHIFT = 15
"""What ``term_shift_bits`` of every preset holds; a format can say 31."""
TERM_LIMIT = 2**32
"""A term of this size and more is refused whatever it meets, so int64 need not hold its sums."""
PROBABILITY_ONE = 2**16
OUTLIER_LIMIT = 2**15
LIMB = 2**8


def term_range(
    fmt: Format, zero_points: tuple[int, int] | None = None, outlier_reach: int = OUTLIER_LIMIT
) -> tuple[int, int]:
    """Smallest and largest ``mantissa << shift`` that an element of a row operand can add.

    Parameters
    ----------
    zero_points : smallest and largest of a ``RowUniform``'s rows; any codes without it
    outlier_reach : largest magnitude of an outlier of ``RowUniform``, at most 2**15

    Raises
    ------
    HwsimError
        For a residual tensor, which feeds no product.
    """
    if isinstance(fmt, ChannelScaled):
        raise HwsimError("a product's row operand has format channel_scaled, expected any other")
    if isinstance(fmt, RowUniform):
        return _row_range(fmt, zero_points or (fmt.minimum, fmt.maximum), outlier_reach)
    if isinstance(fmt, Uniform):
        return fmt.minimum - fmt.zero_point, fmt.maximum - fmt.zero_point
    if isinstance(fmt, TwoScale):
        low = -(1 << (fmt.payload_bits - 1)) if fmt.small_signed else 0
        return low, ((1 << fmt.payload_bits) - 1) << fmt.exponent
    if isinstance(fmt, Logarithmic):
        return 0, int(log_terms(fmt).max())
    levels = _levels(fmt)
    return levels[0], levels[-1]


def _row_range(fmt: RowUniform, zero_points: tuple[int, int], outlier_reach: int) -> tuple[int, int]:
    """Inliers ``(code - z) << e``; of an outlier ``(high << 8) + low`` either limb may stand alone in a partial sum."""
    low, high = (fmt.minimum - zero_points[1]) << fmt.exponent, (fmt.maximum - zero_points[0]) << fmt.exponent
    if not fmt.outliers:
        return low, high
    high_limb = -(-outlier_reach // LIMB)
    return min(low, -high_limb * LIMB), max(high, LIMB - 1, min(outlier_reach, OUTLIER_LIMIT - 1))


def _levels(fmt: Codebook) -> list[int]:
    return [mantissa << shift for mantissa, shift in zip(fmt.mantissas, fmt.shifts, strict=True)]


def accumulator_bound(
    fmt: Format, weight: Tensor, zero_points: tuple[int, int] | None = None, outlier_reach: int = OUTLIER_LIMIT
) -> Tensor:
    """Largest magnitude of any partial sum of each output, int64[N]; weight : int8[N, K].

    Terms beyond ``TERM_LIMIT`` count as that, which is refused as well. Rows as in ``term_range``.
    """
    low, high = term_range(fmt, zero_points, outlier_reach)
    below, above = min(max(-low, 0), TERM_LIMIT), min(max(high, 0), TERM_LIMIT)
    w = weight.to(torch.int64)
    positive, negative = w.clamp(min=0).sum(1), (-w).clamp_(min=0).sum(1)
    return torch.maximum(above * positive + below * negative, below * positive + above * negative)


def is_admitted(p: Quantiser, weight: WeightParameters, bias: Tensor) -> bool:
    """Whether inputs of this format are proved safe with this weight and bias (float32[N]).

    The integer bias also holds ``offset * sum_k w[n, k]``, what the zero of the terms stands for.
    """
    steps = bias.double() / (p.unit * weight.scale.double())
    shifted = p.offset / p.unit * weight.codes.sum(1, dtype=torch.float64)
    bound = accumulator_bound(p.format, weight.codes) + (steps + shifted).abs().ceil()
    return bool((bound < ACCUMULATOR_LIMIT).all())


def is_context_admitted(fmt: Format, tokens: int) -> bool:
    """Whether ``probabilities @ v`` is proved safe for rows of this many tokens, whatever v's codes are.

    False for a format that no encoder behind softmax has.
    """
    return _holds_probabilities(fmt) and row_sum_bound(fmt, tokens) * LARGEST_COLUMN < ACCUMULATOR_LIMIT


def _holds_probabilities(fmt: Format) -> bool:
    if isinstance(fmt, Uniform):
        return fmt.bits <= 8 and not fmt.signed and fmt.zero_point == 0
    if isinstance(fmt, TwoScale):
        return not fmt.small_signed and fmt.payload_bits + fmt.exponent <= 16
    if isinstance(fmt, Codebook):
        return len(fmt.thresholds) > 0 and fmt.mantissas[0] >= 0
    return isinstance(fmt, Logarithmic)


def row_sum_bound(fmt: Format, tokens: int) -> Fraction:
    """Largest sum of a row of decoded probabilities, which are ``P = 2**16 + T/2`` at most together.

    ======================  ========================================================================
    uniform                 ``P * 2**-(16-b) + T/2``
    two-scale               ``P * 2**-(16-n-m) + T/2 + min(T, 2**m + 1) * 2**(m-1)``
    logarithmic, codebook   ``T * f(P / T)``, f the least concave function above the levels (Jensen)
    ======================  ========================================================================

    No row is above ``T`` times the largest term. The format is one that an encoder behind softmax has.
    """
    total = PROBABILITY_ONE + Fraction(tokens, 2)
    if isinstance(fmt, Logarithmic | Codebook):
        return tokens * _concave_bound(_first_probabilities(fmt), total / tokens)
    largest = tokens * term_range(fmt)[1]
    if isinstance(fmt, Uniform):
        return min(total / (1 << 16 - fmt.bits) + Fraction(tokens, 2), Fraction(largest))
    assert isinstance(fmt, TwoScale)
    n, m = fmt.payload_bits, fmt.exponent
    coarse = min(tokens, (1 << m) + 1) * Fraction(1 << m, 2)
    return min(total / (1 << 16 - n - m) + Fraction(tokens, 2) + coarse, Fraction(largest))


def _first_probabilities(fmt: Logarithmic | Codebook) -> list[tuple[int, int]]:
    """Smallest Q0.16 probability of each code that is emitted, and the code's term; both rise."""
    if isinstance(fmt, Codebook):
        points = zip((0, *fmt.thresholds), _levels(fmt), strict=True)
        return [point for point in points if point[0] <= PROBABILITY_ONE]
    ends = log_ends(fmt)
    values = log_terms(fmt)[: len(ends)]
    return [(0, 0), *reversed(list(zip(ends.tolist(), values.long().tolist(), strict=True)))]


def _concave_bound(points: list[tuple[int, int]], x: Fraction) -> Fraction:
    """Value at ``x`` of the least concave function above points that rise, constant after the last.

    A point goes when the line from the one before it to the next passes over it.
    """
    hull = [(points[0][0], 0)]
    for p, value in points:
        while len(hull) > 1 and (p - hull[-2][0]) * (hull[-1][1] - hull[-2][1]) <= (hull[-1][0] - hull[-2][0]) * (
            value - hull[-2][1]
        ):
            hull.pop()
        hull.append((p, value))
    left = [point for point in hull if point[0] <= x][-1]
    right = next((point for point in hull if point[0] > x), left)
    if right is left:
        return Fraction(left[1])
    return left[1] + Fraction(right[1] - left[1], right[0] - left[0]) * (x - left[0])


def largest_max_shift(bits: int, base: Literal["two", "sqrt_two"], tokens: int, limit: int = LARGEST_SHIFT) -> int:
    """Largest ``max_shift`` of a logarithmic format after softmax that rows of ``tokens`` admit.

    Raises
    ------
    HwsimError
        If none is admitted.
    """
    for shift in range(limit, -1, -1):
        if is_context_admitted(Logarithmic(bits=bits, base=base, max_shift=shift), tokens):
            return shift
    raise HwsimError(f"logarithmic, {bits} bits: no shift is proved safe for rows of {tokens} probabilities")
