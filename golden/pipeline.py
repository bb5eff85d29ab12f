"""Quantise a float network, export it, and measure it in float, paper and integer mode."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from golden.calibrate import calibrate
from golden.device import CPU, describe, move
from golden.export import export
from golden.from_timm import Model
from golden.integer import IntegerModel
from golden.measure import Figures, Images, compare, predict
from golden.method import MethodConfig
from golden.paper import PaperModel
from golden.parameters import Calibrated
from golden.reconstruct.loop import reconstruct
from golden.vit import forward
from hwsim.network import Network, Origin

TOKENS_IN_A_BATCH = 3200
"""Images a batch are this divided by the tokens of one, so that memory stays bounded."""


@dataclass(frozen=True, kw_only=True)
class Quantised:
    """A float network, its parameters and its integer network."""

    model: Model
    """On the device that it was quantised on, as the parameters are; the integer network is arrays of NumPy."""
    calibrated: Calibrated
    network: Network


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """What reconstruction takes beside the method's parts."""

    images: Tensor
    """uint8[n, H, W, C]; crops of them stand in where the method asks for more."""
    checkpoint: Path | None = None
    """Folder of one file a module, from which a later run goes on."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The three modes on the same images."""

    figures: dict[str, Figures]
    """By mode: float, paper, integer."""
    top1_float: Tensor
    """int64[n], the float model's class of each image."""
    images: int
    source: str


def quantise(
    model: Model,
    images: Tensor,
    config: MethodConfig,
    report: Callable[[str], None],
    recorded: dict[str, object] | None = None,
    reconstruction: Reconstruction | None = None,
    device: torch.device = CPU,
) -> Quantised:
    """Calibrate on every image given, reconstruct where the method says so, and export.

    Parameters
    ----------
    images : uint8[n, H, W, C]
    report : called with the name of each stage
    recorded : what else the network shall say about how it was made
    reconstruction : more images and a place for checkpoints; without it the calibration images and none
    device : where to work, whatever the network and the images lie on
    """
    model, images = replace(model, vit=move(model.vit, device)), images.to(device)
    calibrated = calibrate(model.vit, images, config, report)
    if config.reconstruction is not None:
        more = reconstruction or Reconstruction(images=images)
        calibrated = reconstruct(calibrated, more.images.to(device), config.reconstruction, report, more.checkpoint)
    noted = {"device": describe(device), **(recorded or {})}
    network = network_of(model, calibrated, config, len(images), noted)
    return Quantised(model=model, calibrated=calibrated, network=network)


def network_of(
    model: Model, calibrated: Calibrated, config: MethodConfig, images: int, recorded: dict[str, object]
) -> Network:
    """The integer network of calibrated parameters.

    Parameters
    ----------
    images : number of calibration images
    recorded : what the network shall say beside the choices and the calibration's notes

    Raises
    ------
    HwsimError
        If a number does not fit the width that docs/numerics.md gives it.
    """
    chosen = config.model_dump(exclude={"method", "bits", "seed"})
    origin = Origin(
        model=model.name,
        method=config.method,
        bits=config.bits,
        seed=config.seed,
        calibration_images=images,
        options={**chosen, **calibrated.notes, **recorded},
        versions=versions(),
    )
    return export(model.name, calibrated, model.preprocess, model.classes, origin)


def measure(
    quantised: Quantised,
    images: Images,
    labels: Tensor | None,
    source: str,
    report: Callable[[str, int], None],
) -> Measured:
    """Predictions of the three modes on the same images, on the device of the network.

    Parameters
    ----------
    images : uint8[n, H, W, C], a tensor or whatever splits into tensors as it is read
    labels : int64[n] or None
    source : name of the images, for the record
    report : called with the mode and the number of images done
    """
    vit, network = quantised.model.vit, quantised.network
    device = vit.head.weight.device
    modes: dict[str, Callable[[Tensor], Tensor]] = {
        "float": lambda x: forward(vit, x),
        "paper": PaperModel(quantised.calibrated),
        "integer": IntegerModel(network, device),
    }
    batch = max(1, TOKENS_IN_A_BATCH // vit.tokens)
    logits = predict(modes, images, batch, report, device)
    logits["integer"] *= network.tensor(network.manifest.logits).scale
    return Measured(
        figures={mode: compare(found, logits["float"], labels) for mode, found in logits.items()},
        top1_float=logits["float"].argmax(1),
        images=len(images),
        source=source,
    )


def with_figures(network: Network, measured: Measured) -> Network:
    """The network with the figures in its origin."""
    found = measured.figures
    origin = network.manifest.origin.model_copy(
        update={
            "top1_float": _percent(found["float"].top1),
            "top1_paper": _percent(found["paper"].top1),
            "top1_integer": _percent(found["integer"].top1),
            "accuracy_images": measured.images,
            "accuracy_data": measured.source,
            "options": {
                **network.manifest.origin.options,
                "agreement_paper": round(found["paper"].agreement, 2),
                "agreement_integer": round(found["integer"].agreement, 2),
                "changed_integer": found["integer"].changed,
            },
        }
    )
    return Network(network.manifest.model_copy(update={"origin": origin}), network.arrays, network.folder)


def _percent(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def as_pixels(images: NDArray[np.uint8]) -> Tensor:
    """uint8[n, H, W] or uint8[n, H, W, C] to uint8[n, H, W, C]."""
    pixels = torch.from_numpy(images)
    return pixels[..., None] if pixels.ndim == 3 else pixels


def draw(images: Tensor, count: int, seed: int) -> Tensor:
    """``count`` images drawn with a seed, in their order; all of them if there are no more."""
    generator = torch.Generator().manual_seed(seed)
    return images[torch.randperm(len(images), generator=generator)[:count].sort().values]


def versions() -> dict[str, str]:
    """Versions of what made the network."""
    found = {"python": platform.python_version()}
    for package in ("hwsim", "torch", "timm", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
