"""From what operations read and write to tokens: which operation must wait for which, and no more than needed.

Operations keep the meaning that they have one after another in program order. Between queues p and q tokens are taken
in order, so an operation of q that needs the i-th operation of p waits only if i is beyond what q is known to have
waited for, directly or through others. A clock of an operation holds, for each queue, the last operation of that queue
whose result is written before this one starts.

Inside a queue the engines work in order. Only in the array two instructions overlap: the operand side of one with the
drain of the one before it (a GEMM's last step waits until the drain of the one before it has ended, and
the next GEMM starts after that). So a GEMM that reads what the one right before it writes needs a fence, and
so does one whose operands lie in a bank from which the drain of the one before it reads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from hwsim.compiler.operations import Access, Buffer, Operation
from hwsim.isa import QUEUES

ARRAY = QUEUES.index("array")
OPERAND_PORTS = ("read_row", "read_column")
Clock = list[int]


@dataclass(kw_only=True)
class Order:
    """Waits, posts and fences of every operation, by position in program order."""

    waits: list[set[int]]
    posts: list[set[int]]
    fences: list[bool]
    clocks: list[Clock]
    index: list[int]
    """Number of an operation in its queue."""
    bank_edges: int = 0
    """Tokens and fences that only a bank asks for."""


@dataclass(kw_only=True)
class Banks:
    """Banks of an operation's accesses as bit masks."""

    reads: int = 0
    operand_reads: int = 0
    skip_reads: int = 0
    writes: int = 0


