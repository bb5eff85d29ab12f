"""Places of the buffers in the activation buffer: first fit by lifetime, apart from what other ports read or write."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations

from hwsim.compiler.operations import Buffer, Operation
from hwsim.config import AcceleratorConfig

NEVER = 1 << 40
"""Price of two buffers in one bank that one instruction reads, or writes, through two ports: no order repairs that."""

REUSE_OPERATIONS = 64
"""Words that another buffer has left so many operations before need no wait; fewer may, as queues run ahead."""


class DoesNotFitError(Exception):
    """A buffer has no place beside those that live at the same time."""

    def __init__(self, buffer: Buffer, beside: list[Buffer]) -> None:
        super().__init__(buffer.name)
        self.buffer, self.beside = buffer, beside


def lifetimes(operations: Sequence[Operation]) -> dict[Buffer, tuple[int, int]]:
    """First and last position at which each buffer of activations is used."""
    spans: dict[Buffer, tuple[int, int]] = {}
    for position, operation in enumerate(operations):
        for access in operation.accesses:
            if access.buffer.space == "activations":
                first, _ = spans.get(access.buffer, (position, position))
                spans[access.buffer] = (first, position)
    return spans


def operand_pairs(operations: Iterable[Operation]) -> set[tuple[Buffer, Buffer]]:
    """Buffers that one instruction reads, or writes, through two ports."""
    pairs = set()
    for operation in operations:
        for one, other in combinations([each for each in operation.accesses if each.buffer.space == "activations"], 2):
            if one.writes == other.writes and one.port != other.port:
                pairs.add((one.buffer, other.buffer))
    return pairs


def allocate(
    operations: Sequence[Operation],
    conflicts: dict[tuple[Buffer, Buffer], int],
    config: AcceleratorConfig,
    rounds: int = 1,
) -> int:
    """Set the base of every buffer and return the price of the conflicts that are left; ``NEVER`` and up is unusable.

    Parameters
    ----------
    rounds : tries with each order; those that found no place, or no bank of their own, come first in the next one

    Raises
    ------
    DoesNotFitError
        For a buffer without a place.
    """
    spans = lifetimes(operations)
    price: dict[Buffer, dict[Buffer, int]] = defaultdict(dict)
    hard = dict.fromkeys(operand_pairs(operations), NEVER)
    for (one, other), count in [*conflicts.items(), *hard.items()]:
        price[one][other] = price[one].get(other, 0) + count
        price[other][one] = price[other].get(one, 0) + count
    by_time = sorted(spans, key=lambda buffer: spans[buffer])
    by_size = sorted(spans, key=lambda buffer: (-buffer.words, spans[buffer]))
    best: tuple[int, dict[Buffer, int]] | None = None
    failure: DoesNotFitError | None = None
    for first_order in (by_time, by_size):
        order = first_order
        for _ in range(rounds):
            try:
                total, bases = _place(order, spans, price, config)
            except DoesNotFitError as error:
                failure, wrong = failure or error, {error.buffer}
            else:
                if best is None or total < best[0]:
                    best = total, bases
                wrong = _in_one_bank(hard, bases, config)
            if not wrong:
                break
            order = sorted(order, key=lambda buffer: buffer not in wrong)
    if best is None:
        assert failure is not None
        raise failure
    for buffer, base in best[1].items():
        buffer.base = base
    return best[0]


def _in_one_bank(
    pairs: Iterable[tuple[Buffer, Buffer]], bases: dict[Buffer, int], config: AcceleratorConfig
) -> set[Buffer]:
    """The later one of each pair that shares a bank."""
    bank_words = config.buffer_words // config.activation_banks
    banks = {
        buffer: range(base // bank_words, (base + buffer.words - 1) // bank_words + 1) for buffer, base in bases.items()
    }
    return {other for one, other in pairs if set(banks[one]) & set(banks[other])}


def _place(
    order: list[Buffer],
    spans: dict[Buffer, tuple[int, int]],
    price: dict[Buffer, dict[Buffer, int]],
    config: AcceleratorConfig,
) -> tuple[int, dict[Buffer, int]]:
    words, bank_words = config.buffer_words, config.buffer_words // config.activation_banks
    bases: dict[Buffer, int] = {}
    total = 0
    for buffer in order:
        first, last = spans[buffer]
        beside = [other for other in bases if spans[other][0] <= last and first <= spans[other][1]]
        taken = [(bases[other], bases[other] + other.words) for other in beside]
        edges = [0, *(bank * bank_words for bank in range(1, config.activation_banks)), *(end for _, end in taken)]
        starts = {edge for edge in edges if edge + buffer.words <= words}
        starts |= {start - buffer.words for start in [words, *(start for start, _ in taken)] if start >= buffer.words}
        free = [
            start
            for start in sorted(starts)
            if all(start + buffer.words <= begin or end <= start for begin, end in taken)
        ]
        if not free:
            raise DoesNotFitError(buffer, beside)
        rivals = [
            (bases[other] // bank_words, (bases[other] + other.words - 1) // bank_words, cost)
            for other, cost in price[buffer].items()
            if other in bases
        ]
        costs = {start: _cost(start, buffer.words, bank_words, rivals) for start in free}
        soon = _used_soon(buffer, bases, spans)
        waits = {start: _cost(start, buffer.words, 1, soon) for start in free}
        bases[buffer] = min(free, key=lambda start: (costs[start], waits[start], start))
        total += costs[bases[buffer]]
    return total, bases


def _used_soon(
    buffer: Buffer, bases: dict[Buffer, int], spans: dict[Buffer, tuple[int, int]]
) -> list[tuple[int, int, int]]:
    """First and last word of buffers shortly before or after this one, and by how much too shortly."""
    first, last = spans[buffer]
    found = []
    for other, base in bases.items():
        apart = max(spans[other][0] - last, first - spans[other][1])
        if 0 < apart < REUSE_OPERATIONS:
            found.append((base, base + other.words - 1, REUSE_OPERATIONS - apart))
    return found


def _cost(start: int, words: int, bank_words: int, rivals: list[tuple[int, int, int]]) -> int:
    first, last = start // bank_words, (start + words - 1) // bank_words
    return sum(cost for rival_first, rival_last, cost in rivals if rival_first <= last and first <= rival_last)
