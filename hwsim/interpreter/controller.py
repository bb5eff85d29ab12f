"""The controller: runs a program out of the instruction buffer, which the program itself fills segment by segment.

START loads segment 0 into half 0. Instructions come out of one half after the other; a half that nobody has filled
since it was last left has no instruction in it, and the hardware would wait for ever.

Any order that queues and tokens allow is an order of the hardware, so all of them must have one result. The program's
order executes each instruction when it is fetched. An order of queues fetches while there is room, and executes the
head of the first queue in that order whose tokens are there. What comes first runs ahead as far as the tokens let it,
so a token that is missing shows as another result.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler.program import OperandCounts
from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError
from hwsim.interpreter.execute import execute
from hwsim.interpreter.state import State
from hwsim.isa import INSTRUCTION_BYTES, LOAD_TARGETS, QUEUES, Instruction, decode, queues_of

TOKENS_MAX = 255
"""A counter of tokens has 8 bits."""
PROGRAM_TARGET = LOAD_TARGETS.index("program")


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One instruction that was executed."""

    index: int
    """Its number in the program, from 0."""
    instruction: Instruction
    operand_counts: OperandCounts | None
    """Row operands that a gemm decoded, each once; each is used in ``columns`` multiplications."""
    tile_steps: tuple[int, ...] | None
    """Reduction steps of each tile of a gemm, outliers included, in the order of the tiles."""


@dataclass(frozen=True, kw_only=True)
class ProgramResult:
    """What a program leaves behind."""

    dram: NDArray[np.uint8]
    executions: tuple[Execution, ...]
    """In program order, ``end`` the last; START's load of segment 0 is not among them."""
    state: State
    """The memories as they are at the end."""

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        """Executed instructions in program order."""
        return tuple(one.instruction for one in self.executions)

    @property
    def tile_steps(self) -> dict[int, NDArray[np.int64]]:
        """Reduction steps of each tile of every gemm, by the gemm's number in the program."""
        return {one.index: np.array(one.tile_steps) for one in self.executions if one.tile_steps is not None}


def run_program(
    dram: NDArray[np.uint8],
    config: AcceleratorConfig,
    program_address: int = 0,
    queue_order: Sequence[str] | None = None,
) -> ProgramResult:
    """Run a program to its end.

    Parameters
    ----------
    dram : uint8[bytes], left as it is
    program_address : byte address of its first instruction, a multiple of a burst
    queue_order : queues, the most urgent first; None for the order of the program

    Raises
    ------
    HwsimError
        For an instruction that the hardware would refuse or never start.
    """
    state = State(np.array(dram, np.uint8), config)
    beats = config.segment_instructions * INSTRUCTION_BYTES // config.beat_bytes
    execute(Instruction("load", {"address": program_address, "beats": beats, "target": PROGRAM_TARGET}), state)
    fetcher, runner = _Fetcher(state), _Runner(state)
    if queue_order is None:
        _run_in_program_order(fetcher, runner)
    elif sorted(queue_order) != sorted(QUEUES):
        raise HwsimError(f"queue_order is {', '.join(queue_order)}, expected each of {', '.join(QUEUES)} once")
    else:
        _run_in_queues(fetcher, runner, queue_order, config.queue_depth)
    ordered = tuple(sorted(runner.executions, key=lambda one: one.index))
    return ProgramResult(dram=state.dram, executions=ordered, state=state)


class _Fetcher:
    """Takes instructions out of the instruction buffer, half by half."""

    def __init__(self, state: State) -> None:
        self.number = 0
        """Number of the next instruction."""
        self._state, self._half, self._place = state, 0, 0

    def fetch(self) -> Instruction | None:
        """Next instruction, or None where its half has not been loaded."""
        if self._half not in self._state.filled_halves:
            return None
        try:
            instruction = decode(self._state.program[self._half, self._place].tobytes())
        except HwsimError as error:
            raise HwsimError(f"instruction {self.number}: {error}") from error
        self.number += 1
        self._place += 1
        if self._place == self._state.config.segment_instructions:
            self._state.filled_halves.discard(self._half)
            self._half, self._place = 1 - self._half, 0
        return instruction


