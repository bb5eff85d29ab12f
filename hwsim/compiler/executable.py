"""The executable: everything that the accelerator finds in DRAM to run one image, and where its results will be."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler.allocate import NEVER, DoesNotFitError, allocate, lifetimes
from hwsim.compiler.bands import has_bands
from hwsim.compiler.dependencies import Order, Ordering, concurrent_conflicts
from hwsim.compiler.emit import emit, program_section
from hwsim.compiler.image import place_sections
from hwsim.compiler.limits import check_limits, plane_bits
from hwsim.compiler.lower import Pass, lower
from hwsim.compiler.operations import Operation
from hwsim.compiler.plan import Options, Plan
from hwsim.compiler.proof import accumulator_bounds
from hwsim.compiler.schedule import schedule
from hwsim.compiler.support import check_config
from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError
from hwsim.isa import Instruction
from hwsim.network import Network

OPTIONS = (
    Options(score_slots=4, heads_ahead=3, score_tiles=4, stream_tiles=2),
    Options(score_slots=4, heads_ahead=2, score_tiles=4, stream_tiles=2),
    Options(score_slots=2, heads_ahead=2, score_tiles=4, stream_tiles=2),
    Options(score_slots=2, heads_ahead=2, score_tiles=2, stream_tiles=2),
    Options(score_slots=2, heads_ahead=1, score_tiles=2, stream_tiles=2),
    Options(score_slots=1, heads_ahead=1, score_tiles=1, stream_tiles=2),
)
"""From the most overlap to the least memory; the first that fits is taken."""

BAND_OPTIONS = (
    *(
        Options(score_slots=4, heads_ahead=2, score_tiles=4, stream_tiles=2, band_share=share)
        for share in (0.9, 0.7, 0.5, 0.3)
    ),
    Options(score_slots=2, heads_ahead=2, score_tiles=4, stream_tiles=2, band_share=0.3),
    Options(score_slots=1, heads_ahead=1, score_tiles=4, stream_tiles=2, band_share=0.2),
)
"""The same where the stream lies in DRAM."""

PLACEMENT_ROUNDS = 24


@dataclass(frozen=True, kw_only=True)
class TracedResult:
    """Where a traced instruction's result lies in DRAM, and which part of which tensor it is."""

    instruction: int
    layer: str
    tensor: str
    head: int | None
    first_row: int
    rows: int
    first_channel: int
    channels: int
    address: int
    """Of the first row."""
    row_bytes: int
    """From one row to the next."""
    offset_bytes: int
    """From the begin of a row to its first element."""
    element_bytes: int
    order: tuple[int, ...] | None = None
    """Rows of the tensor, where they do not follow each other."""
    channel_order: tuple[int, ...] | None = None
    """Channels of the tensor, where they do not follow each other."""

    def row(self, index: int) -> int:
        """Row of the tensor that one of the rows is."""
        return self.first_row + index if self.order is None else self.order[index]

    def channel(self, index: int) -> int:
        """Channel of the tensor that one of the channels is."""
        return self.first_channel + index if self.channel_order is None else self.channel_order[index]

    def codes(self, dram: NDArray[np.uint8]) -> NDArray[np.unsignedinteger[Any]]:
        """Raw codes[rows, channels] in a memory: uint8 or uint16."""
        lines = dram[self.address : self.address + self.rows * self.row_bytes].reshape(self.rows, self.row_bytes)
        used = lines[:, self.offset_bytes : self.offset_bytes + self.channels * self.element_bytes]
        return np.ascontiguousarray(used).view(f"<u{self.element_bytes}")

    def expected(self, tensor: NDArray[np.integer[Any]]) -> NDArray[np.unsignedinteger[Any]]:
        """The same part of the whole tensor, codes[rows, channels] or codes[heads, rows, columns], as raw codes."""
        rows = np.array([self.row(index) for index in range(self.rows)])[:, None]
        channels = np.array([self.channel(index) for index in range(self.channels)])
        part: NDArray[Any] = (tensor if self.head is None else tensor[self.head])[rows, channels]
        return (part.astype(np.int64) & ((1 << 8 * self.element_bytes) - 1)).astype(f"u{self.element_bytes}")


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """Where a tensor, or a part of one, lies in the activation buffer."""

    name: str
    first_word: int
    words: int
    banks: tuple[int, ...]
    first_instruction: int
    last_instruction: int


