"""Cycles of a program and nothing else: what ``hwsim.timing.schedule`` finds, without events, for many configurations.

An engine's time does not depend on the cycle in which it starts, as long as DRAM does not stall. So each distinct
instruction's time is asked once of the engine's own formula, and what is left is the recurrence of
``hwsim.timing.schedule``, here over arrays:

    dispatch = max(dispatch before + 1, its segment's load done + 2, start of the one queue_depth before it + 1)
    start    = max(dispatch + 1, engine ready, tokens' posts + 1, with fence: done of the one before it + 1)
    array    last step = max(start + steps, last step before + gap) + later tiles;  done = last step + gap
    others   done = start + time

Both are asserted equal, difference 0, in ``tests/test_timing_cycles.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError
from hwsim.isa import INSTRUCTION_BYTES, QUEUES, Instruction
from hwsim.timing.dma import DmaState, dma_done, place_in_burst
from hwsim.timing.dram import LATENCY_CYCLES, DramModel
from hwsim.timing.gemm import gemm_gap, gemm_tile_times, gemm_times
from hwsim.timing.layernorm_engine import layernorm_done
from hwsim.timing.schedule import PROGRAM_TARGET
from hwsim.timing.softmax_engine import softmax_done

ARRAY = QUEUES.index("array")
LONG_AGO = -(1 << 40)
_TIMED_FIELDS = {
    "gemm": ("rows", "columns", "steps"),
    "softmax": ("rows", "columns"),
    "layernorm": ("rows", "channels"),
    "load": ("beats", "target", "packed", "steps", "bytes", "run_bytes", "runs", "lines", "first_channel"),
    "store": ("beats",),
}
"""What an instruction's time depends on beside the configuration, and where in a burst an address lies."""
_QUEUE, _WAITS, _POSTS, _FENCE, _HALF = range(5)


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """What the schedule needs of a program, ``end`` not counted."""

    control: NDArray[np.int64]
    """int64[instructions, 5]: queue, masks of the queues whose tokens are taken and posted, fence, and the half of the
    instruction buffer that a load of the program fills, else -1."""
    kinds: tuple[Instruction, ...]
    """One instruction of each time."""
    kind_of: NDArray[np.int64]
    """int64[instructions]: place in ``kinds``."""


def skeleton(program: Sequence[Instruction], config: AcceleratorConfig) -> Skeleton:
    """Skeleton of a program that ends with ``end``, compiled for a configuration.

    Raises
    ------
    HwsimError
        If it has no end.
    """
    end = next((index for index, one in enumerate(program) if one.operation == "end"), None)
    if end is None:
        raise HwsimError(f"the program has {len(program)} instructions and no end")
    control = np.zeros((end, 5), np.int64)
    places: dict[tuple[str | int, ...], int] = {}
    kinds: list[Instruction] = []
    kind_of = np.zeros(end, np.int64)
    for index, one in enumerate(program[:end]):
        assert one.queue is not None
        loads_program = one.operation == "load" and one["target"] == PROGRAM_TARGET
        half = one["bank"] if loads_program else -1
        control[index] = QUEUES.index(one.queue), one["wait"], one["post"], one["fence"], half
        place = place_in_burst(one, config) if one.queue == "dma" else 0
        key: tuple[str | int, ...] = (one.operation, place, *(one[name] for name in _TIMED_FIELDS[one.operation]))
        if key not in places:
            places[key] = len(kinds)
            kinds.append(one)
        kind_of[index] = places[key]
    return Skeleton(control=control, kinds=tuple(kinds), kind_of=kind_of)


