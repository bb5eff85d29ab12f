"""Proof that no accumulator and no LayerNorm radicand can overflow, from the actual weights and decode tables.

    linear   bound[n] = max( sum_k max(0, max_code(term * w)), sum_k max(0, max_code(-term * w)) )
    Q.K^T    K * max|q| * max|k|
    A.V      row-sum bound of softmax and encoder, times max|v|
    mean     T * max|code|
    proved:  bound + |bias| < 2**(accumulator_bits - 1);    V <= (D * (max y - min y))**2 / 4 + epsilon < 2**48

``term = mantissa << shift``. The linear bound adds up all positive products apart from all negative ones, so it holds
for every partial sum in any order, and for both sums of the two-accumulator style, whose large one is smaller still by
its shift. Where rows have outliers, each element counts with the larger of what an inlier and an outlier can add, so it
holds for every pattern of outliers: the limbs of an outlier o add no more of one sign than o itself, rounded away from
zero to a high limb where o is negative. With scales of rows ``|acc * m_t| <= |acc| * 2**15``, so 41 bits hold the sum
with its eight guard bits, and 57 the product with M. The row sum is derived in ``docs/numerics.md``, and V by
Popoviciu's inequality on variances.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import isqrt

import numpy as np

from hwsim.compiler.lower import Pass, gemm_of
from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError
from hwsim.formats import ChannelScaled, Codebook, Format, Logarithmic, RowUniform, TwoScale, Uniform
from hwsim.network import AttentionScores, AttentionValues, LayerNorm, Linear, Network, TokenMean

RADICAND_BITS = 48
PROBABILITY_ONE = 1 << 16
OUTLIER_LIMIT = 1 << 15
LIMB_SHIFT = 8
LIMB = 1 << LIMB_SHIFT


def accumulator_bounds(network: Network, passes: list[Pass], config: AcceleratorConfig) -> dict[str, int]:
    """Proved largest magnitude of each product's accumulators, bias included, by layer name.

    Raises
    ------
    HwsimError
        For a layer whose accumulators or radicand could overflow.
    """
    bounds: dict[str, int] = {}
    for one in passes:
        layer = one.main
        if isinstance(layer, LayerNorm):
            _prove_radicand(network, layer)
        elif isinstance(layer, Linear):
            bounds[layer.name] = linear_bound(network, layer)
        elif isinstance(layer, AttentionScores):
            bounds[layer.name] = scores_bound(network, layer)
        elif isinstance(layer, AttentionValues):
            bounds[layer.name] = values_bound(network, layer)
        elif isinstance(layer, TokenMean):
            bounds[layer.name] = network.tensor(layer.input).shape[0] * largest_term(network.tensor(layer.input).format)
    limit = config.accumulator_bits - 1
    for name, bound in bounds.items():
        if bound >= 1 << limit:
            raise HwsimError(
                f"network {network.name}: layer {name}: accumulators can reach {bound}, expected below 2**{limit}"
                f" = {1 << limit}"
            )
    return bounds


def linear_bound(network: Network, layer: Linear) -> int:
    """Largest over the columns of ``bound[n] + |bias[n]|``."""
    low, high = linear_terms(network, layer.input)
    weight = network.arrays[f"{layer.name}.weight"].astype(np.int64)
    positive_weight, negative_weight = np.maximum(weight, 0).sum(1), np.maximum(-weight, 0).sum(1)
    bias = np.abs(network.arrays[f"{layer.name}.bias"].astype(np.int64))
    most = max(high, 0) * positive_weight + max(-low, 0) * negative_weight
    least = max(-low, 0) * positive_weight + max(high, 0) * negative_weight
    return int((np.maximum(most, least) + bias).max())


def linear_terms(network: Network, tensor: str) -> tuple[int, int]:
    """Most negative and most positive part of what one element can add, in units of a weight."""
    fmt = network.tensor(tensor).format
    if not isinstance(fmt, RowUniform):
        return term_range(fmt)
    low, high = row_mantissas(network, tensor, fmt)
    low, high = low << fmt.exponent, high << fmt.exponent
    maker = network.maker(tensor)
    if fmt.outliers and isinstance(maker, LayerNorm) and maker.encode_shift is not None:
        largest = int(network.row_arrays(tensor).encode_multipliers.max()) << 15
        reach = min(OUTLIER_LIMIT, (largest >> (maker.encode_shift - fmt.exponent)) + 1)
        low, high = min(low, (-reach // LIMB) * LIMB), max(high, LIMB - 1, min(reach, OUTLIER_LIMIT - 1))
    return low, high


def row_mantissas(network: Network, tensor: str, fmt: RowUniform) -> tuple[int, int]:
    """Smallest and largest ``code - zero point`` of any row."""
    zero_points = network.row_arrays(tensor).zero_points
    return fmt.minimum - int(zero_points.max()), fmt.maximum - int(zero_points.min())


def operand_range(network: Network, tensor: str) -> tuple[int, int, list[int]]:
    """Smallest and largest mantissa of a row operand, and every shift of one that is not zero."""
    fmt = network.tensor(tensor).format
    if not isinstance(fmt, RowUniform):
        assert not isinstance(fmt, ChannelScaled), "the network check lets no residual tensor feed the array"
        mantissa, shift = fmt.terms()
        return int(mantissa.min()), int(mantissa.max()), np.unique(shift[mantissa != 0]).tolist()
    low, high = row_mantissas(network, tensor, fmt)
    if not fmt.outliers:
        return low, high, [fmt.exponent]
    return min(low, -(LIMB // 2)), max(high, LIMB - 1), sorted({0, fmt.exponent, LIMB_SHIFT})


def scores_bound(network: Network, layer: AttentionScores) -> int:
    """``K * max|q| * max|k|``; q and k share the format of the qkv tensor."""
    return gemm_of(network, layer).depth * largest_term(network.tensor(layer.input).format) ** 2


def values_bound(network: Network, layer: AttentionValues) -> int:
    """Row-sum bound of the probabilities times ``max|v|``."""
    tokens = network.tensor(layer.probabilities).shape[-1]
    row_sum = row_sum_bound(network.tensor(layer.probabilities).format, tokens)
    return row_sum * largest_term(network.tensor(layer.values).format)


def row_sum_bound(fmt: Format, tokens: int) -> int:
    """Largest sum of a row of decoded probabilities, in units of the fine step.

    For levels of any kind: no code is above a concave function f of its probability, so a row of T with the sum P
    has at most ``T f(P / T)`` (Jensen).
    """
    probabilities = PROBABILITY_ONE + Fraction(tokens, 2)  # each of them rounds up by at most half a unit
    every_code = tokens * largest_term(fmt)
    if isinstance(fmt, TwoScale):
        n, m = fmt.payload_bits, fmt.exponent
        fine = probabilities / 2 ** (16 - n - m) + Fraction(tokens, 2)
        coarse = min(tokens, 2**m + 1) * Fraction(2**m, 2)
        return min(every_code, int(fine + coarse))
    if isinstance(fmt, Logarithmic | Codebook):
        return int(tokens * _concave_majorant(_level_starts(fmt), probabilities / tokens))
    assert isinstance(fmt, Uniform), "the network check lets no residual tensor be a probability"
    return min(every_code, int(probabilities / 2 ** (16 - fmt.bits) + Fraction(tokens, 2)))


def _level_starts(fmt: Logarithmic | Codebook) -> list[tuple[int, int]]:
    """Smallest p of each code that the encoder emits, and the code's term; both rise."""
    mantissa, shift = fmt.terms()
    terms = (mantissa.astype(np.int64) << shift).tolist()
    if isinstance(fmt, Codebook):
        starts = [(start, term) for start, term in zip((0, *fmt.thresholds), terms, strict=True)]
        return [one for one in starts if one[0] <= PROBABILITY_ONE]
    # p / 2**16 >= base**-(q + 1/2), to the power that makes it rational; a power of 2 with an odd exponent has no root
    power = 4 if fmt.base == "sqrt_two" else 2
    starts = [(0, 0)]
    for code in range(fmt.largest_code, -1, -1):
        exponent = 16 * power - 1 - 2 * code
        root = isqrt(1 << exponent) if exponent > 0 else 0
        starts.append(((isqrt(root) if power == 4 else root) + 1, terms[code]))
    return starts