@dataclass(frozen=True, kw_only=True)
class Executable:
    """A program in DRAM, which begins at address 0."""

    config: AcceleratorConfig
    network: Network
    program: list[Instruction]
    dram: NDArray[np.uint8]
    """Initial memory: program, image (zeros), parameters, and room for the logits and traced results."""
    program_address: int
    input_address: int
    """uint8[height, width, channels], contiguous."""
    logits_address: int
    """int16[classes], little-endian."""
    results: list[TracedResult]
    """One for each compute instruction if it was compiled with a trace, else none."""
    layers: list[str | None]
    """Layer that each instruction works for (``Operation.layer``); None for loads of the program, and for ``end``."""
    heads: list[int | None]
    """Head of attention that each instruction works for, None where it works for no head or for all of them."""
    allocations: list[Allocation]
    bank_edges: int
    """Tokens and fences that only keep two ports apart in a bank."""
    peak_words: int
    """Words of the activation buffer in use at a time, at most."""

    def with_image(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Copy of the initial memory with an image in its place.

        Parameters
        ----------
        pixels : uint8[height, width, channels], or [height, width] where there is one channel
        """
        shape = self.network.tensor(self.network.manifest.input).shape
        if pixels.shape not in (shape, shape[:2] if shape[2] == 1 else shape) or pixels.dtype != np.uint8:
            raise HwsimError(f"the image is {pixels.dtype}{list(pixels.shape)}, expected uint8{list(shape)}")
        dram = self.dram.copy()
        dram[self.input_address : self.input_address + pixels.size] = np.ascontiguousarray(pixels).reshape(-1)
        return dram

    def logits(self, dram: NDArray[np.uint8]) -> NDArray[np.int16]:
        """int16[classes] that a run left in a memory."""
        end = self.logits_address + 2 * len(self.network.manifest.classes)
        return dram[self.logits_address : end].view("<i2").astype(np.int16)


def compile_executable(network: Network, config: AcceleratorConfig, trace: bool = False) -> Executable:
    """Compile a checked network to instructions.

    Parameters
    ----------
    trace : store the result of every compute instruction to DRAM

    Raises
    ------
    HwsimError
        If a layer has no instruction, does not fit the configuration, or could overflow an accumulator.
    """
    check_config(config)
    passes = lower(network)
    check_limits(network, passes, config)
    accumulator_bounds(network, passes, config)
    return compile_passes(network, passes, config, trace)


def compile_passes(network: Network, passes: list[Pass], config: AcceleratorConfig, trace: bool = False) -> Executable:
    """The same for passes that have been checked against the configuration.

    Raises
    ------
    HwsimError
        If a layer has no instruction, or the activations do not fit.
    """
    plan, operations = _plan_that_fits(network, passes, config, trace)
    order = Ordering(operations, config.buffer_words // config.activation_banks).run()
    return _executable(plan, operations, order)


def _plan_that_fits(
    network: Network, passes: list[Pass], config: AcceleratorConfig, trace: bool
) -> tuple[Plan, list[Operation]]:
    # outliers are written through three ports at a time, to banks that the first try often does not leave
    all_rounds = (1, PLACEMENT_ROUNDS) if any(plane_bits(network, one.output) for one in passes) else (1,)
    for rounds, options in product(all_rounds, BAND_OPTIONS if has_bands(passes) else OPTIONS):
        plan = Plan(network, config, options, trace)
        operations = schedule(plan, passes)
        conflicts = concurrent_conflicts(operations, Ordering(operations, None).run())
        try:
            price = allocate(operations, conflicts, config, rounds)
        except DoesNotFitError as error:
            failure: DoesNotFitError | None = error
            continue
        failure = None
        if price < NEVER:
            return plan, operations
    if failure is None:
        raise HwsimError(
            f"network {network.name}: two buffers that one instruction reads, or writes, share a bank wherever they"
            f" lie, expected more than activation_banks = {config.activation_banks} of {config.activation_buffer_bytes}"
            " bytes in all"
        )
    needs, limit = failure.buffer.words * config.word_bytes, config.activation_buffer_bytes
    beside = ", ".join(f"{buffer.name} {buffer.words * config.word_bytes}" for buffer in failure.beside)
    raise HwsimError(
        f"network {network.name}: tensor {failure.buffer.name} needs {needs} bytes of activations beside ({beside}),"
        f" expected at most activation_buffer_bytes = {limit}"
    )


def _executable(plan: Plan, operations: list[Operation], order: Order) -> Executable:
    config = plan.config
    program = program_section(len(operations), config)
    place_sections([program, *plan.sections], config)
    instructions, where = emit(operations, order, program, config)
    dram = place_sections([program, *plan.sections], config)
    addresses = {section.name: section.address for section in plan.sections}
    number = {operation: where[position] for position, operation in enumerate(operations)}
    results = [_traced(operation, number, config) for operation in operations if operation.made_by is not None]
    made_from = dict(zip(where, operations, strict=True))
    owners = [made_from.get(index) for index in range(len(instructions))]
    return Executable(
        config=config,
        network=plan.network,
        program=instructions,
        dram=dram,
        program_address=program.address,
        input_address=addresses["input"],
        logits_address=addresses["logits"],
        results=results,
        layers=[None if owner is None else owner.layer for owner in owners],
        heads=[None if owner is None else owner.head for owner in owners],
        allocations=_allocations(operations, where, config),
        bank_edges=order.bank_edges,
        peak_words=_peak_words(operations),
    )


def _allocations(operations: list[Operation], where: list[int], config: AcceleratorConfig) -> list[Allocation]:
    bank_words = config.buffer_words // config.activation_banks
    return [
        Allocation(
            name=buffer.name,
            first_word=buffer.base,
            words=buffer.words,
            banks=tuple(range(buffer.base // bank_words, (buffer.base + buffer.words - 1) // bank_words + 1)),
            first_instruction=where[first],
            last_instruction=where[last],
        )
        for buffer, (first, last) in lifetimes(operations).items()
    ]


def _peak_words(operations: list[Operation]) -> int:
    changes = np.zeros(len(operations) + 1, np.int64)
    for buffer, (first, last) in lifetimes(operations).items():
        changes[first] += buffer.words
        changes[last + 1] -= buffer.words
    return int(changes.cumsum().max())


def _traced(store: Operation, number: dict[Operation, int], config: AcceleratorConfig) -> TracedResult:
    result, maker = store.result, store.made_by
    assert result is not None
    assert maker is not None
    assert store.section is not None
    element = 2 if result.buffer.halfwords else 1
    return TracedResult(
        instruction=number[maker],
        layer=maker.layer,
        tensor=result.tensor,
        head=result.head,
        first_row=result.first_row,
        rows=result.rows,
        first_channel=result.first_channel,
        channels=result.channels,
        address=store.section.address,
        row_bytes=len(store.section.data) // result.rows,
        offset_bytes=(result.buffer_channel - store.fields["first_channel"]) * element,
        element_bytes=element,
        order=result.order,
        channel_order=result.channel_order,
    )
