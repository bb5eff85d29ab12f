"""Energy of one pass through each datapath, put together from the primitive actions of an energy table.

The widths are those of ``docs/numerics.md`` or keys of the preset. What primitives a datapath consists of, and that
every primitive of an active datapath switches once per element, is our decision; wires, clock tree, control and
leakage are not counted. All results are whole attojoules.
"""

from __future__ import annotations

from dataclasses import dataclass

from hwsim.config import AcceleratorConfig
from hwsim.cost.energy_table import EnergyTable
from hwsim.formats import Codebook, Logarithmic, RowUniform, TwoScale, Uniform

TABLE_CODE_BITS = 8
RESIDUAL_VALUE_BITS = 16  # the stream on the finer grid, int16
RESIDUAL_SHIFT_STAGES = 3  # a channel's shift is at most 7
SCORE_BITS = 16
EXP2_BITS = 17
EXP2_TABLE_BYTES = 256 * 4
SOFTMAX_SUM_BITS = 27  # 17 bits and 10 for 1,024 tokens
PROBABILITY_BITS = 17  # Q0.16, 0 to 65536
RECIPROCAL_BITS = 17
LAYERNORM_INPUT_BITS = 15  # 8 bits shifted by at most 7
LAYERNORM_SQUARES_BITS = 40  # 2 * 15 bits and 10 for 1,024 channels
LAYERNORM_CENTRED_BITS = 26  # D * y - S1
LAYERNORM_VARIANCE_BITS = 48
LAYERNORM_AFFINE_BITS = 32
CHANNEL_COUNT_BITS = 11
ROW_MULTIPLIER_BITS = 16  # of the row table: m and E
NORMALISED_BITS = 16  # LayerNorm's result before the row encoder
ROW_BUFFER_BITS = 16  # width of the unit's own row memory


