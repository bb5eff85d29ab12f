"""First fit over time and words, in machine code: a program has some hundred buffers, and each is tried in many places.

A buffer may begin at 0, at a bank, where another ends, or so that it ends where another begins; of the places that are
free in its time the cheapest is taken: by the conflicts in its banks, then by words that another buffer used a moment
ago, then the lowest.
"""

from __future__ import annotations

import numpy as np
from numba import njit

NO_PLACE = -1
_WORDS, _FIRST, _LAST = range(3)


@njit("boolean(int64, int64, int64, int64, int64)", cache=True)
def _meets(first: int, last: int, rival_base: int, rival_words: int, bank_words: int) -> bool:
    """Whether banks ``first`` to ``last`` hold a part of another buffer."""
    return rival_base // bank_words <= last and first <= (rival_base + rival_words - 1) // bank_words


@njit("boolean(int64, int64, int64[:, :])", cache=True)
def _lives_beside(one: int, other: int, buffers: np.ndarray) -> bool:
    """Whether two buffers live at the same time."""
    found: bool = buffers[other, _FIRST] <= buffers[one, _LAST] and buffers[one, _FIRST] <= buffers[other, _LAST]
    return found


@njit("int64[:](int64, int64[:], int64[:, :], int64[:], int64[:])", cache=True)
def _starts(mine: int, placed: np.ndarray, buffers: np.ndarray, memory: np.ndarray, bases: np.ndarray) -> np.ndarray:
    """Words at which a buffer may begin, whether free or not; several may be equal."""
    words, bank_words, banks, _ = memory
    size = buffers[mine, _WORDS]
    starts = np.empty(banks + 2 * len(placed) + 1, np.int64)
    starts[:banks] = np.arange(banks) * bank_words
    starts[banks] = words - size
    count = banks + 1
    for other in placed:
        if _lives_beside(mine, other, buffers):
            starts[count] = bases[other] + buffers[other, _WORDS]
            starts[count + 1] = bases[other] - size
            count += 2
    return starts[:count]


@njit("boolean(int64, int64, int64[:], int64[:, :], int64, int64[:])", cache=True)
def _is_free(start: int, mine: int, placed: np.ndarray, buffers: np.ndarray, words: int, bases: np.ndarray) -> bool:
    size = buffers[mine, _WORDS]
    if start < 0 or start + size > words:
        return False
    for other in placed:
        overlaps = start < bases[other] + buffers[other, _WORDS] and bases[other] < start + size
        if overlaps and _lives_beside(mine, other, buffers):
            return False
    return True


@njit("UniTuple(int64, 3)(int64, int64, int64[:], int64[:, :], int64[:, :], int64[:], int64[:])", cache=True)
def _price(
    start: int, mine: int, placed: np.ndarray, buffers: np.ndarray, price: np.ndarray, memory: np.ndarray,
    bases: np.ndarray,
) -> tuple[int, int, int]:  # fmt: skip
    """Conflicts in the banks, words used a moment ago by how much too shortly, and the place itself."""
    _, bank_words, _, soon = memory
    end = start + buffers[mine, _WORDS] - 1
    cost = wait = 0
    for other in placed:
        base, size = bases[other], buffers[other, _WORDS]
        if price[mine, other] and _meets(start // bank_words, end // bank_words, base, size, bank_words):
            cost += price[mine, other]
        apart = max(buffers[other, _FIRST] - buffers[mine, _LAST], buffers[mine, _FIRST] - buffers[other, _LAST])
        if 0 < apart < soon and _meets(start, end, base, size, 1):
            wait += soon - apart
    return cost, wait, start


@njit("int64(int64[:], int64[:, :], int64[:, :], int64[:], int64[:])", cache=True)
def place(order: np.ndarray, buffers: np.ndarray, price: np.ndarray, memory: np.ndarray, bases: np.ndarray) -> int:
    """Fill ``bases`` in an order; the price of the conflicts, or -1 - (position in ``order``) of what has no place.

    Parameters
    ----------
    order : int64[buffers], numbers of buffers
    buffers : int64[buffers, 3]: words, first and last operation
    price : int64[buffers, buffers], of a common bank
    memory : words, words of a bank, banks, operations after which words are used again without a wait
    bases : int64[buffers], result
    """
    total = 0
    for position in range(len(order)):
        mine, placed = order[position], order[:position]
        best = (0, 0, NO_PLACE)
        for start in _starts(mine, placed, buffers, memory, bases):
            if _is_free(start, mine, placed, buffers, memory[0], bases):
                found = _price(start, mine, placed, buffers, price, memory, bases)
                if best[2] == NO_PLACE or found < best:
                    best = found
        if best[2] == NO_PLACE:
            return -1 - position
        bases[mine] = best[2]
        total += best[0]
    return total
