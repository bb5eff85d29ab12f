"""Cycles of a program, exactly those of ``rtl/hws_top.sv``: one pass over the instructions in program order.

Cycle 0 is the one in which the controller begins (``begin_o`` of ``hws_host``). Every engine is rigid (see
``docs/microarchitecture.md``), so an instruction's times follow from those before it:

    dispatch = max(dispatch before + 1, its segment's load done + 2, start of the one queue_depth before it + 1)
    start    = max(dispatch + 1, engine ready, tokens' posts + 1, with fence: done of the one before it + 1)
    done     = what the engine's own formula says
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
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
UNDER_WAY_MAX = 2
"""Instructions of the array queue between start and done."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """When one instruction was dispatched, started, and had written its result; cycles since the begin."""

    index: int
    """Position in the program; -1 for the load of segment 0, which the controller makes."""
    queue: str
    dispatch: int
    start: int
    operands_end: int
    """Array: cycle in which the last step is issued; others: ``done``."""
    done: int


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
        self.tokens: dict[tuple[str, str], deque[int]] = defaultdict(deque)
        self.half_loaded = [0, 0]
        self.dispatched = 0
        self.array_last_step = -(1 << 40)

    def run(self, index: int, instruction: Instruction, earliest: int) -> None:
        queue = instruction.queue
        assert queue is not None
        earlier = self.by_queue[queue]
        room = earlier[-self.config.queue_depth].start + 1 if len(earlier) >= self.config.queue_depth else 0
        dispatch = max(self.dispatched + 1, earliest, room)
        start = max(dispatch + 1, self._engine_ready(queue, earlier), self._tokens_ready(index, queue, instruction))
        if earlier and instruction["fence"]:
            start = max(start, earlier[-1].done + 1)
        operands_end, done = self._done(index, queue, instruction, start)
        for target in queues_of(instruction["post"]):
            self.tokens[queue, target].append(done + 1)
        if queue == "dma" and instruction.operation == "load" and instruction["target"] == PROGRAM_TARGET:
            self.half_loaded[instruction["bank"]] = done
        event = Event(
            index=index, queue=queue, dispatch=dispatch, start=start, operands_end=operands_end, done=done
        )  # fmt: skip
        self.dispatched = dispatch
        earlier.append(event)
        self.events.append(event)

    def _engine_ready(self, queue: str, earlier: list[Event]) -> int:
        if not earlier:
            return 0
        if queue != "array":
            return earlier[-1].done + 1
        drained = earlier[-UNDER_WAY_MAX].done + 1 if len(earlier) >= UNDER_WAY_MAX else 0
        return max(earlier[-1].operands_end, drained)

    def _tokens_ready(self, index: int, queue: str, instruction: Instruction) -> int:
        ready = 0
        for source in queues_of(instruction["wait"]):
            if not self.tokens[source, queue]:
                raise HwsimError(
                    f"instruction {index} ({instruction.operation}) waits for a token from {source} that no instruction"
                    f" before it posts, expected a program in topological order"
                )
            ready = max(ready, self.tokens[source, queue].popleft())
        return ready

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
    segment = config.segment_instructions
    beats = segment * INSTRUCTION_BYTES // config.beat_bytes
    boot = Instruction("load", {"beats": beats, "target": PROGRAM_TARGET})
    scheduler.run(-1, boot, 1)
    for index, instruction in enumerate(program):
        earliest = scheduler.half_loaded[index // segment % 2] + 2 if index % segment == 0 else 0
        if instruction.operation == "end":
            shown = max(scheduler.dispatched + 1, earliest)
            finished = max([shown, *(event.done + 1 for event in scheduler.events)])
            return Timeline(
                cycles=finished + 1,
                busy_cycles={queue: _union(events) for queue, events in scheduler.by_queue.items()},
                events=tuple(scheduler.events),
            )
        scheduler.run(index, instruction, earliest)
    raise HwsimError(f"the program has {len(program)} instructions and no end")


def _union(events: list[Event]) -> int:
    """Cycles in which at least one instruction of a queue is between start and done."""
    total, covered = 0, -1
    for event in events:
        total += max(0, event.done - max(event.start, covered))
        covered = max(covered, event.done)
    return total
