"""Refusal of what the Verilog does not hold: sizes that are no powers of two, formats without decoder or encoder."""

from __future__ import annotations

from typing import NoReturn

from hwsim.compiler.image import PARAMETER_BYTES, TABLE_BYTES
from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError
from hwsim.formats import ChannelScaled, Codebook, Format, Logarithmic, RowUniform, TwoScale, Uniform
from hwsim.isa import ENCODER_KINDS, INSTRUCTION_BYTES, OPERAND_KINDS
from hwsim.network import Network

CODE_BITS = 8
LOGARITHMIC_KINDS = {"two": "log2", "sqrt_two": "log_sqrt2"}


def check_config(config: AcceleratorConfig) -> None:
    """Check that words, banks, beats and segments divide each other.

    Raises
    ------
    HwsimError
        At the first key that does not fit.
    """
    for key in ("array_rows", "array_columns", "drain_lanes", "softmax_lanes", "layernorm_lanes"):
        value = getattr(config, key)
        if value & (value - 1):
            raise HwsimError(f"preset {config.name}: {key} is {value}, expected a power of two")
    beat = config.beat_bytes
    if beat & (beat - 1) or not PARAMETER_BYTES <= beat <= INSTRUCTION_BYTES:
        raise HwsimError(
            f"preset {config.name}: dram_bits_per_cycle is {config.dram_bits_per_cycle}, expected a power of two"
            f" from {8 * PARAMETER_BYTES} to {8 * INSTRUCTION_BYTES}"
        )
    blocks = config.activation_banks * config.word_bytes**2
    if config.activation_buffer_bytes % blocks or config.activation_buffer_bytes < 2 * blocks:
        raise HwsimError(
            f"preset {config.name}: activation_buffer_bytes is {config.activation_buffer_bytes}, expected two or more"
            f" times {blocks}: activation_banks = {config.activation_banks} of whole blocks, {config.word_bytes} words"
            " each"
        )


def operand_fields(network: Network, layer: str, tensor: str) -> dict[str, int]:
    """Fields of a GEMM that say how the row operand decodes.

    Raises
    ------
    HwsimError
        For a format without a decoder.
    """
    fmt = network.tensor(tensor).format
    if isinstance(fmt, Uniform) and fmt.bits <= CODE_BITS:
        kind, zero, signed, exponent = "uniform", fmt.zero_point, int(fmt.signed), 0
    elif isinstance(fmt, RowUniform):
        kind, zero, signed, exponent = "uniform", 0, int(fmt.signed), fmt.exponent
    elif isinstance(fmt, TwoScale):
        kind, zero, signed, exponent = "two_scale", 0, int(fmt.small_signed), fmt.exponent
    elif isinstance(fmt, Logarithmic):
        kind, zero, signed, exponent = LOGARITHMIC_KINDS[fmt.base], 0, 0, fmt.max_shift
    elif isinstance(fmt, Codebook):
        kind, zero, signed, exponent = "codebook", 0, 0, 0
    else:
        refuse_format(network, layer, tensor, "a row operand of codes of at most 8 bits, each channel decoded alike")
    return {
        "operand_kind": OPERAND_KINDS.index(kind), "operand_bits": fmt.bits, "operand_zero": zero,
        "operand_signed": signed, "operand_exponent": exponent,
    }  # fmt: skip


def encoder_fields(network: Network, layer: str, tensor: str) -> dict[str, int]:
    """Fields of a softmax that say how the probabilities encode.

    Raises
    ------
    HwsimError
        For a format without an encoder.
    """
    fmt = network.tensor(tensor).format
    if isinstance(fmt, Uniform) and fmt.bits <= CODE_BITS:
        kind, exponent = "uniform", 0
    elif isinstance(fmt, TwoScale):
        kind, exponent = "two_scale", fmt.exponent
    elif isinstance(fmt, Logarithmic):
        kind, exponent = LOGARITHMIC_KINDS[fmt.base], fmt.max_shift
    elif isinstance(fmt, Codebook) and fmt.thresholds:
        kind, exponent = "codebook", 0
    else:
        refuse_format(network, layer, tensor, "probabilities of at most 8 bits, a codebook with its thresholds")
    return {"encoder": ENCODER_KINDS.index(kind), "bits": fmt.bits, "exponent": exponent}


def requantizer_fields(network: Network, layer: str, tensor: str) -> dict[str, int]:
    """Fields of a GEMM that clamp the requantised sums.

    Raises
    ------
    HwsimError
        For a format whose codes do not fit 16 signed bits.
    """
    fmt = network.tensor(tensor).format
    if isinstance(fmt, ChannelScaled):  # the multipliers hold the shifts
        return {"zero_point": 0, "lo": fmt.minimum, "hi": fmt.maximum}
    if not isinstance(fmt, Uniform) or (not fmt.signed and fmt.bits == 2 * CODE_BITS):
        refuse_format(network, layer, tensor, "a result of uniform codes within 16 signed bits")
    return {"zero_point": fmt.zero_point, "lo": fmt.minimum, "hi": fmt.maximum}


def is_halfwords(fmt: Format) -> bool:
    """Whether codes of the format take 16 bits in the activation buffer."""
    return fmt.bits > CODE_BITS


def check_table(network: Network, layer: str, tensor: str) -> None:
    """Check that the table has an entry for each code of its input.

    Raises
    ------
    HwsimError
        If it does not.
    """
    bits = network.tensor(tensor).format.bits
    if 1 << bits > TABLE_BYTES:
        refuse_format(network, layer, tensor, f"codes of at most {TABLE_BYTES.bit_length() - 1} bits")


def refuse_format(network: Network, layer: str, tensor: str, expected: str) -> NoReturn:
    """Refuse the format of a tensor in one sentence."""
    fmt = network.tensor(tensor).format
    described = ", ".join(f"{key} {value}" for key, value in fmt.model_dump().items())
    refuse(network, layer, f"meets {tensor} with format {described}", expected)


def refuse(network: Network, layer: str, found: str, expected: str) -> NoReturn:
    """Refuse a layer in one sentence."""
    raise HwsimError(f"network {network.name}: layer {layer} {found}, expected {expected}")
