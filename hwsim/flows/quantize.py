"""Quantise a float network with golden and save the integer network that the accelerator runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.errors import HwsimError
from hwsim.flows.codesign import CodesignOptions, Request, codesign
from hwsim.flows.codesign import check as check_codesign
from hwsim.flows.codesign_table import stages
from hwsim.flows.quantize_inputs import PixelBatches, available_images, calibration_images, images_to_measure
from hwsim.images import ImageSource
from hwsim.network import Network, save_network
from hwsim.report.codesign import Codesign
from hwsim.report.codesign_terminal import print_codesign

if TYPE_CHECKING:
    import torch
    from rich.console import Console
    from rich.progress import Progress

    from golden.from_timm import Model
    from golden.method import MethodConfig
    from golden.pipeline import Measured, Quantised

CHECKPOINTS = "reconstruction"
"""Folder in that of the network, of one file for each module that has been reconstructed."""


@dataclass(frozen=True, kw_only=True)
class QuantizeOptions:
    """What to quantise, with what, and where to."""

    model: str
    """A shipped network's name, or a ``vit_*``, ``deit_*`` or ``swin_*`` name of timm."""
    calib: Path
    """Folder or ``.npz`` file of calibration images, or a shipped set's name; labels are not used."""
    out: Path
    """Folder of the network."""
    weights: Path | None = None
    """Safetensors, ``.pth`` or ``.pt`` file with timm's key names."""
    pretrained: bool = False
    """Let timm download the weights."""
    random_weights: int | None = None
    """Seed of random weights of the real shapes."""
    method: str = "tsptq"
    bits: int = 8
    """Of weights and activations; with a codesign its budgets say."""
    images: int = 32
    """Calibration images, drawn with the seed."""
    seed: int = 0
    data: Path | None = None
    """Images to measure on: a folder, an ``.npz`` file or a shipped set's name, with labels for top-1."""
    crop: float | None = None
    """Share of the resized image that the centre crop keeps; timm's own figure without it."""
    parts: Mapping[str, Any] = field(default_factory=dict)
    """Parts of the method that are to differ from the paper's, by key (``golden.method``)."""
    device: str = "cpu"
    """Where PyTorch works: ``cpu``, ``cuda`` or ``cuda:N``."""
    codesign: CodesignOptions | None = None
    """Choose a format for each tensor within these budgets."""


@dataclass(frozen=True, kw_only=True)
class QuantizeReport:
    """What was saved."""

    network: Network
    measured: Any
    """``golden.pipeline.Measured``, None without data."""
    codesign: Codesign | None = None
    """What was chosen, where something was."""


def quantize(options: QuantizeOptions, console: Console | None = None) -> QuantizeReport:
    """Calibrate, export, measure if there is data, save, and print a table.

    Raises
    ------
    HwsimError
        If an option, the weights, the images or the device are not usable, or golden's packages are missing.
    """
    from rich.console import Console

    console = console or Console()
    config = _check(options)
    try:
        import torch

        from golden.device import find_device
        from golden.from_timm import load_model
    except ImportError as error:
        raise HwsimError(
            f"quantize needs PyTorch and timm ({error.name} is missing): pip install 'hwsim[golden]'"
        ) from error
    device = find_device(options.device)
    model = load_model(options.model, options.weights, options.pretrained, options.crop, options.random_weights)
    drawn = calibration_images(options.calib, options.images, options.seed, model)
    data = None if options.data is None else images_to_measure(options.data, model)
    try:
        with _progress(console) as progress:
            network, measured, chosen = _run(model, drawn, config, data, options, device, progress)
    except torch.OutOfMemoryError as error:
        raise HwsimError(f"--device {options.device}: has too little memory (or try --device cpu)") from error
    save_network(network, options.out)
    _print(network, measured, chosen, options.out, console)
    return QuantizeReport(network=network, measured=measured, codesign=chosen)


