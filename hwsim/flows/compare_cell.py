"""One cell of a comparison, in a worker process: quantise, measure the three modes, count cycles, energy and formats.

PyTorch, timm and golden are imported here and nowhere before.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.cost.format_units import format_units
from hwsim.errors import HwsimError
from hwsim.flows.quantize_inputs import PixelBatches, available_images, calibration_images
from hwsim.flows.run import RunOptions, run
from hwsim.flows.shipped import images_path
from hwsim.images import ImageSource, open_images
from hwsim.network import ARRAYS_NAME, Linear, Network, save_network
from hwsim.report.comparison import CellCost, Found
from hwsim.report.result import RunReport

if TYPE_CHECKING:
    from golden.from_timm import Model
    from golden.method import MethodConfig
    from golden.pipeline import Measured, Quantised

ENERGY_IMAGES = 8
"""Energy depends on the operands a little: it is counted over the first images only."""
EDGE_LAYERS = ("patch_embed", "head")
"""Layers whose weights have 8 bits in every method."""
TOPIC = "hwsim-compare"
"""Of the events in which a worker says what it does."""
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A float network and images; every path is absolute."""

    model: str
    weights: Path | None
    pretrained: bool
    random_weights: int | None
    crop: float | None
    data: Path
    calib: Path
    images: int | None
    calib_images: int
    stress: bool


@dataclass(frozen=True, kw_only=True)
class Cell:
    """All that a worker needs."""

    source: Source
    config: dict[str, Any]
    """Of ``golden.method.MethodConfig``."""
    preset: str
    overrides: tuple[str, ...]
    threads: int | None
    """Threads of PyTorch; None leaves them to the worker."""
    device: str
    """Of PyTorch in the worker: the network is quantised and measured there, the rest is the CPU's."""
    checkpoints: Path
    """Folder for the reconstruction's modules, so that an interrupted cell goes on."""


def load_source(source: Source) -> tuple[Model, ImageSource]:
    """The float network and the images to measure on, which are decoded later.

    Raises
    ------
    HwsimError
        If the model, its weights or the images are not usable.
    """
    from golden.from_timm import load_model

    model = load_model(source.model, source.weights, source.pretrained, source.crop, source.random_weights)
    path = images_path(source.data, "test")
    images = open_images(path, model.preprocess, model.classes, count_max=source.images)
    return model, images


def run_cell(cell: Cell, number: int) -> dict[str, Any]:
    """Compute a cell.

    Parameters
    ----------
    number : of the cell, for the events

    Returns
    -------
    ``asdict`` of ``Found``, or ``failure`` with one sentence: no exception but those that end the process leaves here.
    """
    try:
        return {"found": asdict(_run(cell, _say(number)))}
    except HwsimError as error:
        return {"failure": str(error)}
    except Exception as error:  # a fault of one method must not hide what the others found
        reason = " ".join(str(error).split()).split(". ")[0]
        return {"failure": f"{type(error).__name__}: {reason}" if reason else type(error).__name__}


def _say(number: int) -> Say:
    from distributed import get_worker

    worker = get_worker()
    return lambda stage: worker.log_event(TOPIC, {"number": number, "stage": stage})


def _run(cell: Cell, say: Say) -> Found:
    import torch

    from golden.device import describe, find_device
    from golden.method import MethodConfig
    from golden.pipeline import versions

    device = find_device(cell.device)
    if cell.threads is not None:
        torch.set_num_threads(cell.threads)
    say("loading")
    config = MethodConfig.model_validate(cell.config)
    model, images = load_source(cell.source)
    calibration = calibration_images(cell.source.calib, cell.source.calib_images, config.seed, model)
    if cell.source.stress:
        from golden.stress import StressConfig, stress

        say("stressing")
        model = replace(model, vit=stress(model.vit, calibration, StressConfig(seed=config.seed)))
    begin = time.perf_counter()
    quantised = _quantise(model, calibration, config, cell, device, say)
    seconds = time.perf_counter() - begin
    measured = _measure(quantised, images, say)
    say("counting cycles and energy")
    cost, arrays_bytes, no_cost = _cost(quantised.network, cell, len(images))
    figures = measured.figures
    return Found(
        images=measured.images,
        top1_float=figures["float"].top1,
        top1_paper=figures["paper"].top1,
        top1_integer=figures["integer"].top1,
        agreement_paper=figures["paper"].agreement,
        agreement_integer=figures["integer"].agreement,
        weights_mb=weight_bytes(quantised.network, config) / 1e6,
        arrays_mb=arrays_bytes / 1e6,
        cost=cost,
        no_cost=no_cost,
        units=format_units(quantised.network),
        calibration_seconds=seconds,
        reconstruction_iterations=None if config.reconstruction is None else config.reconstruction.iterations,
        parts=config.model_dump(mode="json", exclude={"method", "bits", "seed"}),
        weights=model.weights,
        versions={**versions(), "device": describe(device)},
    )


