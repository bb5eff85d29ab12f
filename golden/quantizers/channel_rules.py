"""Which channels of the residual stream take which power-of-two scale: O-2SF's rules, k-scaled quantisation and PTF.

    error[c] = sum over rows of sensitivity * (Q(x) - x)**2          Q(x) = clamp(floor(x / s_c + 1/2)) * s_c

===============  ==========================================================================================
rule             channels with the coarse scale
===============  ==========================================================================================
``sensitivity``  those with less error that way, weighed by sensitivity: our decision, O-2SF's default
``mse``          the same without weights
``prefix``       the first so many in the order of their maxima, as many as give the least error: our decision
``threshold``    those whose maximum is beyond tau times the median, tau of 4, 8, 16, 32: our decision
``kmeans``       the upper cluster of 2-means on the mean magnitude: known for k-scaled, reconstructed for O-2SF
===============  ==========================================================================================

TSPTQ-ViT's own rule is not known. Without sensitivity all weights are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from golden.quantizers.channel_scale import LARGEST_SHIFT, ChannelScaleQuantiser
from golden.quantizers.kmeans import k_means
from golden.quantizers.uniform import SMALLEST_SCALE
from hwsim.errors import HwsimError

SHRINK = tuple(1.05 - 0.025 * i for i in range(19))
EXPONENTS = (1, 2, 3, 4, 5, 0)
"""Of the ratio; 0, one scale for all channels, last, so that it wins only where flags are no better."""
THRESHOLDS = (4, 8, 16, 32)
CLUSTER_FACTORS: tuple[float, ...] = tuple(torch.linspace(0.01, 1.2, 100, dtype=torch.float64).tolist())
LARGEST_FACTOR_SHIFT = 3

FlagChoice = Callable[[Tensor, Tensor], Tensor]
"""From each channel's error with the normal and with the coarse scale to the flags: float32[D] twice to bool[D]."""


class ChannelErrors:
    """Weighted squared error of each channel for any scale; scales asked for again cost nothing."""

    def __init__(self, x: Tensor, bits: int, sensitivity: Tensor | None) -> None:
        self.x = x
        self.top = 2 ** (bits - 1)
        self.sensitivity = sensitivity
        self.found: dict[float, Tensor] = {}

    def __call__(self, scale: float) -> Tensor:
        """float32[D]"""
        if scale not in self.found:
            quantised = torch.floor(self.x / scale + 0.5).clamp_(-self.top, self.top - 1).mul_(scale)
            error = quantised.sub_(self.x).square_()
            self.found[scale] = (error if self.sensitivity is None else error.mul_(self.sensitivity)).sum(0)
        return self.found[scale]


def find(
    x: Tensor,
    bits: int,
    rule: str,
    sensitivity: Tensor | None = None,
    scales: int = 2,
    largest_shift: int = LARGEST_SHIFT,
) -> ChannelScaleQuantiser:
    """Scales of a residual tensor by the name of a rule.

    Parameters
    ----------
    x : float32[rows, D]
    rule : "sensitivity", "mse", "prefix", "threshold" or "kmeans"
    sensitivity : float32[rows, D], weights of the squared errors; all alike without it, and with rule "mse"
    scales : number of different scales, more than 2 with rule "kmeans" only
    largest_shift : of "kmeans"; the other rules stay below 6

    Raises
    ------
    HwsimError
        If there is no such rule, or it knows two scales and more are asked for.
    """
    if rule == "kmeans":
        return k_scaled(x, bits, sensitivity, scales, largest_shift)
    if rule not in TWO_SCALE_RULES:
        raise HwsimError(f"channel rule: is {rule!r}, expected kmeans, {', '.join(TWO_SCALE_RULES)}")
    if scales != 2:
        raise HwsimError(f"channel rule {rule}: scales is {scales}, expected 2 (kmeans knows more)")
    return TWO_SCALE_RULES[rule](x, bits, None if rule == "mse" else sensitivity)


# Two scales


def least_error(x: Tensor, bits: int, sensitivity: Tensor | None = None) -> ChannelScaleQuantiser:
    """Each channel takes whichever of the two scales has less error.

    On DeiT-Tiny's held-out calibration images, with nothing else quantised, the KL to float is 0.0060 without
    sensitivity and 0.0044 with it.
    """
    return _two_scales(x, bits, sensitivity, [lambda normal, coarse: coarse < normal])


def prefix(x: Tensor, bits: int, sensitivity: Tensor | None = None) -> ChannelScaleQuantiser:
    """Channels in the falling order of their maxima; the first ones of them, as many as give the least error."""
    order = x.abs().amax(0).argsort(descending=True, stable=True)

    def choose(normal: Tensor, coarse: Tensor) -> Tensor:
        gain = (normal - coarse).double()[order].cumsum(0)
        count = int(gain.argmax()) + 1 if float(gain.max()) > 0 else 0
        flags = torch.zeros_like(normal, dtype=torch.bool)
        flags[order[:count]] = True
        return flags

    return _two_scales(x, bits, sensitivity, [choose])