def _check(options: QuantizeOptions) -> MethodConfig:
    """The method's parts; the folder for the network exists afterwards."""
    from golden.method import method_config

    config = method_config(options.method, options.bits, {"seed": options.seed, **options.parts})
    if options.codesign is not None:
        check_codesign(options.codesign)
    if options.images < 1:
        raise HwsimError(f"images must be 1 or more, not {options.images}")
    if options.crop is not None and not 0 < options.crop <= 1:
        raise HwsimError(f"crop must be above 0 and at most 1, not {options.crop}")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HwsimError(f"{options.out}: cannot be a folder for the network: {error.strerror}") from error
    return config


def _run(
    model: Model,
    drawn: Any,
    config: MethodConfig,
    data: ImageSource | None,
    options: QuantizeOptions,
    device: torch.device,
    progress: Progress,
) -> tuple[Network, Any, Codesign | None]:
    chosen: Codesign | None = None
    if options.codesign is None:
        quantised = _calibrated(model, drawn, config, options, device, progress)
    else:
        request = Request(
            model=model, images=drawn, seed=options.seed, parts=options.parts, options=options.codesign, device=device
        )
        task = progress.add_task("codesign", total=stages(model))
        quantised, chosen = codesign(
            request,
            lambda found: _calibrated(model, drawn, found, options, device, progress),
            _stage(progress, task, "codesign"),
        )
        progress.remove_task(task)
    if data is None:
        return quantised.network, None, chosen
    measured = _measured(quantised, data, options, progress)
    from golden.pipeline import with_figures

    return with_figures(quantised.network, measured), measured, chosen


def _calibrated(
    model: Model,
    drawn: Any,
    config: MethodConfig,
    options: QuantizeOptions,
    device: torch.device,
    progress: Progress,
) -> Quantised:
    from golden.pipeline import Reconstruction, quantise

    learnt = None
    if config.reconstruction is not None:
        pool = available_images(options.calib, config.reconstruction.images, options.seed, model)
        learnt = Reconstruction(images=pool, checkpoint=options.out / CHECKPOINTS)
    task = progress.add_task("calibrating", total=_stages(model, config))
    recorded: dict[str, object] = {"calibration_data": options.calib.name, "float_weights": model.weights}
    quantised = quantise(model, drawn, config, _stage(progress, task, "calibrating"), recorded, learnt, device)
    progress.update(task, completed=_stages(model, config), description="calibrated")
    return quantised


def _measured(quantised: Quantised, data: ImageSource, options: QuantizeOptions, progress: Progress) -> Measured:
    import torch

    from golden.pipeline import measure

    labels = None if data.labels is None else torch.from_numpy(np.asarray(data.labels, np.int64))
    tasks = {mode: progress.add_task(mode, total=len(data)) for mode in ("float", "paper", "integer")}
    name = "" if options.data is None else options.data.name
    return measure(
        quantised,
        PixelBatches(data),
        labels,
        name,
        lambda mode, done: progress.update(tasks[mode], completed=done),
    )


def _stages(model: Model, config: MethodConfig) -> int:
    """Reports of a calibration: the blocks, what is before and behind them, and two modules of each block."""
    blocks = len(model.vit.blocks)
    return blocks + 2 + (2 * blocks if config.reconstruction is not None else 0)


def _stage(progress: Progress, task: Any, what: str) -> Callable[[str], None]:
    """Called at the begin of each stage: one more than those done is at work."""
    begun = iter(range(1_000_000))
    return lambda name: progress.update(task, completed=next(begun), description=f"{what}: {name}")


def _progress(console: Console) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)


def _print(network: Network, measured: Any, chosen: Codesign | None, out: Path, console: Console) -> None:
    if chosen is not None:
        print_codesign(chosen, console)
    if measured is not None:
        from golden.figures import figures_table

        console.print(figures_table(measured))
    size = sum(array.nbytes for array in network.arrays.values()) / 1e6
    console.print(f"{network.name}: {len(network.layers)} layers, {size:.1f} MB -> {out}", highlight=False)
