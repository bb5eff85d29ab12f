"""Cycles of a program, exactly those of ``rtl/hws_top.sv``: one pass over the instructions in program order.

Cycle 0 is the one in which the controller begins (``begin_o`` of ``hws_host``). Every engine is rigid (see
``docs/microarchitecture.md``), so an instruction's times follow from those before it:

    dispatch = max(dispatch before + 1, its segment's load done + 2, start of the one queue_depth before it + 1)
    start    = max(dispatch + 1, engine ready, tokens' posts + 1, with fence: done of the one before it + 1)
    done     = what the engine's own formula says

Each event also says whose end its start waited for, so that ``hwsim/cost/waits.py`` can tell what a cycle goes to.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError
from hwsim.isa import INSTRUCTION_BYTES, LOAD_TARGETS, QUEUES, Instruction, queues_of
from hwsim.timing.dma import DmaState, dma_done
from hwsim.timing.dram import DramModel
from hwsim.timing.gemm import gemm_tile_times, gemm_times
from hwsim.timing.layernorm_engine import layernorm_done
from hwsim.timing.softmax_engine import softmax_done

PROGRAM_TARGET = LOAD_TARGETS.index("program")
BOOT = -1
"""Index of the load of segment 0, which the controller makes."""
UNDER_WAY_MAX = 2
"""Instructions of the array queue between start and done."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """When one instruction was dispatched, started, and had written its result; cycles since the begin."""

    index: int
    """Position in the program, or ``BOOT``."""
    queue: str
    dispatch: int
    start: int
    operands_end: int
    """Array: cycle in which the last step is issued; others: ``done``."""
    done: int
    held_by: int
    """Index of the event whose end the start waited for last. Where the dispatch was last, it is the load of the
    segment, or what held up the start of the event that had to leave the queue. The operand side of the array is none.
    """


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Times of a whole program."""

    cycles: int
    """What the register CYCLES reads afterwards."""
    busy_cycles: dict[str, int]
    """By queue, what the registers BUSY read."""
    events: tuple[Event, ...]