def threshold(x: Tensor, bits: int, sensitivity: Tensor | None = None) -> ChannelScaleQuantiser:
    """Channels whose maximum is beyond tau times the median of the maxima, tau by the least error."""
    largest = x.abs().amax(0)
    median = largest.median()
    return _two_scales(x, bits, sensitivity, [_always(largest > tau * median) for tau in THRESHOLDS])


TWO_SCALE_RULES: Mapping[str, Callable[[Tensor, int, Tensor | None], ChannelScaleQuantiser]] = {
    "sensitivity": least_error,
    "mse": least_error,
    "prefix": prefix,
    "threshold": threshold,
}


def _always(flags: Tensor) -> FlagChoice:
    return lambda normal, coarse: flags


def _two_scales(x: Tensor, bits: int, sensitivity: Tensor | None, choices: list[FlagChoice]) -> ChannelScaleQuantiser:
    """Least total error over the coarse scale, the ratio and the ways to choose the flags.

    The coarse scale comes from the tensor's maximum times 0.6 to 1.05, the ratio is 2**r with r in 0 to 5 (our
    decision).
    """
    largest, channel_error = float(x.abs().max()), ChannelErrors(x, bits, sensitivity)
    best, best_error = None, torch.inf
    for shrink in SHRINK:
        coarse = max(largest * shrink / (2 ** (bits - 1) - 0.5), SMALLEST_SCALE)
        for exponent in EXPONENTS:
            scale = coarse / 2**exponent
            errors = channel_error(scale), channel_error(coarse)
            for choose in choices:
                flags = choose(*errors)
                error = float(torch.where(flags, errors[1], errors[0]).double().sum())
                if error < best_error:
                    best_error = error
                    best = ChannelScaleQuantiser.two_scales(bits, scale, exponent, flags)
    assert best is not None
    return best


# More than two scales


def k_scaled(
    x: Tensor, bits: int, sensitivity: Tensor | None = None, k: int = 2, largest_shift: int = LARGEST_SHIFT
) -> ChannelScaleQuantiser:
    """k-scaled quantisation: a scale for each of the k clusters of the channels' mean magnitudes.

        scale_0 * 2**floor(log2(scale_i / scale_0) + 1/2)      scale_i = max of cluster i / (2**(b-1) - 1/2) * factor

    Known from the official code: the clusters, 100 factors from 0.01 to 1.2, the powers of two. There a factor is
    chosen by the cosine similarity of the layer's output; here by the tensor's own error, as with the other rules, and
    the clusters by exact k-means, not by 100 rounds from a start (our decision).
    """
    labels = k_means(x.abs().mean(0), k)
    scales = torch.tensor([_cluster_scale(x, bits, sensitivity, labels == i) for i in range(k)], dtype=torch.float64)
    exponents = torch.floor(torch.log2(scales / scales[0]) + 0.5).to(torch.int64)
    return _from_exponents(bits, float(scales[0]), exponents.to(labels.device)[labels], largest_shift)


def power_of_two_factor(x: Tensor, bits: int, sensitivity: Tensor | None = None) -> ChannelScaleQuantiser:
    """FQ-ViT's PTF: an eighth of the tensor's min-max scale, times the 2**shift that has the least error, shift 0 to 3.

    Known, but for the sensitivity and for the codes: the paper's are unsigned with a zero point for the tensor, these
    are signed without one (our decision).
    """
    smallest = max(float(x.abs().max()) / (2 ** (bits - 1) - 0.5), SMALLEST_SCALE) / 2**LARGEST_FACTOR_SHIFT
    channel_error = ChannelErrors(x, bits, sensitivity)
    errors = [channel_error(smallest * 2**shift) for shift in range(LARGEST_FACTOR_SHIFT + 1)]
    return _from_exponents(bits, smallest, torch.stack(errors).argmin(0))


def _cluster_scale(x: Tensor, bits: int, sensitivity: Tensor | None, members: Tensor) -> float:
    """Scale of the least error for some of the channels; members : bool[D]."""
    own = x[:, members]
    channel_error = ChannelErrors(own, bits, None if sensitivity is None else sensitivity[:, members])
    widest = max(float(own.abs().max()) / (2.0 ** (bits - 1) - 0.5), SMALLEST_SCALE)
    errors = [float(channel_error(widest * factor).double().sum()) for factor in CLUSTER_FACTORS]
    return widest * CLUSTER_FACTORS[errors.index(min(errors))]


def _from_exponents(
    bits: int, scale: float, exponents: Tensor, largest_shift: int = LARGEST_SHIFT
) -> ChannelScaleQuantiser:
    """Scales ``scale * 2**exponents`` (int64[D]), the finest ones made coarser where they lie more than 7 apart."""
    lowest = max(int(exponents.min()), int(exponents.max()) - largest_shift)
    shifts = (exponents - lowest).clamp_min(0).to(torch.uint8)
    return ChannelScaleQuantiser(bits=bits, scale=scale * 2.0**lowest, shifts=shifts)
