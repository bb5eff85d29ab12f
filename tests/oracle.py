"""The third opinion: each equation of ``docs/numerics.md`` in Python ints and ``Fraction``, slow and obvious.

No numpy arithmetic, no shift tricks: a division is a ``Fraction``, a rounding is ``floor(x + 1/2)``. Arguments may
be numpy integers or nested sequences of them; results are Python ints and lists. The units, the RTL benches
and golden are tested against this file; none of them may import it outside of tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor, prod

from hwsim.formats import ChannelScaled, Codebook, Format, Logarithmic, RowUniform, TwoScale, Uniform

Ints = Sequence[int]
Term = tuple[int, int]
"""Mantissa and shift of a decoded code."""

HALF = Fraction(1, 2)


def round_fraction(x: Fraction) -> int:
    """Round to nearest, ties towards plus infinity."""
    return floor(x + HALF)


def round_shift(x: int, shift: int) -> int:
    """``x / 2**shift`` to nearest, ties towards plus infinity."""
    return round_fraction(Fraction(int(x), 2 ** int(shift)))


def clamp(x: int, lo: int, hi: int) -> int:
    """Nearest value to ``x`` in ``lo..hi``."""
    return sorted([int(lo), int(x), int(hi)])[1]


# Formats


def decode(code: int, fmt: Format, channel_shift: int = 0) -> Term:
    """Mantissa and shift of one code; in a channel-scaled format the shift is the channel's."""
    code = int(code)
    if isinstance(fmt, Uniform):
        lo, hi = code_range(fmt)
        assert lo <= code <= hi
        return code - fmt.zero_point, 0
    if isinstance(fmt, TwoScale):
        assert 0 <= code < 2**fmt.bits
        payload_count = 2 ** (fmt.bits - 1)
        if code >= payload_count:
            return code - payload_count, fmt.exponent
        negative = fmt.small_signed and code >= payload_count // 2
        return (code - payload_count if negative else code), 0
    if isinstance(fmt, Logarithmic):
        return _decode_log(code, fmt)
    if isinstance(fmt, Codebook):
        return fmt.mantissas[code], fmt.shifts[code]
    assert isinstance(fmt, ChannelScaled)
    assert -(2 ** (fmt.bits - 1)) <= code < 2 ** (fmt.bits - 1)
    return code, int(channel_shift)


def _decode_log(code: int, fmt: Logarithmic) -> Term:
    """``2**-code``, or ``sqrt(2)**-code`` with 181 / 128 for sqrt(2), where code 0 has the shift ``max_shift``."""
    assert 0 <= code < 2**fmt.bits
    if code == 2**fmt.bits - 1:
        return 0, 0
    if fmt.base == "two":
        mantissa, shift = 1, fmt.max_shift - code
    elif code % 2 == 0:
        mantissa, shift = 128, fmt.max_shift - code // 2
    else:
        mantissa, shift = 181, fmt.max_shift - (code + 1) // 2
    return (mantissa, shift) if shift >= 0 else (0, 0)


def term_value(term: Term) -> int:
    """``mantissa * 2**shift``."""
    mantissa, shift = term
    return mantissa * 2**shift


