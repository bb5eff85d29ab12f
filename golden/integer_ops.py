"""Integer operators on int64 tensors, word for word as docs/numerics.md has them.

    round_shift(x, s) = (x + half) >> s        half = 2**(s-1), or 0 when s = 0

Products are carried by float64 matmul, exact because every partial sum is asserted to stay below 2**53.
Nothing here is shared with ``hwsim.units``: only the network's data are.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hwsim.formats import Codebook, Logarithmic, RowUniform, TwoScale, Uniform

CodeFormat = Uniform | TwoScale | Logarithmic | Codebook

EXACT_LIMIT = 2**53
ACCUMULATOR_LIMIT = 2**31
PROBABILITY_BITS = 16
NORM_FRACTION_BITS = 10
ROW_FRACTION_BITS = 15
GUARD_BITS = 8


def round_shift(x: Tensor, shift: Tensor | int) -> Tensor:
    """Divide by ``2**shift`` to nearest, ties towards plus infinity."""
    s = torch.as_tensor(shift, dtype=torch.int64)
    half = (torch.ones_like(s) << s) >> 1
    return (x + half).bitwise_right_shift_(s)


def terms(codes: Tensor, fmt: CodeFormat) -> Tensor:
    """``mantissa << shift`` of each code, float64 that holds integers."""
    if isinstance(fmt, Uniform):
        return (codes - fmt.zero_point).double()
    return _term_table(fmt).to(codes.device)[codes]


def _term_table(fmt: TwoScale | Logarithmic | Codebook) -> Tensor:
    """Term of each code, float64[2**bits]; on the CPU, whose powers of two are exact, wherever it is read."""
    if isinstance(fmt, Logarithmic):
        return log_terms(fmt)
    if isinstance(fmt, Codebook):
        return torch.ldexp(torch.tensor(fmt.mantissas).double(), torch.tensor(fmt.shifts))
    table = fmt.terms()
    values = table.mantissa.astype("int64") << table.shift.astype("int64")
    return torch.from_numpy(values.astype("float64"))


def log_terms(fmt: Logarithmic) -> Tensor:
    """Value of each logarithmic code, float64[2**bits]: 0 for the top code and where an integer cannot hold it."""
    q = torch.arange(1 << fmt.bits)
    if fmt.base == "two":
        values = torch.ldexp(torch.ones(len(q), dtype=torch.float64), fmt.max_shift - q)
        smallest = 1
    else:
        # two codes an octave: 128 and, one shift lower, 181 in place of 128 * sqrt(2)
        steps = (q + 1) // 2
        values = torch.ldexp(torch.where(q % 2 == 1, 181.0, 128.0).double(), fmt.max_shift - steps)
        smallest = 128
    values[values < smallest] = 0
    values[-1] = 0
    return values


def product(a: Tensor, b: Tensor) -> Tensor:
    """``a @ b.T`` over the last two axes as int64; a, b : float64 that hold integers."""
    bound = _magnitude(a) * _magnitude(b) * a.shape[-1]
    assert bound < EXACT_LIMIT, f"partial sums could reach {bound:.0f}, float64 is exact below 2**53"
    acc = a @ b.transpose(-1, -2)
    assert _magnitude(acc) < ACCUMULATOR_LIMIT, "an accumulator left 32 bits"
    return acc.to(torch.int64)


def _magnitude(x: Tensor) -> float:
    """Largest magnitude, without a copy of ``x``."""
    low, high = torch.aminmax(x)
    return max(-float(low), float(high))


def requantise(acc: Tensor, mult: Tensor, shift: Tensor, out: Uniform) -> Tensor:
    """``clamp(round_shift(acc * M, s) + z, lo, hi)``; ``acc`` holds the bias already."""
    assert _magnitude(acc) < ACCUMULATOR_LIMIT, "accumulator plus bias left 32 bits"
    return round_shift(acc * mult, shift).add_(out.zero_point).clamp_(out.minimum, out.maximum)


def requantise_rows(
    acc: Tensor, row_multipliers: Tensor, bias: Tensor, mult: Tensor, shift: Tensor, out: Uniform
) -> Tensor:
    """The same for rows of their own scales; acc : int64[..., T, N] without bias, row_multipliers : int64[T]."""
    assert _magnitude(acc) + _magnitude(bias) < ACCUMULATOR_LIMIT, "accumulator plus bias left 32 bits"
    scaled = round_shift(acc * row_multipliers[:, None], ROW_FRACTION_BITS - GUARD_BITS) + (bias << GUARD_BITS)
    return round_shift(scaled * mult, shift).add_(out.zero_point).clamp_(out.minimum, out.maximum)


def encode_rows(
    v: Tensor, multipliers: Tensor, zero_points: Tensor, shift: int, threshold: int | None, fmt: RowUniform
) -> tuple[Tensor, Tensor]:
    """Codes of LayerNorm's 16-bit rows, and the outliers beside them, 0 where there is none.

    v : int64[..., T, D], multipliers, zero_points : int64[T]
    """
    scaled, zero = v * multipliers[:, None], zero_points[:, None]
    codes = (round_shift(scaled, shift) + zero).clamp_(fmt.minimum, fmt.maximum)
    if threshold is None:
        return codes, torch.zeros_like(codes)
    inlier = v.abs() <= threshold
    wide = round_shift(scaled, shift - fmt.exponent).clamp_(-(2**15), 2**15 - 1)
    return torch.where(inlier, codes, zero), torch.where(inlier, 0, wide)


def row_terms(codes: Tensor, outliers: Tensor, zero_points: Tensor, fmt: RowUniform) -> Tensor:
    """What the array multiplies, float64 that holds integers: an inlier on the finer grid, or an outlier."""
    return (((codes - zero_points[:, None]) << fmt.exponent) + outliers).double()


def softmax_q16(scores: Tensor, exp2_table: Tensor) -> Tensor:
    """Base-2 softmax of the last axis: scores in units of 2**-8 to Q0.16 probabilities, 0 .. 65536.

    scores : int64[..., T], exp2_table : int64[256]
    """
    d = scores.amax(-1, keepdim=True) - scores
    whole = d >> 8
    e = round_shift(exp2_table[d & 255], whole.clamp(max=18))
    e = torch.where(whole > 17, 0, e)
    total = e.sum(-1, keepdim=True)
    return round_shift(e * reciprocal(total), bit_length(total) - 1)


def reciprocal(divisor: Tensor) -> Tensor:
    """``floor(2**(z + 15) / divisor)``, z the bit length of the divisor."""
    z = bit_length(divisor)
    return (torch.ones_like(z) << (z + 15)) // divisor


def encode_probability(p: Tensor, fmt: CodeFormat) -> Tensor:
    """Codes of Q0.16 probabilities, each payload rounded from ``p`` itself."""
    if isinstance(fmt, Logarithmic):
        ends = log_ends(fmt).to(p.device)
        q = len(ends) - torch.bucketize(p, ends.flip(0), right=True)
        return torch.where(q == len(ends), (1 << fmt.bits) - 1, q)
    if isinstance(fmt, Codebook):
        return torch.bucketize(p, torch.tensor(fmt.thresholds, device=p.device), right=True)
    if isinstance(fmt, Uniform):
        return round_shift(p, PROBABILITY_BITS - fmt.bits).clamp_(max=(1 << fmt.bits) - 1)
    n = fmt.payload_bits
    fine = round_shift(p, PROBABILITY_BITS - n - fmt.exponent)
    coarse = round_shift(p, PROBABILITY_BITS - n).clamp_(max=(1 << n) - 1)
    return torch.where(fine < (1 << n), fine, coarse + (1 << n))


def log_ends(fmt: Logarithmic) -> Tensor:
    """Smallest probability of each code that has a value, int64, falling: ``ceil(2**16 * base**-(q + 1/2))``."""
    ends = []
    for q in range(int((log_terms(fmt) > 0).sum())):
        if fmt.base == "two":
            square = 2**31 >> 2 * q
            ends.append(math.isqrt(square) + 1)
        else:
            fourth_power = 2**63 >> 2 * q
            ends.append(math.isqrt(math.isqrt(fourth_power)) + 1)
    return torch.tensor(ends)


def bit_length(x: Tensor) -> Tensor:
    """Number of bits of positive integers below 2**52."""
    return torch.frexp(x.double()).exponent.to(torch.int64)


def isqrt(v: Tensor) -> Tensor:
    """Floor of the square root of integers below 2**52, exact."""
    root = v.double().sqrt().floor().to(torch.int64)
    root -= (root * root > v).to(torch.int64)
    root += ((root + 1) * (root + 1) <= v).to(torch.int64)
    return root


def layernorm(y: Tensor, epsilon: int, gamma: Tensor, beta: Tensor, shift: int, out: Uniform) -> Tensor:
    """LayerNorm of rows on one integer grid; y : int64[..., D], gamma, beta : int64[D]."""
    return layernorm_unclamped(y, epsilon, gamma, beta, shift).clamp_(out.minimum, out.maximum)


def layernorm_unclamped(y: Tensor, epsilon: int, gamma: Tensor, beta: Tensor, shift: int) -> Tensor:
    """The same before it is clamped to the codes of a format."""
    width = y.shape[-1]
    s1 = y.sum(-1, keepdim=True)
    sd = isqrt(radicand(y, epsilon))
    downscale = bit_length(sd) + 15 - NORM_FRACTION_BITS
    n = round_shift((width * y - s1) * reciprocal(sd), downscale).clamp_(-(2**15), 2**15 - 1)
    return round_shift(n * gamma + beta, shift)


def radicand(y: Tensor, epsilon: int) -> Tensor:
    """``V = max(1, D * S2 - S1**2 + epsilon)`` of each row, int64[..., 1]."""
    s1 = y.sum(-1, keepdim=True)
    v = (y.shape[-1] * (y * y).sum(-1, keepdim=True) - s1 * s1 + epsilon).clamp_(min=1)
    assert int(v.max()) < 2**48, "LayerNorm's V left 48 bits"
    return v
