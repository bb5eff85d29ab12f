"""Everything that the accelerator remembers, and DRAM: arrays as wide as the hardware's memories.

The memories are empty (zero) at the start; the hardware's hold unknown values, which a correct program never reads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler.program import OperandCounts
from hwsim.config import AcceleratorConfig
from hwsim.formats import Terms
from hwsim.interpreter.activation_buffer import ActivationBuffer
from hwsim.isa import INSTRUCTION_BYTES

CODES = 256
"""Values of an 8-bit code."""
TABLE_ENTRIES = 1024
"""Of the elementwise table: a pre-activation has 10 bits."""
BANKS = 2
ROWS_MAX = 1024
"""Entries of the row table."""
ZERO_POINT_BITS = 9


class Parameters:
    """Two banks of the requantiser's parameters, an entry a column of the array."""

    def __init__(self, columns: int) -> None:
        self.bias = np.zeros((BANKS, columns), np.int32)
        self.multiplier = np.zeros((BANKS, columns), np.int16)
        self.shift = np.zeros((BANKS, columns), np.uint8)
        self.old_shift = np.zeros((BANKS, columns), np.uint8)
        self.new_shift = np.zeros((BANKS, columns), np.uint8)

    def write(self, bank: int, entries: NDArray[np.uint64]) -> None:
        """Set the first entries of a bank: bias 32 bits, M 16, s 6, old channel shift 3, new one 3, from bit 0."""
        mine = bank, slice(len(entries))
        self.bias[mine] = entries.astype(np.uint32).view(np.int32)
        self.multiplier[mine] = (entries >> np.uint64(32)).astype(np.uint16).view(np.int16)
        self.shift[mine] = (entries >> np.uint64(48)).astype(np.uint8) & 63
        self.old_shift[mine] = (entries >> np.uint64(54)).astype(np.uint8) & 7
        self.new_shift[mine] = (entries >> np.uint64(57)).astype(np.uint8) & 7


class AffineParameters:
    """LayerNorm's parameters of each channel."""

    def __init__(self, channels: int) -> None:
        self.gamma = np.zeros(channels, np.int16)
        self.beta = np.zeros(channels, np.int32)
        self.shift = np.zeros(channels, np.uint8)

    def write(self, entries: NDArray[np.uint64]) -> None:
        """Set those of the first channels: gamma 16 bits, beta 32, channel shift 3, from bit 0."""
        mine = slice(len(entries))
        self.gamma[mine] = entries.astype(np.uint16).view(np.int16)
        self.beta[mine] = (entries >> np.uint64(16)).astype(np.uint32).view(np.int32)
        self.shift[mine] = (entries >> np.uint64(48)).astype(np.uint8) & 7


class RowTable:
    """What the rows of a tensor have of their own: m_t, E_t and z_t."""

    def __init__(self) -> None:
        self.multipliers = np.zeros(ROWS_MAX, np.uint16)
        self.encode_multipliers = np.zeros(ROWS_MAX, np.uint16)
        self.zero_points = np.zeros(ROWS_MAX, np.int16)
        self.loads = 0
        """So many times an entry has changed."""

    def write(self, entries: NDArray[np.uint64]) -> None:
        """Set the first entries: m 16 bits, E 16, z 9 (two's complement), from bit 0."""
        mine = slice(len(entries))
        self.multipliers[mine] = entries.astype(np.uint16)
        self.encode_multipliers[mine] = (entries >> np.uint64(16)).astype(np.uint16)
        zero_points = (entries >> np.uint64(32)).astype(np.int64) & ((1 << ZERO_POINT_BITS) - 1)
        half = 1 << (ZERO_POINT_BITS - 1)
        self.zero_points[mine] = (zero_points ^ half) - half
        self.loads += 1


class OutlierMap:
    """Whether a row tile has an outlier in a channel."""

    def __init__(self, config: AcceleratorConfig) -> None:
        self.array_rows = config.array_rows
        self.bits = np.zeros((-(-ROWS_MAX // config.array_rows), config.layernorm_channels_max), np.bool_)
        self.writes = 0
        """So many times it has changed."""

    def write(self, first_row: int, outliers: NDArray[np.bool_]) -> None:
        """Take the rows [rows, channels] that a LayerNorm writes: the first row of a tile clears its channels."""
        channels = outliers.shape[1]
        for row, bits in enumerate(outliers, start=first_row):
            tile = self.bits[row // self.array_rows, :channels]
            tile[:] = bits if row % self.array_rows == 0 else tile | bits
        self.writes += 1

    def channels(self, row: int, steps: int) -> NDArray[np.int64]:
        """Channels below ``steps`` with an outlier in the tile of a row, ascending."""
        return np.flatnonzero(self.bits[row // self.array_rows, :steps])


class State:
    """The memories of one accelerator, and the DRAM behind it.

    Parameters
    ----------
    dram : uint8[bytes]; stores write into this array
    """

    def __init__(self, dram: NDArray[np.uint8], config: AcceleratorConfig) -> None:
        self.config = config
        self.dram = dram
        self.activation = ActivationBuffer(config)
        self.weights = np.zeros((BANKS, config.weight_steps, config.array_columns), np.int8)
        self.parameters = Parameters(config.array_columns)
        self.table = np.zeros(TABLE_ENTRIES, np.uint8)
        self.codebook = Terms(np.zeros(CODES, np.int16), np.zeros(CODES, np.uint8))
        self.codebook_loads = 0
        """So many times the codebook has changed."""
        self.thresholds = np.zeros(CODES - 1, np.int32)
        """Of the encoder after softmax, those of code 1 and up."""
        self.affine = AffineParameters(config.layernorm_channels_max)
        self.rows = RowTable()
        self.outliers = OutlierMap(config)
        self.program = np.zeros((2, config.segment_instructions, INSTRUCTION_BYTES), np.uint8)
        self.filled_halves: set[int] = set()
        """Halves of the instruction buffer with a segment that has not been fetched to its end."""
        self.decoded: dict[tuple[object, ...], DecodedRows] = {}
        """Row operands that several products read one after another, dropped when their bytes are written."""


@dataclass(frozen=True, kw_only=True)
class OutlierTerms:
    """Outliers of a row tile: its rows of the product, the channels, and both limbs of each row and channel."""

    rows: slice
    channels: NDArray[np.int64]
    high: Terms
    low: Terms


@dataclass(frozen=True, kw_only=True)
class DecodedRows:
    """Row operand of a product: its terms, how many of each kind, and the bytes that they came from."""

    terms: Terms
    outliers: tuple[OutlierTerms, ...]
    """One for each row tile, where the instruction has outliers."""
    counts: OperandCounts
    places: tuple[tuple[int, int], ...]
    """First and last byte of the codes, and of each plane of outliers."""

    def overlaps(self, first: int, last: int) -> bool:
        """Whether it came from one of these bytes."""
        return any(first <= end and begin <= last for begin, end in self.places)