def _concave_majorant(points: list[tuple[int, int]], x: Fraction) -> Fraction:
    """Value at ``x`` of the smallest concave function that is nowhere below the points; constant after the last."""
    hull: list[tuple[int, int]] = []
    for p, value in sorted(points):
        while hull and hull[-1][0] == p:
            hull.pop()
        while len(hull) > 1 and _turns_up(hull[-2], hull[-1], (p, value)):
            hull.pop()
        hull.append((p, value))
    for (p0, value0), (p1, value1) in pairwise(hull):
        if x <= p1:
            return value0 + (value1 - value0) * (x - p0) / (p1 - p0)
    return Fraction(hull[-1][1])


def _turns_up(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> bool:
    """Whether ``b`` lies on or below the line from ``a`` to ``c``."""
    return (b[1] - a[1]) * (c[0] - a[0]) <= (c[1] - a[1]) * (b[0] - a[0])


def term_range(fmt: Format) -> tuple[int, int]:
    """Smallest and largest ``mantissa << shift`` of a row operand's codes."""
    assert not isinstance(fmt, ChannelScaled | RowUniform), "the network check lets neither be a probability or q"
    mantissa, shift = fmt.terms()
    terms = mantissa.astype(np.int64) << shift
    return int(terms.min()), int(terms.max())


def largest_term(fmt: Format) -> int:
    """Largest ``|mantissa << shift|``."""
    low, high = term_range(fmt)
    return max(-low, high)


def _prove_radicand(network: Network, layer: LayerNorm) -> None:
    spec = network.tensor(layer.input)
    assert isinstance(spec.format, ChannelScaled | Uniform)
    spread = (spec.format.maximum - spec.format.minimum) << int(network.shifts(layer.input).max())
    bound = (spec.shape[1] * spread) ** 2 // 4 + layer.epsilon
    if bound >= 1 << RADICAND_BITS:
        raise HwsimError(
            f"network {network.name}: layer {layer.name}: the radicand can reach {bound} with epsilon {layer.epsilon},"
            f" expected below 2**{RADICAND_BITS} = {1 << RADICAND_BITS}"
        )
