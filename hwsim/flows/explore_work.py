"""A batch of points, in a worker process: the network and what its points share are kept from batch to batch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.config import build_config
from hwsim.errors import HwsimError
from hwsim.flows.explore_point import Evaluator
from hwsim.flows.explore_shapes import random_pixels, shape_network
from hwsim.images import load_images
from hwsim.network import Network, load_network

TOPIC = "hwsim-explore"
NETWORKS_KEPT = 2


@dataclass(frozen=True, kw_only=True)
class NetworkSource:
    """A network and the images to count operands on."""

    name: str
    folder: Path | None
    """None: one of ``explore_shapes.SHAPES``, with random pixels."""
    data: Path | None
    images: int
    """0: no energy."""
    digest: str
    """Of network and images, so that a worker notices when they have changed."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Points of one network."""

    source: NetworkSource
    configs: tuple[dict[str, Any], ...]
    """Values of every key of a preset."""


def load_source(source: NetworkSource) -> tuple[Network, NDArray[np.uint8] | None]:
    """Network and pixels.

    Raises
    ------
    HwsimError
        If they are not usable.
    """
    if source.folder is None:
        network = shape_network(source.name)
        return network, random_pixels(network, source.images) if source.images else None
    network = load_network(source.folder)
    if source.data is None:
        return network, None
    manifest = network.manifest
    images = load_images(source.data, manifest.preprocess, manifest.classes, count_max=source.images)
    return network, images.pixels


@lru_cache(maxsize=NETWORKS_KEPT)
def _evaluator(source: NetworkSource) -> Evaluator:
    return Evaluator(*load_source(source))


def run_batch(batch: Batch, _number: int) -> dict[str, Any]:
    """Compute points.

    Returns
    -------
    ``results``, for each point ``found`` (``asdict`` of ``Figures``), ``refused`` (one sentence: a configuration on
    which the network cannot run) or ``failure`` (one sentence: a fault). No exception leaves here.
    """
    return {"results": [_point(batch.source, values) for values in batch.configs]}


def _point(source: NetworkSource, values: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"found": asdict(_evaluator(source).figures(build_config(values, f"preset {values['name']}")))}
    except HwsimError as error:
        return {"refused": str(error)}
    except Exception as error:  # a fault of one point must not hide what the others found
        return {"failure": f"{type(error).__name__}: {' '.join(str(error).split())}"}
