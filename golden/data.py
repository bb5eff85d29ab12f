"""Fashion-MNIST from Debian's ``dataset-fashion-mnist`` package (MIT licence, Zalando SE).

``python -m golden.data test build/fashion_mnist.npz`` packs all 10,000 test images for ``--data`` of every command.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

FASHION_MNIST_DIR = Path("/usr/share/datasets/fashion-mnist")
FASHION_MNIST_MEAN = 0.2860  # of the 60,000 training images, on a scale of 0 to 1
FASHION_MNIST_STD = 0.3530

_PREFIX = {"train": "train", "test": "t10k"}


def fashion_mnist(split: str, folder: Path = FASHION_MNIST_DIR) -> tuple[Tensor, Tensor]:
    """Read one split.

    Parameters
    ----------
    split : ``"train"`` (60,000 images) or ``"test"`` (10,000 images)
    folder : where the four IDX files lie

    Returns
    -------
    images : uint8[n, 28, 28]
    labels : int64[n]

    Raises
    ------
    FileNotFoundError
        If the files are missing; the message names the Debian package.
    """
    images = _read_idx(folder / f"{_PREFIX[split]}-images-idx3-ubyte.gz", header_bytes=16)
    labels = _read_idx(folder / f"{_PREFIX[split]}-labels-idx1-ubyte.gz", header_bytes=8)
    return torch.from_numpy(images.reshape(-1, 28, 28)), torch.from_numpy(labels.astype(np.int64))


def _read_idx(path: Path, header_bytes: int) -> np.ndarray:
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: install it with 'apt-get install dataset-fashion-mnist'")
    with gzip.open(path) as f:
        return np.frombuffer(f.read(), np.uint8, offset=header_bytes).copy()


def save_images(path: Path, **arrays: Tensor) -> None:
    """Write images, labels or classes as uint8 to an ``.npz`` file, beside and renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".partial.npz")
    pixels: dict[str, Any] = {key: value.numpy().astype(np.uint8) for key, value in arrays.items()}
    np.savez_compressed(beside, **pixels)
    beside.replace(path)


def main() -> None:
    """Parse the command line and pack a split."""
    parser = argparse.ArgumentParser(description="Pack a split of Fashion-MNIST as an .npz file.")
    parser.add_argument("split", choices=list(_PREFIX))
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    images, labels = fashion_mnist(args.split)
    save_images(args.out, images=images, labels=labels)


if __name__ == "__main__":
    main()
