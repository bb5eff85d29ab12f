"""Segments of a network whose stream lies in DRAM, and the bands of rows by which a segment runs.

A segment begins with rows that a load brings in an order of its own (pixels, windows, neighbours to merge, or all rows)
and ends with the tensor that the next one loads. What lies between needs no other rows than those of its band, so
that bands run one after another and only one or two of them need room in the activation buffer.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from hwsim.compiler.limits import ROWS_MAX, plane_bits
from hwsim.compiler.lower import Pass
from hwsim.compiler.plan import Plan
from hwsim.compiler.support import is_halfwords
from hwsim.formats import RowUniform
from hwsim.network import AttentionScores, AttentionValues, Im2col, LayerNorm, Network, Rearrange, Softmax, TokenMean
from hwsim.network_check import layer_inputs


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Passes between two tensors in DRAM."""

    passes: tuple[Pass, ...]
    unit: int
    """Rows of the smallest band: a line of patches or of merged tokens, a window, or all rows."""
    units: int

    @property
    def output(self) -> str:
        """Tensor that leaves it."""
        return self.passes[-1].output


def has_bands(passes: list[Pass]) -> bool:
    """Whether a network moves rows, sees windows or takes the mean of tokens, as no ViT does."""
    return any(
        isinstance(one.load, Rearrange)
        or isinstance(one.main, TokenMean)
        or (isinstance(one.main, AttentionScores) and (one.main.windows > 1 or one.main.biased))
        for one in passes
    )


def segments(network: Network, passes: list[Pass]) -> list[Segment]:
    """Cut a network where rows are loaded in another order, and before the mean of tokens."""
    starts = [index for index in range(len(passes)) if _begins(passes, index)]
    return [
        _segment(network, tuple(passes[first:end]))
        for first, end in zip([0, *starts], [*starts, len(passes)], strict=True)
        if first < end
    ]


def bands(plan: Plan, segment: Segment) -> list[range]:
    """Units of each band: as many as fit the band's share of the activation buffer, and all about the same."""
    config = plan.config
    aligned = -(-segment.unit // config.word_bytes) * config.word_bytes
    room = plan.options.band_share * config.activation_buffer_bytes - _square_bytes(plan, segment)
    most = max(1, int(room / (aligned * row_bytes(plan.network, segment, config.word_bytes))))
    if any(isinstance(plan.network.tensor(one.output).format, RowUniform) for one in segment.passes):
        most = max(1, min(most, ROWS_MAX // aligned))
    count = -(-segment.units // most)
    size = -(-segment.units // count)
    return [range(first, min(first + size, segment.units)) for first in range(0, segment.units, size)]


def row_bytes(network: Network, segment: Segment, word_bytes: int) -> int:
    """Bytes of a row of all tensors that are in use at a time, at most.

    What a band leaves is counted all the time, as it goes to DRAM while the next band runs.
    """
    made, last = {_loaded(segment.passes[0], network): -1}, {}
    for index, one in enumerate(segment.passes):
        for layer in one.layers:
            for name in layer_inputs(layer, network.manifest.input):
                last[name] = index
        if not isinstance(one.main, AttentionScores | Softmax):
            made[one.output] = index
            last.setdefault(one.output, index)
    if isinstance(segment.passes[0].load, Rearrange):
        last[segment.passes[0].load.output] = last[segment.passes[0].load.input]
    sizes = {name: _tensor_row_bytes(network, name, word_bytes) for name in made}
    return max(
        sum(sizes[name] for name in made if name == segment.output or made[name] <= index <= last.get(name, -1))
        for index in range(len(segment.passes))
    )


def _begins(passes: list[Pass], index: int) -> bool:
    one = passes[index]
    if isinstance(one.load, Rearrange):
        return one.load.kind != "unwindow"
    following = passes[index + 1] if index + 1 < len(passes) else None
    mean = following is not None and isinstance(following.main, TokenMean)
    return isinstance(one.load, Im2col) or (isinstance(one.main, LayerNorm) and mean)


def _segment(network: Network, passes: tuple[Pass, ...]) -> Segment:
    load, rows = passes[0].load, network.tensor(passes[0].main.output).shape[0]
    unit = rows
    if isinstance(load, Im2col) and not load.class_token:
        unit = network.tensor(network.manifest.input).shape[1] // load.patch
    if isinstance(load, Rearrange):
        unit = load.size**2 if load.kind == "window" else load.width // 2
    return Segment(passes=passes, unit=unit, units=rows // unit)


def _loaded(one: Pass, network: Network) -> str:
    if one.load is not None:
        return one.load.output
    return layer_inputs(one.main, network.manifest.input)[0]


def _tensor_row_bytes(network: Network, name: str, word_bytes: int) -> int:
    spec = network.tensor(name)
    columns = prod(spec.shape[1:])
    if is_halfwords(spec.format):
        return -(-2 * columns // word_bytes) * word_bytes
    planes = 3 if plane_bits(network, name) else 1
    return planes * -(-columns // word_bytes) * word_bytes


def _square_bytes(plan: Plan, segment: Segment) -> int:
    """Bytes of scores, biases and probabilities, of so many windows at a time as the options say."""
    if not any(isinstance(one.main, AttentionValues) for one in segment.passes):
        return 0
    word = plan.config.word_bytes
    aligned = -(-segment.unit // word) * word
    return aligned * aligned * 2 * 3 * plan.options.score_slots
