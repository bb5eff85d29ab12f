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

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from hwsim.config import AcceleratorConfig
from hwsim.isa import Instruction, queues_of
from hwsim.timing.gemm import gemm_busy
from hwsim.timing.schedule import PROGRAM_TARGET, UNDER_WAY_MAX, Event, Timeline

Reason = Literal["array", "drain", "dma", "softmax", "layernorm", "program"]
"""The array multiplies; or it waits for sums or results of its own to be drained, for data from DRAM, for softmax, for
LayerNorm, or for the program to be loaded and dispatched."""
REASONS: tuple[Reason, ...] = get_args(Reason)
_WAITS: dict[str, Reason] = {"array": "drain", "dma": "dma", "softmax": "softmax", "layernorm": "layernorm"}
BOOT = -1
"""Index of the load of segment 0, which the controller makes."""


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
        self.before: dict[int, Event] = {}
        """Event before each one in its queue."""
        self.drained: dict[int, Event] = {}
        """Product that must have been drained before another one starts."""
        self.room: dict[int, Event] = {}
        """Event whose start made room in the queue."""
        self.givers: dict[int, list[Event]] = {}
        """Events whose tokens each one takes."""
        self.loaders: dict[int, Event] = {}
        """Load of the segment that begins with each instruction."""
        self._link()

    def _link(self) -> None:
        config = self.config
        queues: dict[str, list[Event]] = defaultdict(list)
        tokens: dict[tuple[str, str], deque[Event]] = defaultdict(deque)
        halves: dict[int, Event] = {}
        for event in self.timeline.events:
            earlier = queues[event.queue]
            if earlier:
                self.before[event.index] = earlier[-1]
            if event.queue == "array" and len(earlier) >= UNDER_WAY_MAX:
                self.drained[event.index] = earlier[-UNDER_WAY_MAX]
            if len(earlier) >= config.queue_depth:
                self.room[event.index] = earlier[-config.queue_depth]
            earlier.append(event)
            if event.index == BOOT:
                halves[0] = event
                continue
            if event.index % config.segment_instructions == 0:
                self.loaders[event.index] = halves[event.index // config.segment_instructions % 2]
            one = self.program[event.index]
            self.givers[event.index] = [tokens[source, event.queue].popleft() for source in queues_of(one["wait"])]
            for target in queues_of(one["post"]):
                tokens[event.queue, target].append(event)
            if self._loads_program(event):
                halves[one["bank"]] = event

    def run(self, tile_steps: Mapping[int, NDArray[np.int64]]) -> Iterator[Span]:
        """All spans in the order of time."""
        time = 0
        for event in self.timeline.events:
            if event.queue == "array":
                yield from self._gap(event, time, event.start + 1)
                one = self.program[event.index]
                steps = gemm_busy(one["rows"], one["columns"], one["steps"], self.config).steps
                if event.index in tile_steps:
                    steps = int(tile_steps[event.index].sum())
                multiplied, time = event.start + 1 + steps, event.operands_end + 1
                yield Span(event.start + 1, multiplied, event.index, "array")
                if multiplied < time:
                    yield Span(multiplied, time, event.index, "drain")
        last = max(self.timeline.events, key=lambda event: event.done)
        yield from self._backwards(last, time, self.timeline.cycles)

    def _gap(self, event: Event, first: int, end: int) -> Iterator[Span]:
        """Cycles before a product starts."""
        if first < end:
            yield from self._backwards(self._holder(event), first, end)

    def _backwards(self, event: Event, first: int, end: int) -> Iterator[Span]:
        found: list[Span] = []
        while first < end:
            begin = max(first, event.start + 1) if event.index != BOOT else first
            if begin < end:
                found.append(Span(begin, end, event.index, self._reason(event)))
                end = begin
            if first < end:
                event = self._holder(event)
        return reversed(found)

    def _holder(self, event: Event) -> Event:
        """Event that the start of another one waited for; of several, the last in this list."""
        candidates = [(event.dispatch + 1, event)]
        if event.index in self.before:
            before = self.before[event.index]
            if event.queue != "array" or self._is_fenced(event):
                candidates.append((before.done + 1, before))
        if event.index in self.drained:
            candidates.append((self.drained[event.index].done + 1, self.drained[event.index]))
        candidates += [(giver.done + 1, giver) for giver in self.givers.get(event.index, [])]
        _, holder = max(reversed(candidates), key=lambda candidate: candidate[0])
        return self._dispatch_holder(event) if holder is event else holder

    def _dispatch_holder(self, event: Event) -> Event:
        """Event that the dispatch of another one waited for: the load of its segment, or who left its queue late."""
        while event.index > BOOT:
            loader, room = self.loaders.get(event.index), self.room.get(event.index)
            if loader is not None and event.dispatch == loader.done + 2:
                return loader
            if room is not None and event.dispatch == room.start + 1:
                return self._holder(room)
            event = self.events[event.index - 1]
        return event

    def _is_fenced(self, event: Event) -> bool:
        return bool(self.program[event.index]["fence"])

    def _loads_program(self, event: Event) -> bool:
        one = self.program[event.index]
        return one.operation == "load" and one["target"] == PROGRAM_TARGET

    def _reason(self, event: Event) -> Reason:
        if event.index == BOOT or self._loads_program(event):
            return "program"
        return _WAITS[event.queue]