def _quantise(model: Model, calibration: Any, config: MethodConfig, cell: Cell, device: Any, say: Say) -> Quantised:
    from golden.pipeline import Reconstruction, quantise

    learnt = None
    if config.reconstruction is not None:
        pool = available_images(cell.source.calib, config.reconstruction.images, config.seed, model)
        learnt = Reconstruction(images=pool, checkpoint=cell.checkpoints)
    return quantise(model, calibration, config, lambda stage: say(f"calibrating: {stage}"), None, learnt, device)


def _measure(quantised: Quantised, images: ImageSource, say: Say) -> Measured:
    import torch

    from golden.pipeline import measure

    labels = None if images.labels is None else torch.from_numpy(np.asarray(images.labels, np.int64))

    def report(mode: str, done: int) -> None:
        if mode == "integer":  # the last of the three on each batch
            say(f"measured {done:,} of {len(images):,} images")

    return measure(quantised, PixelBatches(images), labels, Path(images.source).name, report)


def _check_machine(report: RunReport, network: Network) -> None:
    """The accuracy of integer mode is the machine's: the same logits, word for word.

    Raises
    ------
    HwsimError
        If one differs.
    """
    from golden.integer import IntegerModel
    from golden.pipeline import as_pixels

    golden = IntegerModel(network)(as_pixels(report.images.pixels)).numpy()
    if not np.array_equal(golden, report.logits):
        raise HwsimError(
            f"network {network.name}: {int((golden != report.logits).sum())} of {golden.size} logits of the machine "
            f"differ from integer mode on {len(golden)} images, expected none"
        )


def weight_bytes(network: Network, config: MethodConfig) -> float:
    """Bytes of all weights, each at its width."""
    from golden.tensor_parts import EDGE_BITS

    layers = [layer.name for layer in network.layers if isinstance(layer, Linear)]
    widths = {name: EDGE_BITS if name in EDGE_LAYERS else config.at(f"{name}.weight").bits for name in layers}
    return sum(network.arrays[f"{name}.weight"].size * width for name, width in widths.items()) / 8


def _cost(network: Network, cell: Cell, images: int) -> tuple[CellCost | None, int, str | None]:
    """Cost of an image as ``hwsim run`` counts it, bytes of the arrays, and why the compiler refuses the network."""
    with tempfile.TemporaryDirectory(prefix="hwsim-compare-") as folder:
        save_network(network, folder)
        arrays_bytes = (Path(folder) / ARRAYS_NAME).stat().st_size
        data = images_path(cell.source.data, "test")
        options = RunOptions(
            network=folder, data=data, images=min(images, ENERGY_IMAGES), preset=cell.preset, overrides=cell.overrides
        )
        try:
            report = run(options)
        except HwsimError as error:
            return None, arrays_bytes, str(error)
    _check_machine(report, network)
    cost = report.cost
    return (
        CellCost(
            cycles=cost.cycles_per_image,
            latency_ms=cost.latency_ms,
            energy_uj=cost.per_image_uj(cost.total_aj),
            energy_uj_low=cost.per_image_uj(cost.low.energy_aj),
            energy_uj_high=cost.per_image_uj(cost.high.energy_aj),
            energy_images=cost.image_count,
        ),
        arrays_bytes,
        None,
    )
