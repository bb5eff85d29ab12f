"""Energy of primitive actions, read from ``tables/<name>.yaml``, as whole attojoules (1 pJ = 1,000,000 aJ).

Every number of a table stands with its source and a label: known, derived, or our decision. An action's energy is
rounded to a whole attojoule once; from there on all sums are sums of integers, so parts and totals are equal exactly.
"""

from __future__ import annotations

import math
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from hwsim.config import parse_preset
from hwsim.errors import HwsimError, describe_validation_error

AJ_PER_PJ = 1_000_000

DramLevel = Literal["low", "typical", "high"]
DRAM_LEVELS: tuple[DramLevel, ...] = get_args(DramLevel)
Label = Literal["known", "derived", "decision"]


def _exact(value: object) -> Fraction:
    """Take a number of the YAML for the decimal fraction that stands there, not for the float nearest to it."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("must be a number")
    return Fraction(str(value))


Picojoules = Annotated[Fraction, BeforeValidator(_exact), Field(gt=0)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Sourced(_Entry):
    label: Label
    source: str


class MultiplierPoint(_Entry):
    """Energy of one ``bits`` by ``bits`` multiplication."""

    bits: int = Field(ge=1)
    pj: Picojoules


class Multiplier(_Sourced):
    """Energy quadratic in the width, through the origin and one or two points."""

    points: list[MultiplierPoint] = Field(min_length=1, max_length=2)

    @model_validator(mode="after")
    def _widths_rise(self) -> Multiplier:
        widths = [point.bits for point in self.points]
        if widths != sorted(set(widths)):
            raise ValueError(f"points must have rising bits, not {widths}")
        return self

    def coefficients(self) -> tuple[Fraction, Fraction]:
        """``(q, l)`` of ``q * bits**2 + l * bits``, in picojoules."""
        per_bit = [(point.bits, point.pj / point.bits) for point in self.points]
        if len(per_bit) == 1:
            return per_bit[0][1] / per_bit[0][0], Fraction(0)
        (bits_0, slope_0), (bits_1, slope_1) = per_bit
        quadratic = (slope_1 - slope_0) / (bits_1 - bits_0)
        return quadratic, slope_0 - quadratic * bits_0


class Adder(_Sourced):
    """Energy of an addition, linear in the width through this point."""

    bits: int = Field(ge=1)
    pj: Picojoules


class Shifter(_Sourced):
    """Energy of a barrel shifter, proportional to width and stages."""

    bits: int = Field(ge=1)
    stages: int = Field(ge=1)
    pj: Picojoules


class RegisterBit(_Sourced):
    """Energy of clocking a new value into one flip-flop."""

    pj: Picojoules


class SramPoint(_Entry):
    """Energy of one access to a memory of ``bytes``."""

    bytes: int = Field(ge=1)
    read_pj: Picojoules
    write_pj: Picojoules


class Sram(_Sourced):
    """Energy of an access by size of the memory."""

    access_bits: int = Field(ge=1)
    points: list[SramPoint] = Field(min_length=2)

    @model_validator(mode="after")
    def _sizes_rise(self) -> Sram:
        sizes = [point.bytes for point in self.points]
        if sizes != sorted(set(sizes)):
            raise ValueError(f"points must have rising bytes, not {sizes}")
        return self


class DramBit(_Sourced):
    """Energy of one bit to or from DRAM: the sources differ widely, hence a band."""

    low_pj: Picojoules
    typical_pj: Picojoules
    high_pj: Picojoules

    @model_validator(mode="after")
    def _band_rises(self) -> DramBit:
        if not self.low_pj <= self.typical_pj <= self.high_pj:
            raise ValueError("low_pj, typical_pj and high_pj must rise")
        return self


class EnergyTable(_Entry):
    """Energies of one process; its methods give whole attojoules."""

    name: str
    process_nm: int = Field(ge=1)
    multiplier: Multiplier
    adder: Adder
    shifter: Shifter
    register_bit: RegisterBit
    sram: Sram
    dram_bit: DramBit

    def multiply_aj(self, bits_a: int, bits_b: int) -> int:
        """One multiplication; ``q * a * b + l * (a + b) / 2`` is our reading of the quadratic for unequal widths."""
        quadratic, linear = self.multiplier.coefficients()
        return _whole_aj(quadratic * bits_a * bits_b + linear * Fraction(bits_a + bits_b, 2))

    def add_aj(self, bits: int) -> int:
        """One addition, subtraction or comparison."""
        return _whole_aj(self.adder.pj * bits / self.adder.bits)

    def shift_aj(self, bits: int, stages: int) -> int:
        """One pass through a barrel shifter; one stage is a 2:1 multiplexer."""
        return _whole_aj(self.shifter.pj * bits * stages / (self.shifter.bits * self.shifter.stages))

    def register_aj(self, bits: int) -> int:
        """One new value in a register."""
        return _whole_aj(self.register_bit.pj * bits)

    def sram_read_bit_aj(self, size_bytes: int) -> int:
        """One bit read from a memory of that size."""
        return self._sram_bit_aj(size_bytes, [point.read_pj for point in self.sram.points])

    def sram_write_bit_aj(self, size_bytes: int) -> int:
        """One bit written to a memory of that size."""
        return self._sram_bit_aj(size_bytes, [point.write_pj for point in self.sram.points])

    def dram_bit_aj(self, level: DramLevel) -> int:
        """One bit to or from DRAM."""
        dram = self.dram_bit
        by_level = {"low": dram.low_pj, "typical": dram.typical_pj, "high": dram.high_pj}
        return _whole_aj(by_level[level])

    def _sram_bit_aj(self, size_bytes: int, energies_pj: list[Fraction]) -> int:
        sizes = [point.bytes for point in self.sram.points]
        for size, energy_pj in zip(sizes, energies_pj, strict=True):
            if size == size_bytes:
                return _whole_aj(energy_pj / self.sram.access_bits)
        right = min(max(1, sum(size < size_bytes for size in sizes)), len(sizes) - 1)
        x_0, x_1 = math.log(sizes[right - 1]), math.log(sizes[right])
        y_0, y_1 = math.log(energies_pj[right - 1]), math.log(energies_pj[right])
        energy_pj = Fraction(math.exp(y_0 + (y_1 - y_0) * (math.log(size_bytes) - x_0) / (x_1 - x_0)))
        return _whole_aj(energy_pj / self.sram.access_bits)


def _whole_aj(energy_pj: Fraction) -> int:
    return round(energy_pj * AJ_PER_PJ)


def energy_table_names() -> list[str]:
    """Names of the shipped tables."""
    folder = files("hwsim") / "cost" / "tables"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_energy_table(name: str) -> EnergyTable:
    """Read a shipped table by its name, or one's own table by the path of its ``.yaml`` file.

    Raises
    ------
    HwsimError
        If there is no such table, or a key of it is missing, unknown or impossible.
    """
    own = Path(name)
    if own.suffix == ".yaml":
        if not own.is_file():
            raise HwsimError(f"energy_table: there is no file {name}")
        return _parse(own.read_text(), name)
    if name not in energy_table_names():
        raise HwsimError(
            f"energy_table must be one of {', '.join(energy_table_names())}, or a .yaml file of your own, not {name!r}"
        )
    return _parse((files("hwsim") / "cost" / "tables" / f"{name}.yaml").read_text(), f"energy table {name}")


def _parse(text: str, source: str) -> EnergyTable:
    try:
        return EnergyTable.model_validate(parse_preset(text, source))
    except ValidationError as error:
        raise describe_validation_error(error, source) from error
