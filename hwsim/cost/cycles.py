"""Cycles and traffic of a compiled program by layer: the schedule of ``hwsim/timing``, which is the Verilog's.

Every cycle of the program is spent on one layer (``hwsim/cost/waits.py`` says on which), so the layers' cycles add up
to the program's. Besides, a layer has the times of its first start and of its last result, and the cycles in which its
unit works for it; those of different layers overlap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler.executable import Executable
from hwsim.compiler.program import Program
from hwsim.config import AcceleratorConfig
from hwsim.cost.traffic import Owner, Traffic, add_traffic, boot_traffic, traffic_by_owner
from hwsim.cost.waits import REASONS, Reason, spans
from hwsim.timing.dram import LATENCY_CYCLES, DramModel
from hwsim.timing.schedule import BOOT, Event, Timeline, schedule

QUEUE_OF_UNIT = {"pe_array": "array", "softmax": "softmax", "layernorm": "layernorm", "controller": "dma"}


@dataclass(frozen=True, kw_only=True)
class LayerCycles:
    """When one layer runs and what it costs the program; cycles since the program began."""

    start: int
    """First instruction of its unit starts."""
    end: int
    """Cycle after its last result is written."""
    busy: int
    """Cycles in which its unit has an instruction of it between start and result."""
    spent: dict[Reason, int]
    """Cycles of the program that go to it, by what the array does or waits for; every reason is present."""

    @property
    def total(self) -> int:
        """Cycles of the program that go to this layer."""
        return sum(self.spent.values())


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Times and traffic of a program, whole and by layer."""

    timeline: Timeline
    dram: DramModel
    owners: tuple[Owner, ...]
    """Of each instruction."""
    cycles: dict[Owner, LayerCycles]
    traffic: dict[Owner, Traffic]

    def owner(self, event: Event) -> Owner:
        """Layer that an event belongs to."""
        return None if event.index == BOOT else self.owners[event.index]


def profile(
    executable: Executable,
    program: Program,
    tile_steps: Mapping[int, NDArray[np.int64]] | None = None,
    dram: DramModel | None = None,
) -> Profile:
    """Schedule an executable and split its cycles and traffic by layer.

    Parameters
    ----------
    program : the same network, compiled to passes
    tile_steps : reduction steps of each tile of a product with outliers, by its number in the program
    dram : None for the one that ``hwsim run`` and ``hwsim verify`` assume
    """
    memory = dram or DramModel(latency=LATENCY_CYCLES)
    steps = tile_steps or {}
    config, instructions = executable.config, executable.program
    timeline = schedule(instructions, config, memory, steps)
    owner_of = _owners(executable, program)
    spent: dict[Owner, dict[Reason, int]] = {owner: dict.fromkeys(REASONS, 0) for owner in [None, *owner_of]}
    for span in spans(instructions, timeline, config, steps):
        owner = None if span.instruction == BOOT else owner_of[span.instruction]
        spent[owner][span.reason] += span.end - span.first
    traffic = traffic_by_owner(instructions, owner_of, config, steps)
    traffic[None] = add_traffic(traffic[None], boot_traffic(config))
    queues: dict[Owner, str] = {one.name: QUEUE_OF_UNIT[one.unit] for one in program.passes} | {None: "dma"}
    events: dict[Owner, list[Event]] = {owner: [] for owner in spent}
    for event in timeline.events:
        owner = None if event.index == BOOT else owner_of[event.index]
        if event.queue == queues[owner]:
            events[owner].append(event)
    cycles = {owner: _layer_cycles(mine, spent[owner]) for owner, mine in events.items()}
    return Profile(timeline=timeline, dram=memory, owners=tuple(owner_of), cycles=cycles, traffic=traffic)


def _owners(executable: Executable, program: Program) -> list[Owner]:
    """Pass that each instruction of an executable works for, in order.

    Parameters
    ----------
    program : the same network, compiled to passes
    """
    names = {layer: one.name for one in program.passes for layer in one.layers}
    return [None if layer is None else names[layer] for layer in executable.layers]


def _layer_cycles(events: list[Event], spent: dict[Reason, int]) -> LayerCycles:
    work = merged((event.start + 1, event.done + 1) for event in events)
    return LayerCycles(
        start=min(event.start for event in events), end=work[-1][1], busy=sum(end - begin for begin, end in work),
        spent=spent,
    )  # fmt: skip


def merged(stretches: Iterable[tuple[int, int]], gap: int = 0) -> list[tuple[int, int]]:
    """Begins and ends, in order of their begins, with those joined that overlap or lie at most ``gap`` apart."""
    joined: list[tuple[int, int]] = []
    for begin, end in stretches:
        if joined and begin <= joined[-1][1] + gap:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return joined


def utilization(macs: int, cycles: int, config: AcceleratorConfig) -> Fraction:
    """Share of the array's multipliers that do wanted work: ``macs / (rows * columns * cycles)``."""
    return Fraction(macs, config.array_rows * config.array_columns * cycles) if cycles else Fraction(0)
