"""Integer formats and operand formats: every code decodes into ``mantissa * 2**shift``.

=====================  ======================================  ==========================================
format                 mantissa                                shift
=====================  ======================================  ==========================================
``Uniform``            ``code - zero_point``                   0
``RowUniform``         ``code`` less the row's zero point      ``exponent``
``TwoScale``           payload (the low ``bits - 1`` bits)     ``exponent`` if the flag (top bit) is set
``ChannelScaled``      ``code`` (two's complement)             the channel's, 0 to 7
``Logarithmic``        1, or 128 and 181 for base sqrt(2)      ``max_shift`` less the whole steps of the code
``Codebook``           entry of the table                      entry of the table
=====================  ======================================  ==========================================

``TwoScale`` is V-2SF of TSPTQ-ViT (arXiv 2305.12901; the algebra is reconstructed, see ``docs/numerics.md``).
``ChannelScaled`` holds its O-2SF (shifts 0 or r), more scales than two, and the power-of-two factor of FQ-ViT (arXiv
2111.13824, shifts 0 to 3). ``RowUniform`` is the per-patch quantiser of ADFQ-ViT, ``Logarithmic`` is that of FQ-ViT,
RepQ-ViT and ADFQ-ViT, and ``Codebook`` holds any sorted levels, such as TanQ's of DopQ-ViT. This module is data shared
by golden, the units and the RTL; arithmetic on it is each one's own.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator


class Terms(NamedTuple):
    """What each code means to the hardware, indexed by the raw bits of the code."""

    mantissa: NDArray[np.int16]
    """int16[2**bits]"""
    shift: NDArray[np.uint8]
    """uint8[2**bits]"""


class _Format(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Uniform(_Format):
    """A uniform code: ``(code - zero_point) * scale``."""

    kind: Literal["uniform"] = "uniform"
    bits: int = Field(ge=2, le=16)
    signed: bool
    zero_point: int = 0

    @model_validator(mode="after")
    def _zero_point_is_a_code(self) -> Uniform:
        if not self.minimum <= self.zero_point <= self.maximum:
            raise ValueError(f"zero_point must be a code, {self.minimum} to {self.maximum}")
        return self

    @property
    def minimum(self) -> int:
        """Smallest code."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        """Largest code."""
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    def terms(self) -> Terms:
        """Decode table over all raw codes."""
        raw = np.arange(1 << self.bits, dtype=np.int32)
        code = np.where(raw > self.maximum, raw - (1 << self.bits), raw)
        return Terms((code - self.zero_point).astype(np.int16), np.zeros(len(raw), np.uint8))


class RowUniform(_Format):
    """A uniform code whose scale and zero point are those of its row, and outliers of 16 bits beside the codes.

    Arrays of the network, for tensor X of T rows: ``X.zero_points`` (int16[T]), ``X.multipliers`` (uint16[T], scale of
    the row over the largest one, Q1.15) and ``X.encode_multipliers`` (uint16[T]); or P numbers each, P a divisor of T,
    where row t has what row t mod P has. An inlier is the term
    ``(code - z_t) << exponent``, an outlier the terms ``high << 8`` and ``low``, on the grid of the row's scale
    times ``2**-exponent``.
    """

    kind: Literal["row_uniform"] = "row_uniform"
    bits: int = Field(ge=2, le=8)
    signed: bool
    exponent: int = Field(default=0, ge=0, le=7)
    outliers: bool = False

    @property
    def minimum(self) -> int:
        """Smallest code."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        """Largest code."""
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1


class TwoScale(_Format):
    """V-2SF: a flag bit and a payload; the flag selects the coarse step ``2**exponent`` times the fine one.

    ``small_signed`` says whether the payload of the fine region is two's complement (after GELU,
    where it holds all negatives) or unsigned (after softmax). The coarse payload is unsigned.
    """

    kind: Literal["two_scale"] = "two_scale"
    bits: int = Field(ge=2, le=8)
    exponent: int = Field(ge=0, le=15)
    small_signed: bool

    @property
    def payload_bits(self) -> int:
        """Bits below the flag."""
        return self.bits - 1

    def terms(self) -> Terms:
        """Decode table over all raw codes."""
        payload_count = 1 << self.payload_bits
        payload = np.arange(payload_count)
        small = np.where(payload >= payload_count // 2, payload - payload_count, payload)
        mantissa = np.concatenate([small if self.small_signed else payload, payload])
        shift = np.repeat([0, self.exponent], payload_count)
        return Terms(mantissa.astype(np.int16), shift.astype(np.uint8))


class ChannelScaled(_Format):
    """A signed code whose step is ``2**shift`` times the tensor's scale, with a shift of 3 bits for each channel.

    The shifts are an array ``<tensor>.shifts`` (uint8[channels], 0 to 7) of the network.
    """

    kind: Literal["channel_scaled"] = "channel_scaled"
    bits: int = Field(ge=2, le=8)

    @property
    def minimum(self) -> int:
        """Smallest code."""
        return -(1 << (self.bits - 1))

    @property
    def maximum(self) -> int:
        """Largest code."""
        return (1 << (self.bits - 1)) - 1


class Logarithmic(_Format):
    """A logarithmic code q: ``2**-q`` or ``sqrt(2)**-q`` of the largest value; the code of all ones is zero.

    On the tensor's grid the largest value is ``2**max_shift``, with base sqrt(2) ``128 * 2**max_shift``. A code that
    needs a shift below 0 decodes to zero and is never emitted.
    """

    kind: Literal["logarithmic"] = "logarithmic"
    bits: int = Field(ge=2, le=8)
    base: Literal["two", "sqrt_two"]
    max_shift: int = Field(ge=0, le=31)

    @property
    def zero_code(self) -> int:
        """The code that is kept for zero."""
        return (1 << self.bits) - 1

    @property
    def largest_code(self) -> int:
        """Largest code with a value: the smallest value, at shift 0 where the bits reach it."""
        steps_per_shift = 2 if self.base == "sqrt_two" else 1
        return min(self.zero_code - 1, self.max_shift * steps_per_shift)

    def terms(self) -> Terms:
        """Decode table over all raw codes."""
        code = np.arange(1 << self.bits)
        half_steps = code % 2 if self.base == "sqrt_two" else np.zeros_like(code)
        whole_steps = (code + half_steps) // 2 if self.base == "sqrt_two" else code
        one, root = (128, 181) if self.base == "sqrt_two" else (1, 1)
        zero = code > self.largest_code
        mantissa = np.where(zero, 0, np.where(half_steps == 1, root, one))
        return Terms(mantissa.astype(np.int16), np.where(zero, 0, self.max_shift - whole_steps).astype(np.uint8))


class Codebook(_Format):
    """Any levels: code i stands for ``mantissas[i] * 2**shifts[i]``, and values never fall from code to code.

    The sorted levels make the encoder a search: the code of a probability is the number of ``thresholds`` that are at
    most p, in units of 2**-16. A table encodes by itself, so a codebook behind one has no thresholds.
    """

    kind: Literal["codebook"] = "codebook"
    bits: int = Field(ge=2, le=8)
    mantissas: tuple[Annotated[int, Field(ge=-(1 << 15), lt=1 << 15)], ...] = Field(strict=False)
    shifts: tuple[Annotated[int, Field(ge=0, le=31)], ...] = Field(strict=False)
    thresholds: tuple[Annotated[int, Field(ge=0, lt=1 << 17)], ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _levels_are_sorted(self) -> Codebook:
        count = 1 << self.bits
        if len(self.mantissas) != count or len(self.shifts) != count:
            raise ValueError(
                f"mantissas and shifts must have {count} entries, not {len(self.mantissas)} and {len(self.shifts)}"
            )
        if len(self.thresholds) not in (0, count - 1):
            raise ValueError(f"thresholds must be {count - 1} or none, not {len(self.thresholds)}")
        levels = [mantissa << shift for mantissa, shift in zip(self.mantissas, self.shifts, strict=True)]
        if levels != sorted(levels):
            raise ValueError("mantissas << shifts must not fall from code to code")
        if self.thresholds != tuple(sorted(self.thresholds)):
            raise ValueError("thresholds must not fall from code to code")
        return self

    def terms(self) -> Terms:
        """Decode table over all raw codes."""
        return Terms(np.array(self.mantissas, np.int16), np.array(self.shifts, np.uint8))


Format = Annotated[
    Uniform | RowUniform | TwoScale | ChannelScaled | Logarithmic | Codebook, Field(discriminator="kind")
]


def storage_dtype(fmt: Format) -> np.dtype[np.integer]:
    """Numpy dtype that holds the codes of a format: int8, uint8, int16 or uint16."""
    signed = fmt.signed if isinstance(fmt, Uniform | RowUniform) else isinstance(fmt, ChannelScaled)
    width = 8 if fmt.bits <= 8 else 16
    return np.dtype(f"{'int' if signed else 'uint'}{width}")