def banks_of(operation: Operation, bank_words: int) -> Banks:
    """Banks that an operation with places reads and writes."""
    banks = Banks()
    for access in operation.accesses:
        if access.buffer.space != "activations":
            continue
        start, end = access.buffer.word_range(access)
        mask = (1 << (end - 1) // bank_words + 1) - (1 << start // bank_words)
        if access.writes:
            banks.writes |= mask
            continue
        banks.reads |= mask
        if access.port in OPERAND_PORTS:
            banks.operand_reads |= mask
        elif access.port == "read_skip":
            banks.skip_reads |= mask
    return banks


ByQueue = list[list[tuple[int, Access]]]
"""For each queue, numbers of operations in their order with what they access."""


def _by_queue() -> ByQueue:
    return [[] for _ in QUEUES]


@dataclass
class _History:
    """Accesses so far to one buffer, and to the buffers that had its words before."""

    reads: ByQueue = field(default_factory=_by_queue)
    writes: ByQueue = field(default_factory=_by_queue)
    last: Clock = field(default_factory=lambda: [-1] * len(QUEUES))
    before: list[Buffer] = field(default_factory=list)


class Ordering:
    """Walks the operations in program order and collects what each needs.

    Without ``bank_words`` every buffer counts as alone in the memory: for the plan before buffers have places.
    """

    def __init__(self, operations: Sequence[Operation], bank_words: int | None) -> None:
        self.operations, self.bank_words = operations, bank_words
        count = len(operations)
        self.order = Order(
            waits=[set() for _ in range(count)], posts=[set() for _ in range(count)], fences=[False] * count,
            clocks=[], index=[],
        )  # fmt: skip
        self.queues: list[list[int]] = [[] for _ in QUEUES]
        self.banks: list[Banks] = []
        self.in_banks: list[list[int]] = [[] for _ in QUEUES]
        self.histories: dict[Buffer, _History] = {}

    def run(self) -> Order:
        """Order of all operations."""
        for position in range(len(self.operations)):
            self._one(position)
        return self.order

    def _one(self, position: int) -> None:
        operation, order = self.operations[position], self.order
        queue = operation.queue
        index = len(self.queues[queue])
        clock = list(order.clocks[self.queues[queue][-1]]) if index else [-1] * len(QUEUES)
        clock[queue] = max(clock[queue], index - 2 if queue == ARRAY else index - 1)
        need = [-1] * len(QUEUES)
        reads_drain = False
        for access in operation.accesses:
            for other_queue, other_index, through_drain in self._hazards(access, clock):
                if other_queue == queue:  # only the array, and only its instruction right before this one
                    reads_drain |= through_drain and access.port in OPERAND_PORTS
                else:
                    need[other_queue] = max(need[other_queue], other_index)
        self.banks.append(banks_of(operation, self.bank_words) if self.bank_words is not None else Banks())
        only_data = self._after(clock, need)[0]
        for p, wanted in enumerate(self._in_the_same_bank(position, only_data)):
            order.bank_edges += wanted > need[p]
            need[p] = max(need[p], wanted)
        clock, taken = self._after(clock, need)
        if queue == ARRAY and clock[queue] < index - 1:
            order.bank_edges += not reads_drain and self._meets_drain(position)
            order.fences[position] = reads_drain or self._meets_drain(position)
            clock[queue] = index - 1 if order.fences[position] else clock[queue]
        for p in taken:
            order.waits[position].add(p)
            order.posts[self.queues[p][need[p]]].add(queue)
        order.clocks.append(clock)
        order.index.append(index)
        self.queues[queue].append(position)
        if self.banks[position].reads or self.banks[position].writes:
            self.in_banks[queue].append(position)
        self._remember(operation, queue, index)

    def _after(self, clock: Clock, need: Clock) -> tuple[Clock, list[int]]:
        """Clock once all that is needed is done, and the queues of which a token is taken for that.

        What was done before the latest of them is known to be done too, so that one comes first.
        """
        clock, taken = list(clock), []
        wanted = [p for p, index in enumerate(need) if index > clock[p]]
        if len(wanted) > 1:
            wanted.sort(key=lambda p: self.queues[p][need[p]], reverse=True)
        for p in wanted:
            if need[p] > clock[p]:
                taken.append(p)
                done = self.order.clocks[self.queues[p][need[p]]]
                clock = list(map(max, clock, done))
                clock[p] = need[p]
        return clock, taken

    def _meets_drain(self, position: int) -> bool:
        """Whether the drain of the GEMM before reads a bank of this one's operands."""
        before = self.banks[self.queues[ARRAY][-1]]
        return bool(before.skip_reads & self.banks[position].operand_reads)

    def _in_the_same_bank(self, position: int, clock: Clock) -> Clock:
        """Latest operation of each other queue that could still read, or write, a bank of this one."""
        mine, queue = self.banks[position], self.operations[position].queue
        latest = [-1] * len(QUEUES)
        for p in range(len(QUEUES)):
            if p == queue or not (mine.reads or mine.writes):
                continue
            for other in reversed(self.in_banks[p]):
                if self.order.index[other] <= clock[p]:
                    break
                theirs = self.banks[other]
                if theirs.reads & mine.reads or theirs.writes & mine.writes:
                    latest[p] = self.order.index[other]
                    break
        return latest

    # Hazards through memory

    def _hazards(self, access: Access, clock: Clock) -> Iterator[tuple[int, int, bool]]:
        """Queue and index of operations that must be done before an access, and whether they write what it reads."""
        history = self._history(access.buffer)
        for queue, index, other in _since(history.writes, clock):
            if access.overlaps(other):
                yield queue, index, not access.writes
        if not access.writes:
            return
        for queue, index, other in _since(history.reads, clock):
            if access.overlaps(other):
                yield queue, index, False
        for buffer in history.before:
            past = self.histories[buffer]
            if all(last <= done for last, done in zip(past.last, clock, strict=True)):
                continue
            start, end = access.buffer.word_range(access)
            for queue, index, other in chain(_since(past.reads, clock), _since(past.writes, clock)):
                first, last = buffer.word_range(other)
                if first < end and start < last:
                    yield queue, index, False

    def _history(self, buffer: Buffer) -> _History:
        if buffer not in self.histories:
            before: list[Buffer] = []
            if self.bank_words is not None and buffer.space == "activations":
                before = [
                    other
                    for other in self.histories
                    if other.space == "activations"
                    and other.base < buffer.base + buffer.words
                    and buffer.base < other.base + other.words
                ]
            self.histories[buffer] = _History(before=before)
        return self.histories[buffer]

    def _remember(self, operation: Operation, queue: int, index: int) -> None:
        for access in operation.accesses:
            history = self.histories[access.buffer]
            (history.writes if access.writes else history.reads)[queue].append((index, access))
            history.last[queue] = index


def _since(accesses: ByQueue, clock: Clock) -> Iterator[tuple[int, int, Access]]:
    """Queue, number and access of operations that a clock does not know to be done, the latest of a queue first."""
    for queue, entries in enumerate(accesses):
        if not entries or entries[-1][0] <= clock[queue]:
            continue
        for index, access in reversed(entries):
            if index <= clock[queue]:
                break
            yield queue, index, access


def concurrent_conflicts(operations: Sequence[Operation], order: Order) -> dict[tuple[Buffer, Buffer], int]:
    """How often two buffers could meet in a bank: read, or written, through two ports by operations at the same time.

    ``order`` is that of the plan without places, so the pairs are those that a good allocation keeps apart.
    """
    counts: dict[tuple[Buffer, Buffer], int] = defaultdict(int)
    queues: list[list[int]] = [[] for _ in QUEUES]
    for position, operation in enumerate(operations):
        clock, queue = order.clocks[position], operation.queue
        mine = [access for access in operation.accesses if access.buffer.space == "activations"]
        for p, others in enumerate(queues):
            if not mine:
                break
            for other in others[clock[p] + 1 :]:
                for theirs in operations[other].accesses:
                    if theirs.buffer.space != "activations":
                        continue
                    for access in mine:
                        meets = access.writes == theirs.writes and theirs.port != access.port
                        if (
                            meets
                            and theirs.buffer is not access.buffer
                            and (p != queue or _drain_meets(theirs, access))
                        ):
                            counts[theirs.buffer, access.buffer] += 1
        queues[queue].append(position)
    return counts


def _drain_meets(before: Access, after: Access) -> bool:
    """Whether, of two GEMMs in a row, the drain of the first reads beside the operands of the second."""
    return before.port == "read_skip" and after.port in OPERAND_PORTS