def code_range(fmt: Uniform | RowUniform | ChannelScaled) -> tuple[int, int]:
    """Smallest and largest code."""
    count = 2**fmt.bits
    if isinstance(fmt, Uniform | RowUniform) and not fmt.signed:
        return 0, count - 1
    return -(count // 2), count // 2 - 1


def encode_probability(p: int, fmt: Format) -> int:
    """Q0.16 probability (0..65536) to a code."""
    if isinstance(fmt, Logarithmic):
        return encode_log(Fraction(int(p), 2**16), fmt)
    if isinstance(fmt, Codebook):
        return sum(1 for threshold in fmt.thresholds if threshold <= p)
    if isinstance(fmt, Uniform):
        return min(round_shift(p, 16 - fmt.bits), 2**fmt.bits - 1)
    assert isinstance(fmt, TwoScale)
    n, m = fmt.bits - 1, fmt.exponent
    u = round_shift(p, 16 - n - m)
    if u < 2**n:
        return u
    return 2**n + min(round_shift(p, 16 - n), 2**n - 1)


def encode_log(x: Fraction, fmt: Logarithmic) -> int:
    """First code q with ``x >= base**-(q + 1/2)``, the nearest one in the log domain, for x over the largest value."""
    zero = 2**fmt.bits - 1
    for code in range(zero):
        # base**-(q + 1/2) to the power that makes it rational: the second, or the fourth for sqrt(2)
        power = 2 if fmt.base == "two" else 4
        if x > 0 and x**power >= Fraction(1, 2 ** (2 * code + 1)):
            return code if _decode_log(code, fmt) != (0, 0) else zero
    return zero


def encode_uniform(x: Fraction, step: Fraction, zero_point: int, lo: int, hi: int) -> int:
    """Real value to a uniform code: ``clamp(floor(x / step + 1/2) + zero_point, lo, hi)``."""
    return clamp(round_fraction(Fraction(x) / Fraction(step)) + int(zero_point), lo, hi)


def quantile(values: Sequence[Fraction], p: Fraction) -> Fraction:
    """Value below which the share ``p`` lies, between two elements by linear interpolation."""
    ordered = sorted(Fraction(value) for value in values)
    rank = Fraction(p) * (len(ordered) - 1)
    below = floor(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (rank - below)


def encode_two_scale_signed(x: Fraction, fine_step: Fraction, fmt: TwoScale) -> int:
    """Real value to a two-scale code with a signed fine region (the GELU table's entries)."""
    n = fmt.bits - 1
    u = round_fraction(Fraction(x) / Fraction(fine_step))
    if u <= 2 ** (n - 1) - 1:
        return max(u, -(2 ** (n - 1))) % 2**n
    coarse = round_fraction(Fraction(x) / (Fraction(fine_step) * 2**fmt.exponent))
    return 2**n + clamp(coarse, 0, 2**n - 1)


def twin_softmax(x: Fraction, bits: int, split: int) -> Fraction:
    """Value of a probability under PTQ4ViT's twin uniform: the fine step below ``2**-split``, else the coarse one.

    Where the coarse step would round to zero, the end of the fine region.
    """
    top, end = 2 ** (bits - 1) - 1, Fraction(1, 2**split)
    if x < end:
        return round_fraction(x * top / end) * end / top
    return Fraction(round_fraction(x * top), top) or end


def twin_gelu(x: Fraction, fine_step: Fraction, bits: int, exponent: int) -> Fraction:
    """Value under PTQ4ViT's twin uniform after GELU: negatives on the fine step, positives ``2**exponent`` times it."""
    step = fine_step if x < 0 else fine_step * 2**exponent
    half = 2 ** (bits - 1)
    return clamp(round_fraction(x / step), -half, half - 1) * step


def nearest_entry_error(value: Fraction, magnitude_bits: int) -> Fraction:
    """Distance from a value to the nearest ``mantissa << shift`` with a mantissa of so many bits and a sign."""
    error, shift = abs(value), 0
    while 2**shift <= 2 * abs(value) + 1:
        mantissa = clamp(round_fraction(value / 2**shift), 1 - 2**magnitude_bits, 2**magnitude_bits - 1)
        error = min(error, abs(value - mantissa * 2**shift))
        shift += 1
    return error


# Matrix product and what follows it


def gemm(rows: Sequence[Sequence[Term]], columns: Sequence[Ints]) -> list[list[int]]:
    """``acc[t][n] = sum_k (mantissa(a[t][k]) * w[n][k]) << shift(a[t][k])``.

    rows : decoded terms [T][K]
    columns : int8 [N][K]
    """
    return [[_dot(row, column) for column in columns] for row in rows]


def _dot(row: Sequence[Term], column: Ints) -> int:
    assert len(row) == len(column)
    return sum(term_value(term) * int(weight) for term, weight in zip(row, column, strict=True))


def requantize(acc: int, bias: int, mult: int, shift: int, zero_point: int, lo: int, hi: int) -> int:
    """``clamp(round_shift((acc + bias) * mult, shift) + zero_point, lo, hi)``."""
    total = int(acc) + int(bias)
    return clamp(round_shift(total * int(mult), shift) + int(zero_point), lo, hi)


def requantize_row(
    acc: int, bias: int, mult: int, shift: int, row_multiplier: int, zero_point: int, lo: int, hi: int
) -> int:
    """Requantise with a row scale: acc and bias meet on a grid with eight more bits."""
    scaled = round_shift(int(acc) * int(row_multiplier), 7) + int(bias) * 2**8
    return clamp(round_shift(scaled * int(mult), shift) + int(zero_point), lo, hi)


def lookup(y: int, lo: int, table: Ints) -> int:
    """``table[y - lo]``."""
    index = int(y) - int(lo)
    assert 0 <= index < len(table)
    return int(table[index])


# Softmax


def exp2_entry(i: int) -> int:
    """``floor(2**(16 - i/256) + 1/2)``, exactly: the largest E with ``(E - 1/2)**256 <= 2**(4096 - i)``."""
    lo, hi = 0, 2**17
    while hi - lo > 1:
        middle = (lo + hi) // 2
        if (2 * middle - 1) ** 256 <= 2 ** (4096 + 256 - i):
            lo = middle
        else:
            hi = middle
    return lo


def exp2_table() -> list[int]:
    """Every entry of ``E``, 256 of them."""
    return [exp2_entry(i) for i in range(256)]


def softmax_row(scores: Ints, table: Ints) -> list[int]:
    """Probabilities Q0.16 of one row of scores (16 bits, unit 2**-8, log2 domain)."""
    top = max(int(score) for score in scores)
    exps = []
    for score in scores:
        d = top - int(score)
        whole, part = divmod(d, 256)
        exps.append(0 if whole > 17 else round_shift(int(table[part]), whole))
    total = sum(exps)
    r = reciprocal(total)
    return [round_shift(e * r, total.bit_length() - 1) for e in exps]


def reciprocal(s: int) -> int:
    """``floor(2**(z + 15) / s)`` with ``z`` the bit length of ``s``."""
    s = int(s)
    return floor(Fraction(2 ** (s.bit_length() + 15), s))


# LayerNorm


def isqrt(v: int) -> int:
    """Largest r with ``r * r <= v``."""
    lo, hi = 0, int(v) + 1
    while hi - lo > 1:
        middle = (lo + hi) // 2
        if middle * middle <= v:
            lo = middle
        else:
            hi = middle
    return lo


def layernorm_normalise(values: Ints, epsilon: int) -> list[int]:
    """``n_c`` of one row of decoded residual values: normalised, 10 fraction bits, 16 bits."""
    d = len(values)
    s1 = sum(values)
    s2 = sum(y * y for y in values)
    sd = isqrt(max(1, d * s2 - s1 * s1 + int(epsilon)))
    z = sd.bit_length()
    r = reciprocal(sd)
    return [clamp(round_shift((d * y - s1) * r, z + 5), -(2**15), 2**15 - 1) for y in values]


def layernorm_row(
    codes: Ints,
    channel_shifts: Ints,
    fmt: ChannelScaled,
    gamma: Ints,
    beta: Ints,
    shift: int,
    epsilon: int,
    lo: int,
    hi: int,
) -> list[int]:
    """One row of residual codes to one row of output codes."""
    values = [term_value(decode(code, fmt, s)) for code, s in zip(codes, channel_shifts, strict=True)]
    return layernorm_values(values, gamma, beta, shift, epsilon, lo, hi)


def layernorm_values(values: Ints, gamma: Ints, beta: Ints, shift: int, epsilon: int, lo: int, hi: int) -> list[int]:
    """One row of decoded residual values to one row of output codes."""
    normal = layernorm_normalise(values, epsilon)
    return [clamp(round_shift(n * int(g) + int(b), shift), lo, hi) for n, g, b in zip(normal, gamma, beta, strict=True)]


def encode_row(
    v: int, multiplier: int, zero_point: int, shift: int, exponent: int, threshold: int | None, lo: int, hi: int
) -> tuple[int, int, int, bool]:
    """LayerNorm's value of 16 bits to its code, the two limbs of an outlier, and whether it is one."""
    scaled = int(v) * int(multiplier)
    if threshold is None or abs(int(v)) <= threshold:
        return clamp(round_shift(scaled, shift) + int(zero_point), lo, hi), 0, 0, False
    high, low = divmod(clamp(round_shift(scaled, int(shift) - int(exponent)), -(2**15), 2**15 - 1), 256)
    return int(zero_point), high, low, True


def row_terms(code: int, high: int, low: int, zero_point: int, exponent: int) -> list[Term]:
    """What a code and the limbs beside it stand for: an inlier, or two terms of an outlier."""
    return [(int(code) - int(zero_point), exponent), (high, 8), (low, 0)]


# Residual adder


def rescale_skip(code: int, channel_shift: int, mult: int, shift: int) -> int:
    """Old residual code on the guarded grid of the new tensor: ``round_shift((q << sh_c) * M, s)``."""
    return round_shift(int(code) * 2 ** int(channel_shift) * int(mult), shift)


def residual_add(stream: int, branch: int, guard_bits: int, channel_shift: int, lo: int, hi: int) -> int:
    """Add and encode; ``stream`` is the rescaled skip or the embedding's constant."""
    y = clamp(int(stream) + int(branch), -(2**15), 2**15 - 1)
    return clamp(round_shift(y, int(guard_bits) + int(channel_shift)), lo, hi)


# Input


def im2col(image: Sequence[Sequence[Ints]], patch: int, zero_row: int | None) -> list[list[int]]:
    """Patches of an image as rows, columns ordered channel, y, x.

    image : uint8 [H][W][C]
    zero_row : zero point that fills row 0 for the class token, or None without one
    """
    height, width, channels = len(image), len(image[0]), len(image[0][0])
    rows = []
    if zero_row is not None:
        rows.append([int(zero_row)] * prod([channels, patch, patch]))
    corners = [(top, left) for top in range(0, height, patch) for left in range(0, width, patch)]
    pixels = [(channel, y, x) for channel in range(channels) for y in range(patch) for x in range(patch)]
    rows += [[int(image[top + y][left + x][channel]) for channel, y, x in pixels] for top, left in corners]
    return rows
