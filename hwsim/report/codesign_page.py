"""A codesign as one HTML page: picture, totals, kinds, every tensor; nothing is loaded from elsewhere."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from hwsim.report.codesign import Codesign
from hwsim.report.codesign_figure import codesign_figure
from hwsim.report.codesign_terminal import KIND_COLUMNS, TOTAL_COLUMNS, describe, kind_rows, total_rows
from hwsim.report.figures import svg

DEFINITIONS = {
    "KL": "1/2 e^T F e in nats: e is what rounding changes in the tensor, F the Fisher matrix of the float network, "
    "estimated on the calibration images with labels drawn from its own predictions. Tensors' errors count as "
    "independent. At few bits the true KL is another, the order of choices is what counts.",
    "other format": "The best one of another format at the same width: the sum of its KL over that of the chosen one.",
    "µJ, cycles": "Of an image. Of a tensor: what the passes that it enters cost, against uniform codes of 8 bits "
    "everywhere, counted on a network that was compiled and run. As made: the chosen network itself, as hwsim run.",
    "formats of a paper": "The paper's formats and width, in this estimate and with this calibration; "
    "its own searches may do better or worse.",
}


def render_codesign(found: Codesign) -> str:
    """HTML text of a codesign."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text = (files("hwsim") / "report" / "codesign.html.j2").read_text(encoding="utf-8")
    return environment.from_string(text).render(
        found=found,
        description=describe(found),
        figure=svg(codesign_figure(found)),
        kind_columns=KIND_COLUMNS,
        kinds=kind_rows(found),
        tensors=kind_rows(found, every_tensor=True),
        total_columns=TOTAL_COLUMNS,
        totals=total_rows(found),
        definitions=DEFINITIONS,
    )
