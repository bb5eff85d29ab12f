"""What a comparison found: a row a model, method and width, as JSON and as CSV.

drop = top-1 of float - top-1 of the mode, in percentage points        agreement = images with float's class
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from hwsim.cost.format_units import Side


@dataclass(frozen=True, kw_only=True)
class CellCost:
    """What an image costs, from the program that the accelerator would run."""

    cycles: int
    latency_ms: float
    energy_uj: float
    energy_uj_low: float
    energy_uj_high: float
    energy_images: int
    """Images whose operands the energy is of: the first ones."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A finished cell; percents are of ``images``."""

    images: int
    top1_float: float | None
    """None without labels, as the other top-1."""
    top1_paper: float | None
    top1_integer: float | None
    agreement_paper: float
    agreement_integer: float
    weights_mb: float
    """Weights at their width, 10**6 bytes."""
    arrays_mb: float
    """The network's arrays file, 10**6 bytes."""
    cost: CellCost | None
    no_cost: str | None
    """Why there is no cost."""
    units: tuple[tuple[str, str], ...]
    """Role and format of each decoder and encoder that the network needs, as ``hwsim area`` names them."""
    calibration_seconds: float
    """Calibration, reconstruction and export."""
    reconstruction_iterations: int | None
    """Steps of each module, None where there was no reconstruction."""
    parts: dict[str, Any]
    """Every part of the method."""
    weights: str
    """Where the float weights came from."""
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def drop_paper(self) -> float | None:
        """Points of top-1 that paper mode loses."""
        return _drop(self.top1_float, self.top1_paper)

    @property
    def drop_integer(self) -> float | None:
        """Points of top-1 that integer mode loses."""
        return _drop(self.top1_float, self.top1_integer)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Found:
        """The inverse of ``dataclasses.asdict``, after JSON."""
        cost = values["cost"]
        units = tuple((role, format_) for role, format_ in values["units"])
        return cls(**{**values, "cost": None if cost is None else CellCost(**cost), "units": units})


def _drop(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else before - after


@dataclass(frozen=True, kw_only=True)
class Row:
    """A cell of the comparison: what was found, or why nothing was."""

    model: str
    method: str
    bits: int
    found: Found | None
    failure: str | None
    reused: bool
    """Found by an earlier call."""


@dataclass(frozen=True, kw_only=True)
class UnitSize:
    """Size of a decoder or encoder, with all its lanes."""

    side: Side
    nand2: float
    """Gates and registers in NAND2 gates."""
    gates: int
    registers: int
    memory_bits: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All rows, in the order asked for."""

    rows: tuple[Row, ...]
    preset: str
    overrides: tuple[str, ...]
    data: str
    calibration: str
    seed: int
    stressed: bool
    units: Mapping[tuple[str, str], UnitSize]
    """By role and format; empty where nothing was synthesised."""
    no_units: str | None
    """Why nothing was synthesised."""
    versions: dict[str, str]

    @property
    def several_models(self) -> bool:
        """Whether a row needs its model's name."""
        return len({row.model for row in self.rows}) > 1

    def size(self, found: Found, side: Side) -> UnitSize | None:
        """Sum over the decoders or encoders that a cell needs; None where they were not synthesised."""
        if not self.units:
            return None
        parts = [unit for key in found.units if (unit := self.units[key]).side == side]
        return UnitSize(
            side=side,
            nand2=sum(unit.nand2 for unit in parts),
            gates=sum(unit.gates for unit in parts),
            registers=sum(unit.registers for unit in parts),
            memory_bits=sum(unit.memory_bits for unit in parts),
        )

    def as_dict(self) -> dict[str, Any]:
        """Everything, for programs."""
        return {
            "preset": self.preset,
            "overrides": list(self.overrides),
            "data": self.data,
            "calibration": self.calibration,
            "seed": self.seed,
            "stressed": self.stressed,
            "units": [
                {"role": role, "format": format_, **asdict(unit)} for (role, format_), unit in self.units.items()
            ],
            "no_units": self.no_units,
            "rows": [self._row_dict(row) for row in self.rows],
            "versions": self.versions,
        }

    def _row_dict(self, row: Row) -> dict[str, Any]:
        values = {key: getattr(row, key) for key in ("model", "method", "bits", "failure", "reused")}
        if row.found is None:
            return values
        drops = {"drop_paper": row.found.drop_paper, "drop_integer": row.found.drop_integer}
        return {**values, **asdict(row.found), **drops, **self._sizes(row.found)}

    def _sizes(self, found: Found) -> dict[str, float | None]:
        decoder, encoder = self.size(found, "decoder"), self.size(found, "encoder")
        return {
            f"{side}_{key}": None if size is None else getattr(size, key)
            for side, size in (("decoder", decoder), ("encoder", encoder))
            for key in ("nand2", "gates", "registers", "memory_bits")
        }

    def as_csv(self) -> str:
        """A line a row, what is not known empty."""
        lines = [self._flat(row) for row in self.rows]
        columns = list(dict.fromkeys(key for line in lines for key in line))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
        return text.getvalue()

    def _flat(self, row: Row) -> dict[str, Any]:
        values = self._row_dict(row)
        cost = values.pop("cost", None) or dict.fromkeys(field.name for field in fields(CellCost))
        nested = ("units", "parts", "versions")
        return {key: value for key, value in (values | cost).items() if key not in nested}
