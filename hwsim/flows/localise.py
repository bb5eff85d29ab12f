"""Where accuracy goes between a float network and its integer network, layer by layer and unit by unit."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.errors import HwsimError
from hwsim.flows.quantize_inputs import PixelBatches
from hwsim.flows.shipped import data_path, network_path
from hwsim.flows.versions import versions
from hwsim.images import ImageSource, open_images
from hwsim.network import Network, load_network
from hwsim.report.localisation import LayerRow, Localisation, ModeFigures, UnitRow

if TYPE_CHECKING:
    from golden.from_timm import Model

Stage = Callable[[str, int, int], None]
IMAGES_DEFAULT = 200


@dataclass(frozen=True, kw_only=True)
class LocaliseOptions:
    """Which network, on what, against which float weights."""

    network: str | None = None
    data: Path | None = None
    images: int = IMAGES_DEFAULT
    weights: Path | None = None
    """Safetensors, ``.pth`` or ``.pt`` file with timm's key names."""
    pretrained: bool = False
    """Let timm download the weights."""
    random_weights: int | None = None
    """Seed of random weights."""
    per_block: bool = False
    """Run every layer for itself too."""


def localise(options: LocaliseOptions, stage: Stage | None = None) -> Localisation:
    """Run the network with each unit in turn as float and as in paper mode.

    Raises
    ------
    HwsimError
        If the network, the images or the weights are not usable or do not belong together, or PyTorch is missing.
    """
    begin = time.perf_counter()
    network = load_network(network_path(options.network))
    manifest = network.manifest
    path = data_path(options.data, network)
    images = open_images(path, manifest.preprocess, manifest.classes, count_max=options.images)
    images.check_headers()
    try:
        from golden.localise import localise as run
    except ImportError as error:
        raise HwsimError(
            f"localise needs PyTorch and timm ({error.name} is missing): pip install 'hwsim[golden]'"
        ) from error
    say: Stage = stage or (lambda _what, _done, _all: None)
    say("float weights", 0, len(images))
    model = float_model(network, options)
    found = run(network, model.vit, PixelBatches(images), _labels(images), say, per_block=options.per_block)
    return _report(network, model, images, found, time.perf_counter() - begin)


def float_model(network: Network, options: LocaliseOptions) -> Model:
    """Load the float network that a network was made from.

    Without a source of weights those that hwsim ships are tried, where it ships any of this model, or random ones are
    drawn again, where the network records their seed.

    Raises
    ------
    HwsimError
        If there is no source of weights, or more than one, or it cannot be read.
    """
    from golden.from_timm import load_model
    from golden.shipped import SHIPPED

    origin = network.manifest.origin
    recorded = str(origin.options.get("float_weights", ""))
    seed = options.random_weights
    if options.weights is None and not options.pretrained and seed is None:
        drawn = re.fullmatch(r"random, seed (\d+)", recorded)
        seed = int(drawn[1]) if drawn else None
        if seed is None and origin.model not in SHIPPED:
            before = f", it was quantised from {recorded}" if recorded else ""
            raise HwsimError(
                f"{network.folder}: holds no float weights{before} (expected --weights FILE, --pretrained or "
                "--random-weights SEED)"
            )
    return load_model(origin.model, options.weights, options.pretrained, None, seed)


def _labels(images: ImageSource) -> Any:
    import torch

    return None if images.labels is None else torch.from_numpy(np.asarray(images.labels, np.int64))


def _report(network: Network, model: Model, images: ImageSource, found: Any, seconds: float) -> Localisation:
    origin = network.manifest.origin
    return Localisation(
        network=network.name,
        origin=f"{origin.model}, {origin.method}, {origin.bits} bits, {origin.calibration_images} calibration images",
        source=str(Path(*Path(images.source).parts[-2:])),
        images=found.images,
        weights=model.weights,
        modes={mode: _figures(figures) for mode, figures in found.figures.items()},
        layers=tuple(LayerRow(**asdict(row)) for row in found.layers),
        units=tuple(
            UnitRow(
                unit=row.unit.name,
                layers=row.unit.layers,
                alone=_figures(row.alone),
                as_float=_figures(row.as_float),
                as_paper=_figures(row.as_paper),
            )
            for row in found.units
        ),
        flips=found.flips,
        seconds=seconds,
        versions=versions("hwsim", "torch", "timm", "numpy"),
    )


def _figures(figures: Any) -> ModeFigures:
    return ModeFigures(top1=figures.top1, changed=figures.changed, kl=figures.kl)
