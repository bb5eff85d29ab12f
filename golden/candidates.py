"""Quantisers to try for probabilities and for GELU's output, as a method's parts say.

Of each format only those whose products are proved to fit the accumulators (docs/numerics.md).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from golden.method import MethodConfig
from golden.proof import is_context_admitted, largest_max_shift
from golden.quantizers import codebook, log, tanq, twin, two_scale
from golden.quantizers.base import Quantiser
from golden.quantizers.uniform import UniformQuantiser
from golden.search import asymmetric_candidates, grid
from hwsim.formats import Uniform

SOFTMAX_EXPONENTS = range(10)
SOFTMAX_SPLITS = range(16)
GELU_EXPONENTS = range(8)
PROBABILITY_BITS = 16
SCALES = tuple(i / 10 for i in range(9, 0, -1))
"""Largest probabilities of a uniform code or a logarithm that are tried beside 1."""
LOG_SHIFTS: dict[log.Base, range] = {"two": range(14, -1, -1), "sqrt_two": range(8, -1, -1)}
"""Largest shifts after GELU that are tried: the proof depends on the weights."""


def softmax_candidates(config: MethodConfig, tokens: int) -> list[Quantiser]:
    """Quantisers of probabilities in rows of so many tokens."""
    found = [p for p in _softmax(config, tokens) if is_context_admitted(p.format, tokens)]
    assert found, "every format has a member that the proof admits"
    return found


def _softmax(config: MethodConfig, tokens: int) -> Iterable[Quantiser]:
    bits, searched = config.bits, config.softmax_scale == "search"
    if config.softmax == "uniform":
        plain: Quantiser = UniformQuantiser(format=Uniform(bits=bits, signed=False), scale=torch.tensor(2.0**-bits))
        return [plain, *(codebook.uniform_codebook(bits, largest) for largest in SCALES if searched)]
    if config.softmax == "two_scale":
        exponents = SOFTMAX_EXPONENTS if config.exponent is None else [config.exponent]
        return [two_scale.calibrate_softmax(bits, m) for m in exponents if bits - 1 + m <= PROBABILITY_BITS]
    if config.softmax == "twin":
        splits = SOFTMAX_SPLITS if config.exponent is None else [config.exponent]
        return [twin.calibrate_softmax(bits, split) for split in splits]
    if config.softmax in ("tanq_a", "tanq_c"):
        family: tanq.Family = "A" if config.softmax == "tanq_a" else "C"
        if searched:
            return tanq.candidates(bits, family, tokens)
        return [tanq.calibrate(bits, family, theta, 1.0, tokens) for theta in tanq.THETAS]
    base: log.Base = "two" if config.softmax == "log2" else "sqrt_two"
    plain = log.calibrate_probability(bits, base, largest_max_shift(bits, base, tokens))
    scaled = [codebook.log_codebook(bits, base, delta, tokens) for delta in SCALES if searched]
    return [plain, *scaled]


Families = list[list[Quantiser]]
"""Candidates of which each list follows the factors of the range, ascending."""


def gelu_candidates(config: MethodConfig, smallest: float, largest: float, exponents: Iterable[int]) -> list[Families]:
    """Quantisers of GELU's output, its range given, whatever the weights behind it.

    Parameters
    ----------
    exponents : m of the two-scaled formats to try

    Returns
    -------
    The best choice first: a later one is for weights whose products the earlier ones' might overflow.
    """
    bits, factors = config.bits, grid(config.bits, config.full_grid)
    if config.gelu == "uniform":
        return [[asymmetric_candidates(smallest, largest, bits, factors)]]
    if config.gelu in ("two_scale", "sign_split"):
        make = two_scale.calibrate_gelu if config.gelu == "two_scale" else twin.calibrate_gelu
        made: Families = [[make(largest * f, bits, m) for f in factors.factors()] for m in exponents]
        published = twin.calibrate_gelu_full_negatives if config.gelu == "sign_split" else None
        return [made + ([[published(bits, m)] for m in exponents] if published else [])]
    base: log.Base = "two" if config.gelu == "shift_log2" else "sqrt_two"
    return [
        [[log.calibrate_gelu(largest * f, bits, base, shift) for f in factors.factors()]] for shift in LOG_SHIFTS[base]
    ]