@dataclass(frozen=True, kw_only=True)
class Datapath:
    """Energies of a configuration's datapaths under one table."""

    config: AcceleratorConfig
    table: EnergyTable

    def multiply(self) -> int:
        """One multiplication in the array."""
        return self.table.multiply_aj(self.config.mantissa_bits, self.config.weight_bits)

    def shift(self) -> int:
        """One shift of a product; the style with two accumulators has no shifter in its PE."""
        if self.config.pe_style == "two_accumulator":
            return 0
        return self.table.shift_aj(self.config.accumulator_bits, self.config.term_shift_bits)

    def accumulate(self) -> int:
        """One addition to an accumulator."""
        return self.table.add_aj(self.config.accumulator_bits)

    def pe_registers(self) -> int:
        """Product with its shift, and the accumulator, each clocked once."""
        product_bits = self.config.mantissa_bits + self.config.weight_bits
        return self.table.register_aj(product_bits + self.config.term_shift_bits + self.config.accumulator_bits)

    def decode(self, fmt: object) -> int:
        """One row operand from code to mantissa and shift: a multiplexer, a subtracter, or a memory."""
        if isinstance(fmt, Uniform):
            return self.table.add_aj(self.config.mantissa_bits) if fmt.zero_point else 0
        if isinstance(fmt, RowUniform):
            return self.table.add_aj(self.config.mantissa_bits)
        if isinstance(fmt, Logarithmic):
            return self.table.add_aj(self.config.term_shift_bits)
        decoded_bits = self.config.mantissa_bits + self.config.term_shift_bits
        if isinstance(fmt, Codebook):
            table_bytes = -(-(decoded_bits << TABLE_CODE_BITS) // 8)
            return decoded_bits * self.table.sram_read_bit_aj(table_bytes)
        return self.table.shift_aj(decoded_bits, 1) if isinstance(fmt, TwoScale) else 0

    def requantize(self) -> int:
        """One accumulator: shadow register, bias, multiplier, rounding shift, zero point."""
        product_bits = self.config.accumulator_bits + self.config.multiplier_bits
        energy = (
            self.table.register_aj(self.config.accumulator_bits)
            + self.table.add_aj(self.config.accumulator_bits)
            + self.table.multiply_aj(self.config.accumulator_bits, self.config.multiplier_bits)
            + self._round_shift(product_bits, self.config.multiplier_shift_bits)
            + self.table.add_aj(RESIDUAL_VALUE_BITS)
        )
        if self.config.pe_style == "two_accumulator":  # small + (large << exponent), and the other shadow register
            energy += self.table.register_aj(self.config.accumulator_bits)
            energy += self.table.shift_aj(self.config.accumulator_bits, self.config.term_shift_bits)
            energy += self.table.add_aj(self.config.accumulator_bits)
        return energy

    def scale_row(self) -> int:
        """One accumulator of a row with a scale of its own: its product with the row's multiplier."""
        bits = self.config.accumulator_bits
        return self.table.multiply_aj(bits, ROW_MULTIPLIER_BITS) + self.table.add_aj(bits + ROW_MULTIPLIER_BITS)

    def encode_row(self) -> int:
        """One code of a row with a scale of its own: its product with the row's encoder multiplier, rounded."""
        product_bits = NORMALISED_BITS + ROW_MULTIPLIER_BITS
        return self.table.multiply_aj(NORMALISED_BITS, ROW_MULTIPLIER_BITS) + self._round_shift(product_bits, 5)

    def look_up(self, input_bits: int) -> int:
        """One entry of the elementwise table."""
        table_bytes = (1 << input_bits) * TABLE_CODE_BITS // 8
        return TABLE_CODE_BITS * self.table.sram_read_bit_aj(table_bytes)

    def add_residual(self) -> int:
        """One channel: decode and rescale the stream, add the branch, encode."""
        product_bits = RESIDUAL_VALUE_BITS + self.config.multiplier_bits
        return (
            self.table.shift_aj(RESIDUAL_VALUE_BITS, RESIDUAL_SHIFT_STAGES)
            + self.table.multiply_aj(RESIDUAL_VALUE_BITS, self.config.multiplier_bits)
            + self._round_shift(product_bits, self.config.multiplier_shift_bits)
            + self.table.add_aj(RESIDUAL_VALUE_BITS)
            + self._round_shift(RESIDUAL_VALUE_BITS, RESIDUAL_SHIFT_STAGES + 1)
        )

    def softmax_element(self) -> int:
        """One score: maximum, difference, power of two, sum, product with the reciprocal, encode."""
        return (
            2 * self.table.add_aj(SCORE_BITS)
            + EXP2_BITS * self.table.sram_read_bit_aj(EXP2_TABLE_BYTES)
            + self._round_shift(EXP2_BITS, 5)
            + self.table.add_aj(SOFTMAX_SUM_BITS)
            + self.table.multiply_aj(EXP2_BITS, RECIPROCAL_BITS)
            + self._round_shift(EXP2_BITS + RECIPROCAL_BITS, 5)
            + self._round_shift(PROBABILITY_BITS, 4)
            + self._row_buffer(SCORE_BITS + EXP2_BITS)
        )

    def softmax_row(self) -> int:
        """One row: the reciprocal of its sum."""
        return self._reciprocal(SOFTMAX_SUM_BITS)

    def layernorm_element(self) -> int:
        """One channel: decode, both sums, centre, normalise, affine, encode."""
        return (
            self.table.shift_aj(LAYERNORM_INPUT_BITS, RESIDUAL_SHIFT_STAGES)
            + self.table.add_aj(LAYERNORM_CENTRED_BITS)
            + self.table.multiply_aj(LAYERNORM_INPUT_BITS, LAYERNORM_INPUT_BITS)
            + self.table.add_aj(LAYERNORM_SQUARES_BITS)
            + self.table.multiply_aj(LAYERNORM_INPUT_BITS, CHANNEL_COUNT_BITS)
            + self.table.add_aj(LAYERNORM_CENTRED_BITS)
            + self.table.multiply_aj(LAYERNORM_CENTRED_BITS, RECIPROCAL_BITS)
            + self._round_shift(LAYERNORM_CENTRED_BITS + RECIPROCAL_BITS, 5)
            + self.table.multiply_aj(self.config.multiplier_bits, self.config.multiplier_bits)
            + self.table.add_aj(LAYERNORM_AFFINE_BITS)
            + self._round_shift(LAYERNORM_AFFINE_BITS, 5)
            + self._row_buffer(LAYERNORM_INPUT_BITS)
        )

    def layernorm_row(self) -> int:
        """One row: variance, integer square root (one result bit a step) and reciprocal."""
        root_bits = LAYERNORM_VARIANCE_BITS // 2
        return (
            self.table.multiply_aj(CHANNEL_COUNT_BITS, LAYERNORM_SQUARES_BITS)
            + self.table.multiply_aj(LAYERNORM_CENTRED_BITS, LAYERNORM_CENTRED_BITS)
            + 2 * self.table.add_aj(LAYERNORM_VARIANCE_BITS)
            + root_bits * self.table.add_aj(root_bits + 2)
            + self._reciprocal(root_bits)
        )

    def _round_shift(self, bits: int, stages: int) -> int:
        return self.table.add_aj(bits) + self.table.shift_aj(bits, stages)

    def _reciprocal(self, divisor_bits: int) -> int:
        """A divider that gives one bit of the quotient a step."""
        return RECIPROCAL_BITS * self.table.add_aj(divisor_bits + 1)

    def _row_buffer(self, bits: int) -> int:
        """Bits of one element written to the unit's own row memory and read back."""
        size_bytes = self.config.layernorm_channels_max * ROW_BUFFER_BITS // 8
        return bits * (self.table.sram_write_bit_aj(size_bytes) + self.table.sram_read_bit_aj(size_bytes))
