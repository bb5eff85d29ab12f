"""Attention as operations: scores by chunks of rows, softmax of each chunk, values by column tiles of each head.

The scores of a head are computed before the values of the head before it, and those of the first heads among the
tiles of q, k and v, so that the array need not wait for softmax: q0 k0 S0, q1 k1 S1, q2 k2 v, A.V 0, S2, A.V 1, A.V 2.
Scores lie in a ring of chunks, the probabilities of a head in a buffer of its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler.codebook import add_codebook
from hwsim.compiler.image import parameter_entries, weight_tile_bytes
from hwsim.compiler.lower import Pass
from hwsim.compiler.operations import Access, Buffer, Operation, Result, WeightTile
from hwsim.compiler.plan import Placed, Plan, row_chunks, tile_order
from hwsim.compiler.support import (
    encoder_fields,
    is_halfwords,
    operand_fields,
    refuse,
    refuse_format,
    requantizer_fields,
)
from hwsim.isa import COLUMN_SOURCES
from hwsim.network import AttentionScores, AttentionValues, Softmax


class Attention:
    """The passes of one attention: scores, softmax, values."""

    def __init__(self, plan: Plan, passes: list[Pass], stage: int) -> None:
        self.plan, self.stage, network = plan, stage, plan.network
        scores, softmax, values = attention_layers(passes)
        self.scores, self.softmax, self.values, self.heads = scores, softmax, values, scores.heads
        self.tokens = network.tensor(scores.input).shape[0]
        self.parts = plan.heads[scores.input]
        self.width = self.parts[0][0].channels
        context = network.tensor(values.output)
        if is_halfwords(context.format):
            refuse_format(network, values.name, values.output, "a context of codes of at most 8 bits")
        self.encoder_reads, self.decoder_reads = add_codebook(plan, softmax.name, softmax.output, stage)
        lanes = plan.config.drain_lanes
        self.slice = -(-self.width // lanes) * lanes
        """Channels of the context's buffer for each head, whole accesses of the drain."""
        buffer = plan.buffer(values.output, self.tokens, self.heads * self.slice, False)
        channel = np.arange(context.shape[1])
        plan.tensors[values.output] = Placed(
            buffer=buffer,
            channels=channel // self.width * self.slice + channel % self.width,
            depth=self.heads * self.slice,
        )
        self.context = buffer
        self.chunks = row_chunks(self.tokens, plan.options.score_tiles, plan.config)
        rows = self.chunks[0][1]
        slots = min(plan.options.score_slots, self.heads * len(self.chunks))
        self.ring = [plan.buffer(f"{scores.output}.{slot}", rows, self.tokens, True) for slot in range(slots)]
        self.used = 0
        self.probabilities: dict[int, Buffer] = {}

    def add_early_scores(self, head: int) -> None:
        """Add the scores of a head as soon as its keys are there, where its probabilities have room beside the rest."""
        if head < self.plan.options.heads_ahead > 1:
            self._add_scores(head)

    def add_rest(self) -> None:
        """Add all that is left, once q, k and v of every head are there."""
        ahead = self.plan.options.heads_ahead
        for head in range(self.heads + ahead - 1):
            if head < self.heads and head not in self.probabilities:
                self._add_scores(head)
            if head >= ahead - 1:
                self._add_values(head - ahead + 1)

    def _add_scores(self, head: int) -> None:
        """Add scores and softmax of a head, chunk by chunk."""
        plan, layer = self.plan, self.scores
        query, key, _ = self.parts[head]
        columns = plan.config.array_columns
        mult, shift = (
            np.full(columns, plan.network.arrays[f"{layer.name}.{name}"][head]) for name in ("mult", "shift")
        )
        tile = parameter_tile(plan, layer.name, mult, shift)
        self.probabilities[head] = plan.buffer(f"{self.softmax.output}.{head}", self.tokens, self.tokens, False)
        fixed = operand_fields(plan.network, layer.name, layer.input)
        fixed |= requantizer_fields(plan.network, layer.name, layer.output)
        lanes = plan.config.drain_lanes
        padded = -(-self.tokens // lanes) * lanes
        for row, row_end in self.chunks:
            ring = self.ring[self.used % len(self.ring)]
            self.used += 1
            rows = row_end - row
            plan.add(
                Operation(
                    operation="gemm",
                    layer=layer.name,
                    head=head,
                    stage=self.stage,
                    fields=fixed | {
                        "row_first": row, "rows": rows, "steps": self.width, "columns": self.tokens,
                        "column_source": COLUMN_SOURCES.index("channels"), "out_halfwords": 1,
                    },
                    places={"row": query, "column": key, "out": ring},
                    accesses=[
                        Access("read_row", query, row, row_end, 0, self.width),
                        Access("read_column", key, 0, self.tokens, 0, self.width),
                        Access("write_drain", ring, 0, rows, 0, padded),
                    ],
                    tile=tile,
                    result=self._result(layer.output, head, row, rows, ring, 0),
                )
            )  # fmt: skip
            self._add_softmax(head, row, rows, ring)

    def _add_softmax(self, head: int, row: int, rows: int, ring: Buffer) -> None:
        plan, layer, out = self.plan, self.softmax, self.probabilities[head]
        lanes = plan.config.softmax_lanes
        padded = -(-self.tokens // lanes) * lanes
        plan.add(
            Operation(
                operation="softmax",
                layer=layer.name,
                head=head,
                stage=self.stage,
                fields=encoder_fields(plan.network, layer.name, layer.output)
                | {"rows": rows, "columns": self.tokens, "out_row": row},
                places={"in": ring, "out": out},
                accesses=[
                    Access("read_softmax", ring, 0, rows, 0, self.tokens),
                    Access("write_softmax", out, row, row + rows, 0, padded),
                    *self.encoder_reads,
                ],
                result=self._result(layer.output, head, row, rows, out, row),
            )
        )

    def _add_values(self, head: int) -> None:
        """Add the values of a head, column tile by column tile; those of the last head as softmax ends its chunks."""
        plan, layer = self.plan, self.values
        columns = plan.config.array_columns
        firsts = list(range(0, self.width, columns))
        parameters = []
        for first in firsts:
            mine = slice(head * self.width + first, head * self.width + min(first + columns, self.width))
            mult, shift = (plan.network.arrays[f"{layer.name}.{name}"][mine] for name in ("mult", "shift"))
            parameters.append(parameter_tile(plan, layer.name, mult, shift))
        by_chunks = 2 if head == self.heads - 1 or plan.options.heads_ahead == 1 else 0
        for index, (row, row_end) in tile_order(len(firsts), self.chunks, by_chunks, 0):
            self._add_values_of(head, firsts[index], row, row_end, parameters[index])

    def _add_values_of(self, head: int, first: int, row: int, row_end: int, tile: WeightTile) -> None:
        plan, layer, tokens = self.plan, self.values, self.tokens
        probabilities, value = self.probabilities[head], self.parts[head][2]
        count = min(plan.config.array_columns, self.width - first)
        padded = -(-count // plan.config.drain_lanes) * plan.config.drain_lanes
        out_channel = head * self.slice + first
        fixed = operand_fields(plan.network, layer.name, layer.probabilities)
        fixed |= requantizer_fields(plan.network, layer.name, layer.output)
        plan.add(
            Operation(
                operation="gemm",
                layer=layer.name,
                head=head,
                stage=self.stage + 2,
                fields=fixed | {
                    "row_first": row, "rows": row_end - row, "steps": tokens, "columns": count, "column_first": first,
                    "column_source": COLUMN_SOURCES.index("rows"), "out_channel": out_channel, "out_row": row,
                },
                places={"row": probabilities, "column": value, "out": self.context},
                accesses=[
                    Access("read_row", probabilities, row, row_end, 0, tokens),
                    Access("read_column", value, 0, tokens, first, first + count),
                    Access("write_drain", self.context, row, row_end, out_channel, out_channel + padded),
                    *self.decoder_reads,
                ],
                tile=tile,
                result=Result(
                    tensor=layer.output, head=None, first_row=row, rows=row_end - row,
                    first_channel=head * self.width + first, channels=count, buffer=self.context, buffer_row=row,
                    buffer_channel=out_channel,
                ),
            )
        )  # fmt: skip

    def _result(self, tensor: str, head: int, row: int, rows: int, buffer: Buffer, buffer_row: int) -> Result:
        """Result of whole rows of a head."""
        return Result(
            tensor=tensor, head=head, first_row=row, rows=rows, first_channel=0, channels=self.tokens, buffer=buffer,
            buffer_row=buffer_row, buffer_channel=0,
        )  # fmt: skip


def parameter_tile(plan: Plan, layer: str, mult: NDArray[np.int16], shift: NDArray[np.uint8]) -> WeightTile:
    """Parameters of a product without weights and bias."""
    none = np.zeros(len(mult), np.int32)
    entries = parameter_entries(none, mult, shift, none, none)
    data = weight_tile_bytes(np.zeros((len(mult), 0), np.int8), entries, plan.config)
    return WeightTile(section=plan.parameters(f"{layer} parameters", data), steps=0)


def attention_layers(passes: list[Pass]) -> tuple[AttentionScores, Softmax, AttentionValues]:
    """Scores, softmax and values of the three passes of an attention that has been checked."""
    scores, softmax, values = (one.main for one in passes)
    assert isinstance(scores, AttentionScores)
    assert isinstance(softmax, Softmax)
    assert isinstance(values, AttentionValues)
    return scores, softmax, values


def check_attention(plan: Plan, passes: list[Pass], readers: dict[str, list[str]]) -> None:
    """Check that scores, softmax and values follow each other, and that nothing else reads what lies between them.

    Raises
    ------
    HwsimError
        For another order, another reader, or a table or residual adder inside.
    """
    network, first = plan.network, passes[0].main
    kinds = (AttentionScores, Softmax, AttentionValues)
    if len(passes) != len(kinds) or not all(
        isinstance(one.main, kind) for one, kind in zip(passes, kinds, strict=True)
    ):
        refuse(network, first.name, "is not followed by its softmax and its values", "the three layers in a row")
    scores, softmax, values = attention_layers(passes)
    if softmax.input != scores.output or values.probabilities != softmax.output or values.values != scores.input:
        refuse(network, first.name, "is followed by the softmax or values of another", "the three layers in a row")
    if any(one.drain is not None for one in passes):
        refuse(network, first.name, "has a table or a residual adder in its attention", "none")
    for name, count in ((scores.input, 2), (scores.output, 1), (softmax.output, 1)):
        if len(readers[name]) != count:
            refuse(network, first.name, f"shares {name} with {', '.join(readers[name])}", "no reader but its attention")
    if scores.input not in plan.heads or values.heads != scores.heads:
        refuse(network, first.name, f"reads {scores.input}", "the result of a linear layer, split into the same heads")
