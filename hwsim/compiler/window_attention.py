"""Attention inside windows as operations: for each head, groups of windows that share a bias.

Scores of a group of windows, each with its softmax, come before the values of the group before it, so that the array
need not wait for softmax: S0 S1 V0 S2 V1 ... The drain adds the bias of the windows' kind to the scores as a constant.
q, k and v of a window begin a row of blocks; the context's rows follow each other without a gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwsim.compiler.attention import attention_layers, parameter_tile
from hwsim.compiler.codebook import add_codebook
from hwsim.compiler.image import constant_rows
from hwsim.compiler.lower import Pass
from hwsim.compiler.operations import Access, Buffer, Operation, Result, WeightTile
from hwsim.compiler.plan import Placed, Plan
from hwsim.compiler.support import encoder_fields, is_halfwords, operand_fields, refuse_format, requantizer_fields
from hwsim.isa import COLUMN_SOURCES, DRAIN_OPERATIONS, LOAD_TARGETS


@dataclass(frozen=True, kw_only=True)
class Group:
    """Windows of the band, by their place in it, of one head and one kind of bias."""

    head: int
    kind: int | None
    places: list[int]


class WindowAttention:
    """The passes of one attention for the windows of a band: scores, softmax, values."""

    def __init__(self, plan: Plan, passes: list[Pass], stage: int, source: Placed) -> None:
        """Place the context.

        Parameters
        ----------
        source : the rows that q, k and v were made of, a part for each window
        """
        assert source.parts is not None
        assert source.rows is not None
        self.plan, self.stage, network = plan, stage, plan.network
        self.scores, self.softmax, self.values = attention_layers(passes)
        self.heads, self.parts = self.scores.heads, source.parts
        self.head_parts = plan.heads[self.scores.input]
        self.tokens = source.parts[0][1]
        self.width = self.head_parts[0][0].channels
        context = network.tensor(self.values.output)
        if is_halfwords(context.format):
            refuse_format(network, self.values.name, self.values.output, "a context of codes of at most 8 bits")
        self.encoder_reads, self.decoder_reads = add_codebook(plan, self.softmax.name, self.softmax.output, stage)
        lanes = plan.config.drain_lanes
        self.slice = -(-self.width // lanes) * lanes
        """Channels of the context's buffer for each head, whole accesses of the drain."""
        rows = tuple(row for row in source.rows if row >= 0)
        self.windows = [rows[place * self.tokens] // self.tokens for place in range(len(source.parts))]
        self.context = plan.buffer(values_name := self.values.output, len(rows), self.heads * self.slice, False)
        channel = np.arange(context.shape[1])
        plan.tensors[values_name] = Placed(
            buffer=self.context,
            channels=channel // self.width * self.slice + channel % self.width,
            depth=self.heads * self.slice,
            rows=rows,
        )
        self.groups = self._groups()
        at_a_time = max(len(group.places) for group in self.groups)
        count = plan.options.heads_ahead
        self.ring = [self._square(self.scores.output, slot, True) for slot in range(at_a_time)]
        self.probabilities = [
            [self._square(self.softmax.output, slot, False) for slot in range(at_a_time)] for _ in range(min(2, count))
        ]
        self.begun = 0

    def add_early_scores(self, head: int) -> None:
        """Add the scores of the first group once all keys are there, before the values."""
        if head == self.heads - 1 and len(self.probabilities) > 1:
            self._add_scores()

    def add_rest(self) -> None:
        """Add all that is left, once q, k and v of every head are there."""
        ahead = len(self.probabilities)
        for index in range(len(self.groups)):
            while self.begun < min(index + ahead, len(self.groups)):
                self._add_scores()
            self._add_values(index)

    def _groups(self) -> list[Group]:
        kinds: list[int | None] = [None] * len(self.windows)
        if self.scores.biased:
            kinds = self.plan.network.arrays[f"{self.scores.name}.kind"][self.windows].tolist()
        places = {kind: [place for place, one in enumerate(kinds) if one == kind] for kind in dict.fromkeys(kinds)}
        size = self.plan.options.score_slots
        return [
            Group(head=head, kind=kind, places=mine[first : first + size])
            for head in range(self.heads)
            for kind, mine in places.items()
            for first in range(0, len(mine), size)
        ]

    def _square(self, name: str, slot: int, halfwords: bool) -> Buffer:
        return self.plan.buffer(f"{name}.{slot}", self.tokens, self.tokens, halfwords)

    def _add_scores(self) -> None:
        """Add the scores and softmax of the next group."""
        plan, layer, group = self.plan, self.scores, self.groups[self.begun]
        probabilities = self.probabilities[self.begun % len(self.probabilities)]
        self.begun += 1
        columns, arrays = plan.config.array_columns, plan.network.arrays
        mult, shift = (np.full(columns, arrays[f"{layer.name}.{name}"][group.head]) for name in ("mult", "shift"))
        tile = parameter_tile(plan, layer.name, mult, shift)
        constant = self._constant(group) if group.kind is not None else None
        query, key, _ = self.head_parts[group.head]
        fixed = operand_fields(plan.network, layer.name, layer.input)
        fixed |= requantizer_fields(plan.network, layer.name, layer.output)
        if constant is not None:
            fixed |= {"drain": DRAIN_OPERATIONS.index("constant"), "code_lo": fixed["lo"], "code_hi": fixed["hi"]}
        lanes = plan.config.drain_lanes
        padded = -(-self.tokens // lanes) * lanes
        for slot, place in enumerate(group.places):
            ring, (row, end) = self.ring[slot], self.parts[place]
            places = {"row": query, "column": key, "out": ring} | ({"skip": constant} if constant is not None else {})
            accesses = [
                Access("read_row", query, row, end, 0, self.width),
                Access("read_column", key, row, end, 0, self.width),
                Access("write_drain", ring, 0, self.tokens, 0, padded),
            ]
            if constant is not None:
                accesses.append(Access("read_skip", constant, 0, self.tokens, 0, padded))
            plan.add(
                Operation(
                    operation="gemm",
                    layer=layer.name,
                    head=self._matrix(group, place),
                    stage=self.stage,
                    fields=fixed | {
                        "row_first": row, "rows": self.tokens, "steps": self.width, "columns": self.tokens,
                        "column_first": row, "column_source": COLUMN_SOURCES.index("channels"), "out_halfwords": 1,
                    },
                    places=places,
                    accesses=accesses,
                    tile=tile,
                    result=self._result(layer.output, group, place, ring),
                )
            )  # fmt: skip
            self._add_softmax(group, place, ring, probabilities[slot])

    def _constant(self, group: Group) -> Buffer:
        """Load of a head's bias for a kind of window, which the drain adds."""
        plan, layer = self.plan, self.scores
        data = constant_rows(plan.network.arrays[f"{layer.name}.bias"][group.kind, group.head], plan.config)
        channels = len(data) // (2 * self.tokens)
        buffer = plan.buffer(f"{layer.name}.bias", self.tokens, channels, True)
        plan.add(
            Operation(
                operation="load",
                layer=layer.name,
                stage=self.stage,
                fields={
                    "target": LOAD_TARGETS.index("halfwords"), "beats": len(data) // plan.config.beat_bytes,
                    "run_bytes": 2 * channels,
                },
                places={"": buffer},
                accesses=[Access("write_dma", buffer, 0, self.tokens, 0, channels)],
                section=plan.parameters(f"{layer.name} bias", data),
            )
        )  # fmt: skip
        return buffer

    def _add_softmax(self, group: Group, place: int, ring: Buffer, out: Buffer) -> None:
        plan, layer = self.plan, self.softmax
        lanes = plan.config.softmax_lanes
        padded = -(-self.tokens // lanes) * lanes
        plan.add(
            Operation(
                operation="softmax",
                layer=layer.name,
                head=self._matrix(group, place),
                stage=self.stage,
                fields=encoder_fields(plan.network, layer.name, layer.output)
                | {"rows": self.tokens, "columns": self.tokens},
                places={"in": ring, "out": out},
                accesses=[
                    Access("read_softmax", ring, 0, self.tokens, 0, self.tokens),
                    Access("write_softmax", out, 0, self.tokens, 0, padded),
                    *self.encoder_reads,
                ],
                result=self._result(layer.output, group, place, out),
            )
        )

    def _add_values(self, index: int) -> None:
        """Add the values of a group, column tile by column tile, so that its windows share the parameters."""
        plan, layer, group = self.plan, self.values, self.groups[index]
        probabilities = self.probabilities[index % len(self.probabilities)]
        columns = plan.config.array_columns
        for first in range(0, self.width, columns):
            mine = slice(group.head * self.width + first, group.head * self.width + min(first + columns, self.width))
            mult, shift = (plan.network.arrays[f"{layer.name}.{name}"][mine] for name in ("mult", "shift"))
            tile = parameter_tile(plan, layer.name, mult, shift)
            for slot, place in enumerate(group.places):
                self._add_values_of(group, place, first, probabilities[slot], tile)

    def _add_values_of(self, group: Group, place: int, first: int, probabilities: Buffer, tile: WeightTile) -> None:
        plan, layer, tokens = self.plan, self.values, self.tokens
        value, (begin, end), row = self.head_parts[group.head][2], self.parts[place], place * self.tokens
        count = min(plan.config.array_columns, self.width - first)
        padded = -(-count // plan.config.drain_lanes) * plan.config.drain_lanes
        out_channel = group.head * self.slice + first
        order = plan.tensors[layer.output].order(row, row + tokens)
        assert order is not None
        fixed = operand_fields(plan.network, layer.name, layer.probabilities)
        fixed |= requantizer_fields(plan.network, layer.name, layer.output)
        plan.add(
            Operation(
                operation="gemm",
                layer=layer.name,
                head=self._matrix(group, place),
                stage=self.stage + 2,
                fields=fixed | {
                    "rows": tokens, "steps": tokens, "columns": count, "column_first": first,
                    "column_source": COLUMN_SOURCES.index("rows"), "out_channel": out_channel, "out_row": row,
                },
                places={"row": probabilities, "column": value, "out": self.context},
                place_words={"column": begin // value.word_bytes * value.stride},
                accesses=[
                    Access("read_row", probabilities, 0, tokens, 0, tokens),
                    Access("read_column", value, begin, end, first, first + count),
                    Access("write_drain", self.context, row, row + tokens, out_channel, out_channel + padded),
                    *self.decoder_reads,
                ],
                tile=tile,
                result=Result(
                    tensor=layer.output, head=None, first_row=order[0], rows=tokens,
                    first_channel=group.head * self.width + first, channels=count, buffer=self.context,
                    buffer_row=row, buffer_channel=out_channel, order=order,
                ),
            )
        )  # fmt: skip

    def _matrix(self, group: Group, place: int) -> int:
        """Number of a head of a window among all of them."""
        return self.windows[place] * self.heads + group.head

    def _result(self, tensor: str, group: Group, place: int, buffer: Buffer) -> Result:
        return Result(
            tensor=tensor, head=self._matrix(group, place), first_row=0, rows=self.tokens, first_channel=0,
            channels=self.tokens, buffer=buffer, buffer_row=0, buffer_channel=0,
        )  # fmt: skip
