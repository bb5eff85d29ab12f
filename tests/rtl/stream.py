"""Drives a unit's valid/ready streams, one loop a cycle, and checks the contract of ``rtl/README.md`` all the time.

A cycle: just after the rising edge the inputs change, at the falling edge everything has settled and is sampled, and
the next rising edge acts on it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge
from cocotb.types import LogicArray

from hwsim.config import AcceleratorConfig

Gate = Callable[[], bool]
"""Whether the source may offer, or the sink take, a word in this cycle."""

PATIENCE_CYCLES = 2_000


def configuration() -> AcceleratorConfig:
    """The accelerator that the runner built the unit for."""
    return AcceleratorConfig.model_validate_json(os.environ["HWSIM_CONFIG"])


def always() -> bool:
    """Never idle, never stall."""
    return True


def sometimes(seed: int, percent: int) -> Gate:
    """Open in about ``percent`` of the cycles."""
    rng = random.Random(seed)
    return lambda: rng.randrange(100) < percent


def bursts(seed: int, longest: int) -> Gate:
    """Open and shut for random stretches."""
    rng = random.Random(seed)
    state = {"open": True, "left": 0}

    def gate() -> bool:
        if state["left"] == 0:
            state["open"], state["left"] = not state["open"], rng.randint(1, longest)
        state["left"] -= 1
        return bool(state["open"])

    return gate


GATES: list[tuple[str, Callable[[], tuple[Gate, Gate]]]] = [
    ("idle source", lambda: (sometimes(1, 40), always)),
    ("slow sink", lambda: (always, sometimes(2, 40))),
    ("both", lambda: (sometimes(3, 70), sometimes(4, 60))),
    ("bursts", lambda: (bursts(5, 12), bursts(6, 40))),
]
"""Name and (source, sink) of each stalled run."""


def pack(values: Sequence[int], width: int) -> int:
    """Two's complement values side by side, the first in the low bits."""
    mask = (1 << width) - 1
    word = 0
    for i, value in enumerate(values):
        word |= (int(value) & mask) << (i * width)
    return word


def unpack(word: int, width: int, count: int, *, signed: bool = True) -> list[int]:
    """Inverse of ``pack``."""
    values = [(word >> (i * width)) & ((1 << width) - 1) for i in range(count)]
    return [v - (1 << width) if signed and v >> (width - 1) else v for v in values]


@dataclass
class Case:
    """Words for a unit, what must come out, and in how many cycles."""

    name: str
    words: list[tuple[int, ...]]
    """One tuple a word, in the order of the bench's input ports."""
    expected: list[tuple[int, ...]]
    cycles: int
    settings: dict[str, int] = field(default_factory=dict)
    """Configuration ports."""


