"""Where the shipped networks and images lie, and which of them a command means."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Literal

from hwsim.errors import HwsimError
from hwsim.network import JSON_NAME, Network

DEFAULT_NETWORK = "fashion_mnist_vit"
SHIPPED_SETS = {DEFAULT_NETWORK: "fashion_mnist"}
"""Set of shipped images of each shipped network."""


def zoo() -> Path:
    """Folder of the shipped networks and images."""
    with as_file(files("hwsim") / "zoo") as folder:
        return folder


def shipped_networks() -> list[str]:
    """Names of the shipped networks."""
    return sorted(folder.parent.name for folder in zoo().glob(f"*/{JSON_NAME}"))


def network_path(name_or_path: str | None) -> Path:
    """Folder of a network: one's own, or a shipped one by its name."""
    if name_or_path is None:
        return zoo() / DEFAULT_NETWORK
    own = Path(name_or_path)
    if not own.exists() and name_or_path in shipped_networks():
        return zoo() / name_or_path
    return own


def images_path(data: Path, part: Literal["calib", "test"]) -> Path:
    """One's own images, or a part of a shipped set by its name, such as ``fashion_mnist``."""
    shipped = zoo() / data / f"{part}.npz"
    return shipped if not data.exists() and shipped.is_file() else data


def data_path(data: Path | None, network: Network) -> Path:
    """Images to run on: those given (a path, or the name of a shipped set), or the test images of a shipped network.

    Raises
    ------
    HwsimError
        If no images were given and the network is not a shipped one.
    """
    if data is not None:
        return images_path(data, "test")
    shipped = network.folder is not None and network.folder.resolve().parent == zoo().resolve()
    name = network.folder.name if network.folder is not None and shipped else network.name
    if name not in SHIPPED_SETS:
        size, mode = network.manifest.preprocess.size, network.manifest.preprocess.mode
        raise HwsimError(
            f"{network.folder}: hwsim ships no images for network {network.name!r} "
            f"(expected --data with an .npz file or a folder of images, which become {size}x{size} {mode})"
        )
    return images_path(Path(SHIPPED_SETS[name]), "test")