class _Scheduler:
    def __init__(self, config: AcceleratorConfig, dram: DramModel, tile_steps: Mapping[int, NDArray[np.int64]]) -> None:
        self.config = config
        self.tile_steps = tile_steps
        self.dma = DmaState(dram)
        self.events: list[Event] = []
        self.by_queue: dict[str, list[Event]] = {queue: [] for queue in QUEUES}
        self.tokens: dict[tuple[str, str], deque[Event]] = defaultdict(deque)
        self.half_loads: dict[int, Event] = {}
        self.dispatched = 0
        self.dispatch_held_by = BOOT
        self.array_last_step = -(1 << 40)

    def run(self, index: int, instruction: Instruction) -> None:
        queue = instruction.queue
        assert queue is not None
        earlier = self.by_queue[queue]
        self.dispatched = self._dispatch(index, earlier)
        start, held_by = self._start(index, queue, instruction, earlier)
        operands_end, done = self._done(index, queue, instruction, start)
        event = Event(
            index=index, queue=queue, dispatch=self.dispatched, start=start, operands_end=operands_end, done=done,
            held_by=held_by,
        )  # fmt: skip
        for target in queues_of(instruction["post"]):
            self.tokens[queue, target].append(event)
        if queue == "dma" and instruction.operation == "load" and instruction["target"] == PROGRAM_TARGET:
            self.half_loads[instruction["bank"]] = event
        earlier.append(event)
        self.events.append(event)

    def segment_load(self, index: int) -> Event | None:
        """Load of the segment that begins with an instruction."""
        segment = self.config.segment_instructions
        return self.half_loads.get(index // segment % 2) if index % segment == 0 else None

    def _dispatch(self, index: int, earlier: list[Event]) -> int:
        load, depth = self.segment_load(index), self.config.queue_depth
        left = earlier[-depth] if len(earlier) >= depth else None
        dispatch = self.dispatched + 1
        if left is not None and left.start + 1 >= dispatch:
            dispatch, self.dispatch_held_by = left.start + 1, left.held_by
        if load is not None and load.done + 2 >= dispatch:
            dispatch, self.dispatch_held_by = load.done + 2, load.index
        return dispatch

    def _start(self, index: int, queue: str, instruction: Instruction, earlier: list[Event]) -> tuple[int, int]:
        """Cycle, and the event that it waited for; of several, the one whose tokens are taken last."""
        start, held_by = self.dispatched + 1, self.dispatch_held_by
        for event in self._awaited(index, queue, instruction, earlier):
            if event.done + 1 >= start:
                start, held_by = event.done + 1, event.index
        if queue == "array" and earlier:
            start = max(start, earlier[-1].operands_end)
        return start, held_by

    def _awaited(self, index: int, queue: str, instruction: Instruction, earlier: list[Event]) -> Iterator[Event]:
        """Events that must have written their results before an instruction starts."""
        if earlier and (queue != "array" or instruction["fence"]):
            yield earlier[-1]
        if queue == "array" and len(earlier) >= UNDER_WAY_MAX:
            yield earlier[-UNDER_WAY_MAX]
        for source in queues_of(instruction["wait"]):
            if not self.tokens[source, queue]:
                raise HwsimError(
                    f"instruction {index} ({instruction.operation}) waits for a token from {source} that no instruction"
                    f" before it posts, expected a program in topological order"
                )
            yield self.tokens[source, queue].popleft()

    def _done(self, index: int, queue: str, instruction: Instruction, start: int) -> tuple[int, int]:
        if queue == "array":
            rows, columns, steps = instruction["rows"], instruction["columns"], instruction["steps"]
            if index in self.tile_steps:
                times = gemm_tile_times(start, self.tile_steps[index], self.array_last_step, self.config)
            else:
                times = gemm_times(start, rows, columns, steps, self.array_last_step, self.config)
            self.array_last_step = times[0]
            return times
        if queue == "softmax":
            done = softmax_done(start, instruction["rows"], instruction["columns"], self.config)
        elif queue == "layernorm":
            done = layernorm_done(start, instruction["rows"], instruction["channels"], self.config)
        else:
            done = dma_done(instruction, start, self.dma, self.config)
        return done, done


def schedule(
    program: Sequence[Instruction],
    config: AcceleratorConfig,
    dram: DramModel,
    tile_steps: Mapping[int, NDArray[np.int64]] | None = None,
) -> Timeline:
    """Times of a program that ends with ``end``.

    Parameters
    ----------
    tile_steps : reduction steps of each tile, by the number of a gemm in the program, as the interpreter counts them;
        a gemm that is absent has no outliers

    Raises
    ------
    HwsimError
        For a token that is waited for before it is posted.
    """
    scheduler = _Scheduler(config, dram, tile_steps or {})
    beats = config.segment_instructions * INSTRUCTION_BYTES // config.beat_bytes
    boot = Instruction("load", {"beats": beats, "target": PROGRAM_TARGET})
    scheduler.run(BOOT, boot)
    for index, instruction in enumerate(program):
        if instruction.operation == "end":
            load = scheduler.segment_load(index)
            shown = max(scheduler.dispatched + 1, load.done + 2 if load is not None else 0)
            finished = max([shown, *(event.done + 1 for event in scheduler.events)])
            return Timeline(
                cycles=finished + 1,
                busy_cycles={queue: _union(events) for queue, events in scheduler.by_queue.items()},
                events=tuple(scheduler.events),
            )
        scheduler.run(index, instruction)
    raise HwsimError(f"the program has {len(program)} instructions and no end")


def _union(events: list[Event]) -> int:
    """Cycles in which at least one instruction of a queue is between start and done."""
    total, covered = 0, -1
    for event in events:
        total += max(0, event.done - max(event.start, covered))
        covered = max(covered, event.done)
    return total
