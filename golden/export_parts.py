"""Pieces of the integer network, each from its equation in docs/numerics.md, with a check that it fits its width."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from golden.proof import ACCUMULATOR_LIMIT, accumulator_bound
from golden.quantizers.base import Quantiser
from golden.quantizers.uniform import UniformQuantiser
from golden.vit import Affine
from hwsim.errors import HwsimError
from hwsim.formats import Format

MULTIPLIER_BITS = 15  # of a normalised int16 multiplier, the sign left out
LARGEST_SHIFT = 47
NORM_FRACTION_BITS = 10
LARGEST_NORM_SHIFT = 31


def fit(values: Tensor, dtype: DTypeLike, name: str) -> NDArray[Any]:
    """Round half up to integers of a width.

    Raises
    ------
    HwsimError
        If a value does not fit.
    """
    rounded = torch.floor(values.double() + 0.5)
    info = np.iinfo(dtype)
    if rounded.numel() and not (info.min <= float(rounded.min()) and float(rounded.max()) <= info.max):
        worst = float(rounded.abs().max())
        raise HwsimError(f"{name}: {worst:.0f} cannot be represented, expected {info.min} to {info.max}")
    return rounded.to(torch.int64).numpy().astype(dtype)


def multiplier(ratio: float, name: str) -> tuple[int, int]:
    """``(M, s)`` with ``M / 2**s`` nearest to ``ratio``: M in [2**14, 2**15), smaller or 0 for a ratio below 2**-33."""
    if not 0 <= ratio < 2**MULTIPLIER_BITS - 0.5:
        raise HwsimError(f"{name}: scale ratio {ratio:g} cannot be represented, expected 0 to {2**MULTIPLIER_BITS - 1}")
    _, exponent = math.frexp(ratio)
    shift = min(MULTIPLIER_BITS - exponent, LARGEST_SHIFT)
    mult = math.floor(math.ldexp(ratio, shift) + 0.5)
    if mult == 1 << MULTIPLIER_BITS:
        mult, shift = mult >> 1, shift - 1
    return mult, shift


def multipliers(ratios: Tensor, name: str) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """``multiplier`` of each ratio; ratios : float64[N]."""
    pairs = [multiplier(ratio, name) for ratio in ratios.tolist()]
    mult, shift = zip(*pairs, strict=True)
    return np.array(mult, np.int16), np.array(shift, np.uint8)


def integer_bias(name: str, fmt: Format, weight: Tensor, bias: Tensor, unit: Tensor) -> NDArray[np.int32]:
    """Bias in accumulator units, with the proof that no partial sum overflows; unit : float64[N]."""
    found = fit(bias.double() / unit, np.int32, f"{name}.bias")
    bound = accumulator_bound(fmt, weight) + torch.from_numpy(found).to(torch.int64).abs()
    if int(bound.max()) >= ACCUMULATOR_LIMIT:
        raise HwsimError(f"{name}: the accumulator could reach {int(bound.max())}, expected below 2**31")
    return found


def integer_score_bias(bias: Tensor, unit: float) -> NDArray[np.int16]:
    """Bias and mask of scores in the log2 domain, saturated at 16 bits, which the mask of -100 always is.

    bias : float32[kinds, heads, T, T], unit : value of one unit of the scores, in powers of two
    """
    steps = torch.floor(bias.double() * math.log2(math.e) / unit + 0.5)
    return steps.clamp_(-(2**15), 2**15 - 1).numpy().astype(np.int16)


def affine_arrays(affine: Affine, unit: float, zero_point: int) -> tuple[NDArray[np.int16], NDArray[np.int32], int]:
    """LayerNorm's G, B and the largest shift t at which both fit; unit : value of one unit of the result."""
    gamma = affine.weight.double() / (unit * 2**NORM_FRACTION_BITS)
    beta = affine.bias.double() / unit + zero_point
    for shift in range(LARGEST_NORM_SHIFT, -1, -1):
        g, b = torch.floor(gamma * 2**shift + 0.5), torch.floor(beta * 2**shift + 0.5)
        if float(g.abs().max()) < 2**15 and float(b.abs().max()) < 2**31:
            return g.numpy().astype(np.int16), b.numpy().astype(np.int32), shift
    raise HwsimError(f"LayerNorm's affine cannot be represented: gamma / scale reaches {float(gamma.abs().max()):g}")


def exp2_table() -> NDArray[np.uint32]:
    """``E[i] = floor(2**(16 - i/256) + 1/2)``, uint32[256]."""
    i = np.arange(256, dtype=np.float64)
    return np.floor(np.exp2(16 - i / 256) + 0.5).astype(np.uint32)


def gelu_table(pre: UniformQuantiser, out: Quantiser) -> NDArray[np.uint8]:
    """Output code of every pre-activation code, from the smallest up, uint8[2**bits]."""
    y = torch.arange(pre.format.minimum, pre.format.maximum + 1, dtype=torch.float64)
    x = y * pre.scale.double()
    gelu = x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))
    return out.quantize(gelu).to(torch.uint8).numpy()