class _Runner:
    """Executes instructions whose tokens are there."""

    def __init__(self, state: State) -> None:
        self.executions: list[Execution] = []
        self._state = state
        self._tokens = dict.fromkeys(((giver, taker) for giver in QUEUES for taker in QUEUES), 0)

    def missing(self, instruction: Instruction) -> list[str]:
        """Queues whose token the instruction waits for."""
        taker = instruction.queue
        return [giver for giver in queues_of(instruction["wait"]) if taker and self._tokens[giver, taker] == 0]

    def run(self, number: int, instruction: Instruction) -> None:
        """Take the tokens, execute, post."""
        try:
            missing = self.missing(instruction)
            if missing:
                raise HwsimError(f"waits for a token of {', '.join(missing)}, which has not been posted")
            work = execute(instruction, self._state)
            self._exchange_tokens(instruction)
        except HwsimError as error:
            raise _named(number, instruction, str(error)) from error
        counts, tile_steps = (work.operand_counts, tuple(work.tile_steps.tolist())) if work else (None, None)
        self.executions.append(
            Execution(index=number, instruction=instruction, operand_counts=counts, tile_steps=tile_steps)
        )

    def _exchange_tokens(self, instruction: Instruction) -> None:
        queue = instruction.queue
        if queue is None:
            return
        for giver in queues_of(instruction["wait"]):
            self._tokens[giver, queue] -= 1
        for taker in queues_of(instruction["post"]):
            self._tokens[queue, taker] += 1
            if self._tokens[queue, taker] > TOKENS_MAX:
                raise HwsimError(
                    f"{queue} has posted {TOKENS_MAX + 1} tokens for {taker}, expected at most {TOKENS_MAX}"
                )


def _run_in_program_order(fetcher: _Fetcher, runner: _Runner) -> None:
    while True:
        number, instruction = fetcher.number, fetcher.fetch()
        if instruction is None:
            raise _not_loaded(number)
        runner.run(number, instruction)
        if instruction.operation == "end":
            return


def _run_in_queues(fetcher: _Fetcher, runner: _Runner, order: Sequence[str], depth: int) -> None:
    queues: dict[str, deque[tuple[int, Instruction]]] = {queue: deque() for queue in QUEUES}
    held: tuple[int, Instruction] | None = None  # fetched, and its queue has no room yet
    while True:
        ready = next((q for q in order if queues[q] and not runner.missing(queues[q][0][1])), None)
        if held is None:
            number = fetcher.number
            fetched = fetcher.fetch()
            held = None if fetched is None else (number, fetched)
        if held is not None and held[1].queue is not None and len(queues[held[1].queue]) < depth:
            queues[held[1].queue].append(held)
            held = None
        elif ready is not None:
            runner.run(*queues[ready].popleft())
        elif held is not None and held[1].operation == "end" and not any(queues.values()):
            runner.run(*held)
            return
        else:
            raise _stuck(fetcher.number, held, queues)


def _stuck(
    number: int, held: tuple[int, Instruction] | None, queues: dict[str, deque[tuple[int, Instruction]]]
) -> HwsimError:
    waiting = [queue[0] for queue in queues.values() if queue]
    if waiting:
        return _named(
            *min(waiting, key=lambda one: one[0]), "waits for a token, and nothing that could post it can start"
        )
    return _not_loaded(number) if held is None else _named(*held, "cannot be executed")


def _not_loaded(number: int) -> HwsimError:
    return HwsimError(f"instruction {number}: its segment has not been loaded into the instruction buffer")


def _named(number: int, instruction: Instruction, reason: str) -> HwsimError:
    return HwsimError(f"instruction {number} ({instruction.operation}, tag {instruction['tag']}): {reason}")
