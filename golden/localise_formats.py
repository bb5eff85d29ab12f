"""A quantiser from each format of an integer network, and what its codes say.

    value = term(code) * unit + offset        term = mantissa << shift

The nearest code is the format's own: midpoints of a codebook's entries or its thresholds, the rows' own scales.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from golden import integer_ops as ops
from golden.quantizers.base import Quantiser
from golden.quantizers.channel_scale import ChannelScaleQuantiser
from golden.quantizers.codebook import PROBABILITY_ONE, CodebookQuantiser
from golden.quantizers.log import GELU_MINIMUM, LogQuantiser
from golden.quantizers.rows import MULTIPLIER_ONE, RowQuantiser
from golden.quantizers.two_scale import TwoScaleQuantiser
from golden.quantizers.uniform import UniformQuantiser
from hwsim.formats import ChannelScaled, Codebook, Logarithmic, RowUniform, TwoScale, Uniform
from hwsim.network import LayerNorm, Network, Table


def quantiser_of(network: Network, name: str, scale: Tensor | None = None) -> Quantiser:
    """Quantiser of a tensor; ``scale``, float64[channels], where the network does not say it (q, k and v)."""
    spec = network.tensor(name)
    fmt, unit = spec.format, spec.scale
    if isinstance(fmt, Uniform):
        return UniformQuantiser(format=fmt, scale=torch.tensor(unit) if scale is None else scale.float())
    if isinstance(fmt, ChannelScaled):
        return ChannelScaleQuantiser(bits=fmt.bits, scale=unit, shifts=torch.from_numpy(network.shifts(name)))
    if isinstance(fmt, TwoScale):
        return TwoScaleQuantiser(format=fmt, fine_step=unit)
    if isinstance(fmt, Logarithmic):
        largest = unit * float(ops.log_terms(fmt)[0])
        return LogQuantiser(format=fmt, largest=largest, offset=offset_of(network, name))
    if isinstance(fmt, RowUniform):
        return _rows(network, name, fmt, unit)
    return _codebook(fmt, unit)


def offset_of(network: Network, name: str) -> float:
    """Value of the term 0: a logarithm after GELU counts from GELU's minimum, everything else from 0."""
    is_shifted = isinstance(network.tensor(name).format, Logarithmic) and isinstance(network.maker(name), Table)
    return GELU_MINIMUM if is_shifted else 0.0


def _codebook(fmt: Codebook, unit: float) -> CodebookQuantiser:
    levels = ops.terms(torch.arange(1 << fmt.bits), fmt) * unit
    if fmt.thresholds:
        bounds = torch.tensor(fmt.thresholds, dtype=torch.float64) / PROBABILITY_ONE
    else:
        bounds = (levels[1:] + levels[:-1]) / 2
    return CodebookQuantiser(format=fmt, levels=levels, bounds=bounds, unit=unit)


def _rows(network: Network, name: str, fmt: RowUniform, unit: float) -> RowQuantiser:
    layer, arrays = network.maker(name), network.row_arrays(name)
    assert isinstance(layer, LayerNorm)
    largest = unit * 2.0**fmt.exponent
    return RowQuantiser(
        format=fmt,
        scales=torch.from_numpy(arrays.multipliers.astype(np.float32)) / MULTIPLIER_ONE * largest,
        zero_points=torch.from_numpy(arrays.zero_points.astype(np.int64)),
        # with outliers a unit of LayerNorm's result is one of the terms
        threshold=None if layer.threshold is None else (layer.threshold + 0.5) * unit,
    )


def unit_of(quantiser: Quantiser) -> Tensor:
    """Value of one unit of the terms, float64 that broadcasts against the tensor."""
    if isinstance(quantiser, RowQuantiser):
        return quantiser.scales.double()[:, None] * 2.0**-quantiser.format.exponent
    if isinstance(quantiser, UniformQuantiser):
        return quantiser.scale.double()
    return torch.tensor(quantiser.unit, dtype=torch.float64)


def terms_of(network: Network, name: str, codes: Tensor, outliers: Tensor | None = None) -> Tensor:
    """``mantissa << shift`` of codes, float64 that holds integers; codes, outliers : int64[B, *shape]."""
    fmt = network.tensor(name).format
    if isinstance(fmt, ChannelScaled):
        return (codes << torch.from_numpy(network.shifts(name).astype(np.int64))).double()
    if isinstance(fmt, RowUniform):
        zero_points = torch.from_numpy(network.row_arrays(name).zero_points.astype(np.int64))
        return ops.row_terms(codes, torch.zeros_like(codes) if outliers is None else outliers, zero_points, fmt)
    return ops.terms(codes, fmt)


def saturated(network: Network, name: str, codes: Tensor, rows: int) -> Tensor:
    """Which codes are the format's largest, or its smallest where that is below zero, bool; codes of the first rows."""
    fmt = network.tensor(name).format
    if isinstance(fmt, TwoScale | Logarithmic | Codebook):
        values = ops.terms(torch.arange(1 << fmt.bits), fmt)
        ends = (values == values.max()) | ((values == values.min()) & (values < 0))
        return ends[codes]
    zero: Any = 0 if isinstance(fmt, ChannelScaled) else getattr(fmt, "zero_point", None)
    if zero is None:
        zero = torch.from_numpy(network.row_arrays(name).zero_points.astype(np.int64))[:rows, None]
    # the code of zero is no end: an outlier's stands there, and so does every probability that is too small
    found: Tensor = (codes != zero) & ((codes == fmt.maximum) | (codes == fmt.minimum))
    return found
