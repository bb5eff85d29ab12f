"""What every cycle of a program goes to: the array multiplies, or it waits, and then for what.

The array's operand side is the resource that everything else serves, so its time line is what is split. From the
first step of a product to its last it multiplies, one step a cycle; what that takes beyond its steps it waits for the
drain of the tile before (shown behind the steps). Before the next product's first step lies a gap, which goes to what
held that product up: the event whose end was the latest that it waited for. Where that event began later than the
gap, what is left of the gap goes to what held that event up, and so on back in time. The cycles before the first
product and those after the last one are split in the same way, so each cycle of the program goes to one instruction,
once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from hwsim.config import AcceleratorConfig
from hwsim.isa import Instruction
from hwsim.timing.gemm import gemm_busy
from hwsim.timing.schedule import BOOT, PROGRAM_TARGET, Event, Timeline

Reason = Literal["array", "drain", "dma", "softmax", "layernorm", "program"]
"""The array multiplies; or it waits for sums or results of its own to be drained, for data from DRAM, for softmax, for
LayerNorm, or for the program to be loaded and dispatched."""
REASONS: tuple[Reason, ...] = get_args(Reason)
_WAITS: dict[str, Reason] = {"array": "drain", "dma": "dma", "softmax": "softmax", "layernorm": "layernorm"}


class Span(NamedTuple):
    """Cycles ``first`` to ``end - 1``, spent on one instruction."""

    first: int
    end: int
    instruction: int
    """Its number in the program, ``BOOT`` for the load of segment 0."""
    reason: Reason


def spans(
    program: Sequence[Instruction],
    timeline: Timeline,
    config: AcceleratorConfig,
    tile_steps: Mapping[int, NDArray[np.int64]],
) -> list[Span]:
    """Split all cycles of a program; the spans touch each other, from cycle 0 to the last.

    Parameters
    ----------
    tile_steps : reduction steps of each tile of a product with outliers, by its number in the program
    """
    return list(_Splitter(program, timeline, config).run(tile_steps))


class _Splitter:
    def __init__(self, program: Sequence[Instruction], timeline: Timeline, config: AcceleratorConfig) -> None:
        self.program, self.timeline, self.config = program, timeline, config
        self.events = {event.index: event for event in timeline.events}

    def run(self, tile_steps: Mapping[int, NDArray[np.int64]]) -> Iterator[Span]:
        """All spans in the order of time."""
        time = 0
        for event in self.timeline.events:
            if event.queue == "array":
                yield from self._backwards(event.held_by, time, event.start + 1)
                one = self.program[event.index]
                steps = gemm_busy(one["rows"], one["columns"], one["steps"], self.config).steps
                if event.index in tile_steps:
                    steps = int(tile_steps[event.index].sum())
                multiplied, time = event.start + 1 + steps, event.operands_end + 1
                yield Span(event.start + 1, multiplied, event.index, "array")
                if multiplied < time:
                    yield Span(multiplied, time, event.index, "drain")
        last = max(self.timeline.events, key=lambda event: event.done)
        yield from self._backwards(last.index, time, self.timeline.cycles)

    def _backwards(self, index: int, first: int, end: int) -> Iterator[Span]:
        """Cycles that go to an event, and before it began to what held it up."""
        found: list[Span] = []
        while first < end:
            event = self.events[index]
            begin = max(first, event.start + 1) if index != BOOT else first
            if begin < end:
                found.append(Span(begin, end, index, self._reason(event)))
                end = begin
            index = event.held_by
        return reversed(found)

    def _reason(self, event: Event) -> Reason:
        if event.index == BOOT:
            return "program"
        one = self.program[event.index]
        return "program" if one.operation == "load" and one["target"] == PROGRAM_TARGET else _WAITS[event.queue]
