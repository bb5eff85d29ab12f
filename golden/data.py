"""Fashion-MNIST from Debian's ``dataset-fashion-mnist`` package (MIT licence, Zalando SE)."""

from __future__ import annotations

import gzip
from pathlib import Path

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