def program_cycles(
    program: Skeleton,
    config: AcceleratorConfig,
    latency: int = LATENCY_CYCLES,
    tile_steps: Mapping[int, NDArray[np.int64]] | None = None,
) -> int:
    """Cycles of a program, as ``schedule(...).cycles`` says, behind a DRAM without stalls.

    Parameters
    ----------
    latency : cycles of DRAM to a burst's first beat
    tile_steps : reduction steps of each tile of a product with outliers, by its number in the program

    Raises
    ------
    HwsimError
        For a token that is waited for before it is posted.
    """
    times = np.array([_time(one, config, latency) for one in program.kinds], np.int64).reshape(-1, 2)[program.kind_of]
    for index, steps in (tile_steps or {}).items():
        times[index] = int(steps[0]), gemm_tile_times(0, steps, LONG_AGO, config).last_step
    beats = config.segment_instructions * INSTRUCTION_BYTES // config.beat_bytes
    boot = _time(Instruction("load", {"beats": beats, "target": PROGRAM_TARGET}), config, latency)[1]
    numbers = np.array([config.queue_depth, config.segment_instructions, gemm_gap(config), boot], np.int64)
    cycles = int(_cycles(program.control, times, numbers))
    if cycles < 0:
        raise HwsimError(
            f"instruction {-2 - cycles} waits for a token that no instruction before it posts, expected a program in"
            " topological order"
        )
    return cycles


def _time(one: Instruction, config: AcceleratorConfig, latency: int) -> tuple[int, int]:
    """Reduction steps of the first tile (0 outside the array), and cycles from the start to last step or done."""
    if one.operation == "gemm":
        return one["steps"], gemm_times(0, one["rows"], one["columns"], one["steps"], LONG_AGO, config).last_step
    if one.operation == "softmax":
        return 0, softmax_done(0, one["rows"], one["columns"], config)
    if one.operation == "layernorm":
        return 0, layernorm_done(0, one["rows"], one["channels"], config)
    return 0, dma_done(one, 0, DmaState(DramModel(latency=latency)), config)


@njit("int64(int64, int64, int64[:])", cache=True)
def _segment_ready(index: int, segment: int, half_done: np.ndarray) -> int:
    """First cycle in which an instruction may be dispatched for its segment's sake."""
    half = index // segment % 2
    return half_done[half] + 2 if index % segment == 0 and half_done[half] >= 0 else 0


@njit("int64(int64[:, :], int64[:, :], int64[:])", cache=True)
def _cycles(control: np.ndarray, times: np.ndarray, numbers: np.ndarray) -> int:
    """Cycles; or -2 - (number of the instruction, from 0) where a token is missing.

    Parameters
    ----------
    control : of a ``Skeleton``
    times : int64[instructions, 2], of ``_time``
    numbers : queue depth, instructions of a segment, gap of the array, time of the load of segment 0
    """
    depth, segment, gap, boot = numbers
    count = len(control)
    starts, dones = np.zeros((4, count + 1), np.int64), np.zeros((4, count + 1), np.int64)
    entered = np.zeros(4, np.int64)
    posted = np.zeros((4, 4, count + 1), np.int64)
    posts, taken = np.zeros((4, 4), np.int64), np.zeros((4, 4), np.int64)
    half_done = np.full(2, -1, np.int64)
    dispatch, last_step, finished = 1, LONG_AGO, 0
    starts[0, 0] = dispatch + 1
    dones[0, 0] = half_done[0] = finished = dispatch + 1 + boot
    entered[0] = 1
    for index in range(count):
        queue, waits, post, fence, half = control[index]
        place = entered[queue]
        dispatch += 1
        if place >= depth:
            dispatch = max(dispatch, starts[queue, place - depth] + 1)
        dispatch = max(dispatch, _segment_ready(index, segment, half_done))
        start = dispatch + 1
        if place > 0 and (queue != ARRAY or fence):
            start = max(start, dones[queue, place - 1] + 1)
        if queue == ARRAY:
            start = max(start, last_step, dones[queue, place - 2] + 1 if place > 1 else 0)
        for source in range(4):
            if waits >> source & 1:
                if taken[source, queue] == posts[source, queue]:
                    return -2 - index
                start = max(start, posted[source, queue, taken[source, queue]] + 1)
                taken[source, queue] += 1
        steps, time = times[index]
        done = start + time
        if queue == ARRAY:
            last_step = max(start + steps, last_step + gap) + time - steps
            done = last_step + gap
        for target in range(4):
            if post >> target & 1:
                posted[queue, target, posts[queue, target]] = done
                posts[queue, target] += 1
        if half >= 0:
            half_done[half] = done
        starts[queue, place], dones[queue, place] = start, done
        entered[queue] += 1
        finished = max(finished, done)
    cycles: int = max(dispatch + 1, _segment_ready(count, segment, half_done), finished + 1) + 1
    return cycles
