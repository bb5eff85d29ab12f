"""Places of the buffers in the activation buffer: first fit by lifetime, apart from what other ports read or write."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from hwsim.compiler.operations import Buffer, Operation
from hwsim.compiler.place import NO_PLACE, place
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
    numbers = {buffer: number for number, buffer in enumerate(spans)}
    buffers = np.array([(buffer.words, *span) for buffer, span in spans.items()], np.int64).reshape(-1, 3)
    prices = np.zeros((len(spans), len(spans)), np.int64)
    for buffer, others in price.items():
        for other, cost in others.items():
            prices[numbers[buffer], numbers[other]] = cost
    words = config.buffer_words
    banks = config.activation_banks
    memory = np.array([words, words // banks, banks, REUSE_OPERATIONS], np.int64)
    bases = np.full(len(spans), NO_PLACE, np.int64)
    total = int(place(np.array([numbers[buffer] for buffer in order], np.int64), buffers, prices, memory, bases))
    if total < 0:
        placed, buffer = order[: -1 - total], order[-1 - total]
        first, last = spans[buffer]
        raise DoesNotFitError(buffer, [one for one in placed if spans[one][0] <= last and first <= spans[one][1]])
    return total, {buffer: int(bases[numbers[buffer]]) for buffer in order}
