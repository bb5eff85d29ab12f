"""Where accuracy goes: what ``hwsim localise`` found, as data, JSON and CSV.

A unit (an operator in all blocks, or one layer) is run as integer alone in the float network; and as float, and as in
paper mode, in the integer network. The unit that costs most is the one that alone moves the float network furthest, by
the KL of its predictions: KL rises before a class changes.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

LEAST_SHARE = 1 / 3
"""Of the KL, or of the gap between the modes, that one unit must give back to be its cause: on 100 images at 4 bits a
unit that alone costs nothing has given back 28 %."""


@dataclass(frozen=True, kw_only=True)
class ModeFigures:
    """Predictions of one mode, or with one unit in another mode."""

    top1: float | None
    """Percent, None without labels."""
    changed: int
    """Images whose class is not float's."""
    kl: float
    """Mean KL(p_float || p)."""


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One layer and the tensor that it makes; SQNR in dB, shares in percent."""

    layer: str
    op: str
    format: str
    sqnr_paper_db: float
    sqnr_integer_db: float
    sqnr_own_db: float
    worst_channel: int
    worst_channel_db: float
    saturation_percent: float
    flag_percent: float | None
    zero_percent: float | None
    outlier_percent: float | None
    shifts: dict[int, int] | None

    @property
    def codes(self) -> str:
        """What the codes say, by the kind of their format."""
        if self.shifts is not None:
            return " ".join(f"{shift}:{count}" for shift, count in self.shifts.items())
        for name, value in (
            ("flag", self.flag_percent), ("zero", self.zero_percent), ("outliers", self.outlier_percent),
        ):  # fmt: skip
            if value is not None:
                return f"{name} {value:.2f} %"
        return ""


@dataclass(frozen=True, kw_only=True)
class UnitRow:
    """A unit, and what the whole network would do if it alone were in another mode."""

    unit: str
    layers: tuple[str, ...]
    alone: ModeFigures
    """The float network with this unit integer."""
    as_float: ModeFigures
    """The integer network with this unit float."""
    as_paper: ModeFigures

    @property
    def is_kind(self) -> bool:
        """Whether it is an operator in every block, or before or behind them."""
        return "*" in self.unit or not self.unit.startswith("blocks.")


@dataclass(frozen=True, kw_only=True)
class Localisation:
    """All that was found."""

    network: str
    origin: str
    """Model, method, bits and calibration, in a line."""
    source: str
    """Where the images come from."""
    images: int
    weights: str
    """Of the float network."""
    modes: dict[str, ModeFigures]
    """float, paper, integer"""
    layers: tuple[LayerRow, ...]
    units: tuple[UnitRow, ...]
    flips: dict[str, int]
    """Images of another class than float's, by the residual tensor at which it flips."""
    seconds: float
    versions: dict[str, str]

    @property
    def kinds(self) -> tuple[UnitRow, ...]:
        """Operators, each in every block."""
        return tuple(row for row in self.units if row.is_kind)

    @property
    def singles(self) -> tuple[UnitRow, ...]:
        """Single layers that were run for themselves."""
        return tuple(row for row in self.units if not row.is_kind)

    @property
    def costliest(self) -> UnitRow:
        """Operator that costs the float network most."""
        return max(self.kinds, key=lambda row: row.alone.kl)

    @property
    def costliest_layer(self) -> UnitRow | None:
        """Layer that costs most of those of the costliest operator; None where it is the only one."""
        of_it = (row for row in self.singles if row.layers[0] in self.costliest.layers)
        return max(of_it, key=lambda row: row.alone.kl, default=None)

    @property
    def furthest_from_paper(self) -> UnitRow:
        """Operator that gives back most of the gap to paper mode when it is as there."""
        return min(self.kinds, key=lambda row: row.as_paper.kl)

    def share_of_float(self, row: UnitRow) -> float:
        """Share of integer mode's KL that the unit gives back as float; 0 where there is none."""
        whole = self.modes["integer"].kl
        return (whole - row.as_float.kl) / whole if whole > 0 else 0.0

    def share_of_paper(self, row: UnitRow) -> float:
        """Share of what integer mode has more KL than paper mode that the unit gives back as there."""
        whole = self.modes["integer"].kl - self.modes["paper"].kl
        return (self.modes["integer"].kl - row.as_paper.kl) / whole if whole > 0 else 0.0

    def lowest(self, row: UnitRow) -> LayerRow:
        """Layer of a unit with the lowest SQNR of its own."""
        return min((layer for layer in self.layers if layer.layer in row.layers), key=lambda layer: layer.sqnr_own_db)

    def as_dict(self) -> dict[str, Any]:
        """Everything, for a JSON file; an infinite SQNR is null."""
        found = asdict(self)
        found["layers"] = [_finite(asdict(row)) for row in self.layers]
        found["costliest_unit"] = self.costliest.unit
        found["costliest_layer"] = None if self.costliest_layer is None else self.costliest_layer.unit
        found["furthest_from_paper"] = self.furthest_from_paper.unit
        return found

    def as_csv(self) -> str:
        """A line a layer with the figures of its operator in all blocks, and its own where it was run alone."""
        kinds = {name: row for row in self.kinds for name in row.layers}
        singles = {row.unit: row for row in self.singles}
        lines = [
            {
                **_finite(asdict(row)),
                "shifts": row.codes if row.shifts is not None else None,
                "flips": self.flips.get(row.layer),
                "unit": kinds[row.layer].unit,
                **_columns("unit", kinds[row.layer]),
                **_columns("layer", singles.get(row.layer)),
            }
            for row in self.layers
        ]
        text = io.StringIO()
        writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
        return text.getvalue()