@dataclass
class Stream:
    """A unit with one input and one output stream."""

    dut: Any
    inputs: Sequence[str]
    outputs: Sequence[str]
    prepare: Callable[[Stream, Case], Any] | None = None
    """Loads memories before a case."""

    async def start(self, settings: dict[str, int] | None = None) -> None:
        """Begin the clock, drive every input, reset."""
        dut = self.dut
        dut.rst_ni.value = 0
        dut.in_valid_i.value = 0
        dut.out_ready_i.value = 0
        for name in self.inputs:
            getattr(dut, name).value = self._undriven(name)
        for name, value in (settings or {}).items():
            getattr(dut, name).value = value
        cocotb.start_soon(Clock(dut.clk_i, 10, "ns").start(start_high=False))
        await self.reset()

    async def reset(self) -> None:
        """Two cycles of reset, after which nothing is offered."""
        self.dut.in_valid_i.value = 0
        self.dut.out_ready_i.value = 0
        self.dut.rst_ni.value = 0
        await FallingEdge(self.dut.clk_i)
        await FallingEdge(self.dut.clk_i)
        self.dut.rst_ni.value = 1
        await FallingEdge(self.dut.clk_i)
        assert self.dut.in_ready_o.value == 1, "in_ready must be high after reset"
        assert self.dut.out_valid_o.value == 0, "out_valid must be low after reset"

    async def run(self, case: Case, source: Gate = always, sink: Gate = always) -> int:
        """Send a case's words, check what comes out, and return the cycles from first accepted to last delivered."""
        for name, value in case.settings.items():
            getattr(self.dut, name).value = value
        if self.prepare is not None:
            await self.prepare(self, case)
        received: list[tuple[int, ...]] = []
        sent = first = cycle = moved = 0
        offered = held = None
        while len(received) < len(case.expected):
            await RisingEdge(self.dut.clk_i)
            if offered is None and sent < len(case.words) and source():
                offered = case.words[sent]
                self._drive(offered)
            elif offered is None:
                self._drive(None)
            ready = sink()
            self.dut.out_ready_i.value = int(ready)
            await FallingEdge(self.dut.clk_i)
            cycle += 1
            delivered = len(received)
            if self._bit("in_ready_o") and offered is not None:
                first = first if sent else cycle
                sent, offered, moved = sent + 1, None, cycle
            held = self._observe(held, ready, received)
            moved = cycle if len(received) > delivered else moved
            assert cycle - moved < PATIENCE_CYCLES, f"{case.name}: nothing moves; {len(received)} words came out"
            assert len(received) <= len(case.expected)
        await self._finish()
        assert sent == len(case.words), f"{case.name}: {sent} of {len(case.words)} words were taken"
        for i, (got, want) in enumerate(zip(received, case.expected, strict=True)):
            assert got == want, f"{case.name}: word {i} is {list(map(hex, got))}, expected {list(map(hex, want))}"
        return cycle - first + 1

    def _observe(
        self, held: tuple[int, ...] | None, ready: bool, received: list[tuple[int, ...]]
    ) -> tuple[int, ...] | None:
        """Take a word if it is there; return it if it must stay for the next cycle."""
        if not self._bit("out_valid_o"):
            assert held is None, "out_valid fell before out_ready rose"
            return None
        word = tuple(self._number(name) for name in self.outputs)
        assert held is None or held == word, "the payload changed while valid and not ready"
        if not ready:
            return word
        received.append(word)
        return None

    async def _finish(self) -> None:
        """Nothing may come out after the last word."""
        await RisingEdge(self.dut.clk_i)
        self._drive(None)
        self.dut.out_ready_i.value = 0
        await FallingEdge(self.dut.clk_i)
        assert not self._bit("out_valid_o"), "a word too many came out"

    def _drive(self, word: tuple[int, ...] | None) -> None:
        self.dut.in_valid_i.value = int(word is not None)
        for i, name in enumerate(self.inputs):
            getattr(self.dut, name).value = self._undriven(name) if word is None else word[i]

    def _undriven(self, name: str) -> Any:
        """A payload without valid: unknown where the simulator knows unknowns, so that nobody can depend on it."""
        width = len(getattr(self.dut, name))
        if cocotb.SIM_NAME.startswith("Icarus"):
            return LogicArray("X" * width)
        return random.getrandbits(width)

    def _bit(self, name: str) -> bool:
        value = getattr(self.dut, name).value
        assert value.is_resolvable, f"{name} is unknown"
        return bool(value)

    def _number(self, name: str) -> int:
        value = getattr(self.dut, name).value
        assert value.is_resolvable, f"{name} is unknown while valid"
        return int(value) if not isinstance(value, LogicArray) else value.to_unsigned()


async def check_cases(stream: Stream, cases: Sequence[Case]) -> None:
    """Each case without stalls, where bits and cycles must match, then all gates, where bits must."""
    assert cases
    for case in cases:
        cycles = await stream.run(case)
        assert cycles == case.cycles, f"{case.name}: {cycles} cycles, the formula says {case.cycles}"
    stream.dut._log.info("%d cases: bits and cycles", len(cases))


async def check_stalls(stream: Stream, cases: Sequence[Case]) -> None:
    """The same words whatever the source and the sink do, and whenever a reset came."""
    assert cases
    for name, gates in GATES:
        for case in cases:
            await stream.run(case, *gates())
        stream.dut._log.info("%d cases with %s", len(cases), name)


async def check_reset(stream: Stream, case: Case, cycles: Sequence[int] = (1, 2, 3, 5, 9, 17, 40)) -> None:
    """A reset in the middle of a case leaves nothing behind."""
    for count in cycles:
        for name, value in case.settings.items():
            getattr(stream.dut, name).value = value
        for word in case.words[:count]:
            await RisingEdge(stream.dut.clk_i)
            stream._drive(word)
            stream.dut.out_ready_i.value = 1
            await FallingEdge(stream.dut.clk_i)
        await stream.reset()
        assert await stream.run(case) == case.cycles
