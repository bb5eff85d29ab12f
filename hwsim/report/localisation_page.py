"""A localisation as one HTML page: verdicts, figure, units, tensors; nothing is loaded from elsewhere."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from hwsim.report.figures import svg
from hwsim.report.localisation import Localisation, verdicts
from hwsim.report.localisation_figure import localisation_figure
from hwsim.report.localisation_terminal import describe, layer_cells, milli, top1, unit_cells

UNIT_COLUMNS = (
    *("alone: top-1 %", "changed", "KL / 0.001"),
    "as float: top-1 %",
    "changed",
    "KL / 0.001",
    "of the KL",
    "as in paper: top-1 %",
    "changed",
    "KL / 0.001",
)
LAYER_COLUMNS = ("format", "paper dB", "integer dB", "own dB", "worst channel: dB", "at the ends %", "codes")
DEFINITIONS = {
    "unit": "An operator with its weights, its arithmetic and the format of its result, in every block (blocks.*) or "
    "in one. The grid on which a table is read (scores, pre-activation) belongs to the table's unit: softmax, GELU.",
    "alone": "The float network with this one unit integer. At few bits the errors of all units together are so large "
    "that one less says little; alone each is seen. Units are ranked by the KL of this column.",
    "as float": "The unit computes in float with the float network's weights from the dequantised codes of the units "
    "before it, and passes its result on unrounded; every other unit stays integer, and what reads the result "
    "multiplies, adds and rounds it as if it were a code. The network is run so, not estimated.",
    "as in paper": "The unit is as in paper mode: the float operator with dequantised weights, its result the value of "
    "the nearest code. Parameters are those of the integer network, so no calibration runs again.",
    "changed, KL": "Images whose class is not the float network's; mean KL(p_float || p) in units of 0.001. KL moves "
    "before a class changes. A share of the KL below zero: the network would be further from float, since errors of "
    "units also cancel.",
    "SQNR": "10 log10(sum x^2 / sum (x - x')^2) of a tensor, x the float network's value, x' the dequantised code. "
    "paper, integer: all that comes before is in that mode too. own: this unit alone is integer and reads the float "
    "network's tensors. Rows that nothing reads do not count.",
    "worst channel": "Channel (head, class) with the lowest own SQNR.",
    "at the ends": "Codes at the format's largest value, or at its smallest where that is below zero.",
    "codes": "Codes of V-2SF whose flag is set, logarithmic codes of zero, outliers beside codes with a scale a row, "
    "and by their shift the channels of the residual stream.",
    "flip": "The first residual tensor after which the integer prefix, continued in float, no longer gives float's "
    "class; head: every residual tensor still gives it.",
}


def render_localisation(found: Localisation) -> str:
    """HTML text of a localisation."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((files("hwsim") / "report" / "localisation.html.j2").read_text(encoding="utf-8"))
    worst = {found.costliest.unit, getattr(found.costliest_layer, "unit", None)}
    return template.render(
        found=found,
        description=describe(found),
        verdicts=verdicts(found),
        cards={f"top-1, {mode}": top1(figures.top1) for mode, figures in found.modes.items()}
        | {f"KL / 0.001, {mode}": milli(found.modes[mode].kl) for mode in ("paper", "integer")}
        | {"classes that change": str(found.modes["integer"].changed)},
        figure=svg(localisation_figure(found)),
        unit_columns=UNIT_COLUMNS,
        units=[(row.unit, unit_cells(found, row), row.unit in worst) for row in found.units],
        layer_columns=LAYER_COLUMNS,
        layers=[(row.layer, layer_cells(row)) for row in found.layers],
        definitions=DEFINITIONS,
    )
