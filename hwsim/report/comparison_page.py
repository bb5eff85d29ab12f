"""A comparison as one HTML page: figure, table, parts of each method; nothing is loaded from elsewhere."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from hwsim.report.comparison import Comparison, Row
from hwsim.report.comparison_figure import comparison_figure
from hwsim.report.comparison_terminal import accuracy_cells, cost_cells, describe, remarks
from hwsim.report.figures import svg
from hwsim.report.words import percent

COLUMNS = (
    "float top-1 %", "paper top-1 %", "drop", "integer top-1 %", "drop", "agree %", "recon. steps", "calib. s",
    "weights MB", "file MB", "cycles", "µJ", "decoder nand2", "encoder nand2",
)  # fmt: skip
DEFINITIONS = {
    "float, paper, integer": "The float network; the same with every rounding of the method in float arithmetic, as "
    "papers measure; the integers that the accelerator computes.",
    "drop": "Points of top-1 that the mode loses against float.",
    "agree": "Images to which integer mode and float give the same class.",
    "weights, file": "Weights at their width, patch embedding and head at 8 bits; the network's arrays file, in which "
    "a code takes a byte, with multipliers and tables. MB: 10**6 bytes.",
    "cycles, µJ": "Of one image, as hwsim run counts them; energy over the operands of the first images.",
    "decoder, encoder nand2": "Gates and registers, in NAND2 gates, of the row decoders and of the encoders (softmax, "
    "table, residual stream, rows) that the formats of this method need, each synthesised for itself with all its "
    "lanes, as hwsim area counts them; + kbit of memory. An accelerator that serves several formats selects between "
    "them.",
    "recon., calib.": "Steps of reconstruction a module; seconds of calibration, reconstruction and export on one "
    "worker.",
}


def render_comparison(comparison: Comparison) -> str:
    """HTML text of a comparison."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((files("hwsim") / "report" / "comparison.html.j2").read_text(encoding="utf-8"))
    models = list(dict.fromkeys(row.model for row in comparison.rows))
    return template.render(
        comparison=comparison,
        description=describe(comparison),
        models=[_model(comparison, model) for model in models],
        columns=COLUMNS,
        parts=_parts(comparison),
        remarks=remarks(comparison),
        definitions=DEFINITIONS,
    )


def _model(comparison: Comparison, model: str) -> dict[str, Any]:
    rows = [row for row in comparison.rows if row.model == model]
    figure = comparison_figure(comparison, model)
    best = _best(rows)
    return {
        "name": model,
        "cards": _cards(rows, best),
        "figure": None if figure is None else svg(figure),
        "rows": [
            {
                "method": row.method,
                "bits": row.bits,
                "cells": [] if row.found is None else _cells(comparison, row),
                "failure": row.failure,
                "best": row in best.values(),
            }
            for row in rows
        ],
    }


def _cells(comparison: Comparison, row: Row) -> list[str]:
    assert row.found is not None
    return [*accuracy_cells(comparison, row.found), *cost_cells(comparison, row.found)]


def _best(rows: list[Row]) -> dict[int, Row]:
    """By width, the row with the highest top-1 (or agreement) in integer mode."""
    best: dict[int, tuple[float, Row]] = {}
    for row in rows:
        if row.found is not None:
            value = row.found.agreement_integer if row.found.top1_integer is None else row.found.top1_integer
            if row.bits not in best or value > best[row.bits][0]:
                best[row.bits] = value, row
    return {bits: row for bits, (_, row) in best.items()}


def _cards(rows: list[Row], best: dict[int, Row]) -> dict[str, str]:
    before = next((row.found.top1_float for row in rows if row.found is not None), None)
    cards = {} if before is None else {"top-1, float": percent(before)}
    for bits, row in best.items():
        assert row.found is not None
        value, what = row.found.top1_integer, "top-1"
        if value is None:
            value, what = row.found.agreement_integer, "agreement"
        cards[f"best {what} at {bits} bits, integer: {row.method}"] = percent(value)
    return cards


def _parts(comparison: Comparison) -> dict[str, dict[str, Any]]:
    """Every part of each method and width."""
    return {f"{row.method}, {row.bits} bits": row.found.parts for row in comparison.rows if row.found is not None}