def verdicts(found: Localisation) -> list[str]:
    """What the figures say, a sentence each: the costliest unit, the gap between the modes, where classes flip."""
    integer, paper = found.modes["integer"], found.modes["paper"]
    said = [_float_verdict(found), _paper_verdict(found, integer, paper)]
    if integer.changed:
        places = ", ".join(f"{name} {count}" for name, count in found.flips.items() if count)
        said.append(f"Of {integer.changed} images whose class is not float's, it flips at: {places}.")
    return said


def _float_verdict(found: Localisation) -> str:
    row, layer = found.costliest, found.costliest_layer
    where = "" if layer is None else f"; of its layers {layer.unit}: {_figures(layer.alone)}"
    share = found.share_of_float(row)
    back = f"As float it gives back {100 * share:.0f} % of integer mode's KL: {_figures(row.as_float)}"
    spread = ", so the loss is spread over several units" if share < LEAST_SHARE else ""
    return f"Integer alone in the float network, {row.unit} costs most: {_figures(row.alone)}{where}. {back}{spread}."


def _figures(figures: ModeFigures) -> str:
    known = "" if figures.top1 is None else f"top-1 {figures.top1:.2f} %, "
    return f"{known}{figures.changed} changed, KL {figures.kl:.5f}"


def _paper_verdict(found: Localisation, integer: ModeFigures, paper: ModeFigures) -> str:
    gap = "" if integer.top1 is None or paper.top1 is None else f", top-1 {integer.top1:.2f} against {paper.top1:.2f} %"
    if integer.kl <= paper.kl:
        return f"Integer mode is no further from float than paper mode{gap}."
    row = found.furthest_from_paper
    share = found.share_of_paper(row)
    behind = f"Integer mode is behind paper mode (KL {integer.kl:.5f} against {paper.kl:.5f}{gap})"
    if share < LEAST_SHARE:
        return f"{behind}, and no single unit is the cause."
    return f"{behind}; as in paper mode, {row.unit} gives back most: KL {row.as_paper.kl:.5f}."


def _columns(prefix: str, row: UnitRow | None) -> dict[str, Any]:
    return {
        f"{prefix}_{mode}_{key.name}": None if row is None else getattr(getattr(row, mode), key.name)
        for mode in ("alone", "as_float", "as_paper")
        for key in fields(ModeFigures)
    }


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
