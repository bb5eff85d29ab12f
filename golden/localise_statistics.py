"""What is measured of each tensor of an integer network, added up over batches of images.

    SQNR = 10 log10( sum x**2 / sum (x - x_hat)**2 )        x the float network's value, x_hat the quantised one

Three are kept: of paper mode and of integer mode with all that came before in that mode (accumulated), and of the unit
alone, integer on the float network's own inputs (own). Rows that nothing reads do not count: behind the last scores
only the class token goes on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from golden.localise_formats import saturated
from hwsim.formats import ChannelScaled, Logarithmic, RowUniform, TwoScale
from hwsim.network import (
    AttentionScores,
    AttentionValues,
    Im2col,
    LayerNorm,
    Linear,
    Network,
    Rearrange,
    Residual,
    Softmax,
    Table,
    TokenMean,
)


@dataclass(frozen=True, kw_only=True)
class LayerFigures:
    """One layer and the tensor that it makes."""

    layer: str
    op: str
    format: str
    """Kind and bits of the result's codes."""
    sqnr_paper_db: float
    sqnr_integer_db: float
    sqnr_own_db: float
    worst_channel: int
    """Channel, head or class with the lowest own SQNR."""
    worst_channel_db: float
    saturation_percent: float
    """Codes at an end of the format."""
    flag_percent: float | None
    """Codes of V-2SF whose flag is set."""
    zero_percent: float | None
    """Logarithmic codes that stand for zero."""
    outlier_percent: float | None
    """Elements beside the codes of a format of rows."""
    shifts: dict[int, int] | None
    """Channels of the residual stream by their shift."""


class TensorStatistics:
    """Sums over the images of one tensor."""

    def __init__(self, network: Network, layer: str, op: str, rows: int) -> None:
        self.network, self.layer, self.op, self.rows = network, layer, op, rows
        shape = network.tensor(layer).shape
        self.axis = 1 if len(shape) == 3 else -1
        channels = shape[0] if len(shape) == 3 else shape[-1]
        self.signal, self.own, self.paper, self.integer = torch.zeros(4, channels, dtype=torch.float64)
        self.elements = self.saturated = self.marked = 0

    def add(self, reference: Tensor, paper: Tensor, integer: Tensor, own: Tensor) -> None:
        """Values of a batch, float64[B, *shape] each."""
        self.signal += self._per_channel(reference)
        self.paper += self._per_channel(paper - reference)
        self.integer += self._per_channel(integer - reference)
        self.own += self._per_channel(own - reference)

    def add_codes(self, codes: Tensor, outliers: Tensor | None) -> None:
        """Codes of a batch, int64[B, *shape], and outliers beside them, 0 where there is none."""
        fmt = self.network.tensor(self.layer).format
        codes = codes[..., : self.rows, :]
        self.elements += codes.numel()
        self.saturated += int(saturated(self.network, self.layer, codes, self.rows).sum())
        if isinstance(fmt, TwoScale):
            self.marked += int((codes >> fmt.payload_bits).sum())
        elif isinstance(fmt, Logarithmic):
            self.marked += int((codes > fmt.largest_code).sum())
        elif outliers is not None:
            self.marked += int((outliers[..., : self.rows, :] != 0).sum())

    def figures(self) -> LayerFigures:
        """What was found."""
        fmt = self.network.tensor(self.layer).format
        channels = torch.tensor([decibels(s, e) for s, e in zip(self.signal.tolist(), self.own.tolist(), strict=True)])
        worst = int(channels.nan_to_num(math.inf).argmin())
        marked = 100 * self.marked / self.elements
        shifts = None
        if isinstance(fmt, ChannelScaled):
            values, counts = np.unique(self.network.shifts(self.layer), return_counts=True)
            shifts = dict(zip(values.tolist(), counts.tolist(), strict=True))
        return LayerFigures(
            layer=self.layer,
            op=self.op,
            format=f"{fmt.kind} {fmt.bits}",
            sqnr_paper_db=self._total(self.paper),
            sqnr_integer_db=self._total(self.integer),
            sqnr_own_db=self._total(self.own),
            worst_channel=worst,
            worst_channel_db=float(channels[worst]),
            saturation_percent=100 * self.saturated / self.elements,
            flag_percent=marked if isinstance(fmt, TwoScale) else None,
            zero_percent=marked if isinstance(fmt, Logarithmic) else None,
            outlier_percent=marked if isinstance(fmt, RowUniform) else None,
            shifts=shifts,
        )

    def _total(self, errors: Tensor) -> float:
        return decibels(float(self.signal.sum()), float(errors.sum()))

    def _per_channel(self, x: Tensor) -> Tensor:
        return x[..., : self.rows, :].square().movedim(self.axis, -1).flatten(0, -2).sum(0)


def rows_read(network: Network) -> dict[str, int]:
    """Rows (tokens) of each tensor that the logits depend on: the first ones, or all."""
    shapes = {name: spec.shape for name, spec in network.manifest.tensors.items()}
    read = dict.fromkeys(shapes, 0) | {network.manifest.logits: 1}
    for layer in reversed(network.layers):
        rows = read[layer.output]
        match layer:
            case Im2col():
                continue
            case LayerNorm() | Linear() | Softmax() | Table():
                wanted = {layer.input: rows}
            case AttentionScores() | Rearrange() | TokenMean():
                wanted = {layer.input: shapes[layer.input][-2]}  # as every row of k meets every row of q
            case Residual():
                wanted = {layer.branch: rows} | ({} if layer.skip is None else {layer.skip: rows})
            case AttentionValues():
                wanted = {layer.probabilities: rows, layer.values: shapes[layer.values][-2]}
        for name, count in wanted.items():
            read[name] = max(read[name], count)
    return read


def decibels(signal: float, error: float) -> float:
    """``10 log10(signal / error)``; infinite without error, nan where there is neither, as in a dead channel."""
    if error == 0:
        return math.inf if signal > 0 else math.nan
    return 10 * math.log10(signal / error) if signal > 0 else -math.inf
