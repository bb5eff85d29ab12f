"""The HTML report: one file with its figures and images inside, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from hwsim.report.figures import energy_figure, layers_figure, svg, timeline_figure
from hwsim.report.groups import by_kind, each
from hwsim.report.result import RunReport
from hwsim.report.terminal import describe_config, describe_images, describe_origin, describe_regions
from hwsim.report.words import COMPONENT_LABELS, DEFINITIONS, REASON_LABELS, UNIT_LABELS, microjoules, percent, share

IMAGES_SHOWN = 16
_PICTURE_SIDE_MAX = 112


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One image with what was said of it."""

    data_uri: str
    said: str
    """Class that the integer hardware gave."""
    float_said: str | None
    right: str | None
    """Its label."""

    @property
    def verdict(self) -> str:
        """Name of the style: right, wrong or unknown."""
        if self.right is None:
            return "unknown"
        return "right" if self.said == self.right else "wrong"


def render_page(report: RunReport) -> str:
    """HTML text of a run."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(percent=percent, microjoules=microjoules)
    template = environment.from_string((files("hwsim") / "report" / "page.html.j2").read_text(encoding="utf-8"))
    cost = report.cost
    return template.render(
        report=report,
        cost=cost,
        origin=report.network.manifest.origin,
        origin_line=describe_origin(report),
        config_line=describe_config(report),
        images_line=describe_images(report),
        headline=_headline(report),
        figures={name: svg(figure) for name, figure in _figures(report).items()},
        kinds=by_kind(cost.layers, report.config),
        layers=each(cost.layers, report.config),
        components={COMPONENT_LABELS[name]: value for name, value in cost.energy_aj.items()},
        reasons={REASON_LABELS[reason]: cycles for reason, cycles in cost.spent.items()},
        units=UNIT_LABELS,
        share=share,
        first=[_picture(report, index) for index in range(min(IMAGES_SHOWN, len(report.images)))],
        changed=[_picture(report, index) for index in _changed(report)[:IMAGES_SHOWN]],
        changed_count=len(_changed(report)),
        definitions=DEFINITIONS,
    )


def _figures(report: RunReport) -> dict[str, Figure]:
    return {"energy": energy_figure(report), "layers": layers_figure(report), "timeline": timeline_figure(report)}


def _headline(report: RunReport) -> dict[str, str]:
    cost = report.cost
    low, high = (microjoules(cost.per_image_uj(bound.energy_aj)) for bound in (cost.low, cost.high))
    return {
        "top-1, float": percent(report.top1_float_percent),
        "top-1, integer hardware": percent(report.top1_integer_percent),
        "agreement": percent(report.agreement_percent),
        "cycles an image": f"{cost.cycles_per_image:,}",
        f"latency at {report.config.freq_mhz} MHz": f"{cost.latency_ms:.3f} ms",
        "frames/s": f"{cost.frames_per_second:,.1f}",
        "utilisation": f"{100 * cost.utilization:.1f} %",
        "utilisation at products": f"{100 * cost.array_utilization:.1f} %",
        "energy an image": f"{microjoules(cost.per_image_uj(cost.total_aj))} µJ",
        "operands zero/small/large": describe_regions(report),
        "energy band": f"{low} to {high} µJ",
    }


def _changed(report: RunReport) -> list[int]:
    """Images to which the hardware gives another class than the float model."""
    if report.images.top1_float is None:
        return []
    return [int(index) for index in np.flatnonzero(report.top1 != report.images.top1_float)]


def _picture(report: RunReport, index: int) -> Picture:
    classes, images = report.network.manifest.classes, report.images
    return Picture(
        data_uri=_png(images.pixels[index]),
        said=classes[report.top1[index]],
        float_said=None if images.top1_float is None else classes[images.top1_float[index]],
        right=None if images.labels is None else classes[images.labels[index]],
    )


def _png(pixels: NDArray[np.uint8]) -> str:
    """Image file of uint8[H, W] or uint8[H, W, 3] pixels as a data URI."""
    image = Image.fromarray(pixels)
    image.thumbnail((_PICTURE_SIDE_MAX, _PICTURE_SIDE_MAX))
    data = io.BytesIO()
    image.save(data, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"
