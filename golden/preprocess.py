"""From image files to input codes with timm's own transform: resize the short side, crop the centre, uint8.

This is golden's loader; ``hwsim`` has one that needs Pillow only, and a test shows that both give the same codes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from timm.data import create_transform
from torch import Tensor

from hwsim.errors import HwsimError
from hwsim.network import Preprocess

IMAGE_SUFFIXES = {".jpeg", ".jpg", ".png", ".bmp", ".webp"}


@dataclass(frozen=True, kw_only=True)
class Images:
    """Input codes and, where known, labels."""

    pixels: Tensor
    """uint8[n, H, W, C]"""
    labels: Tensor | None
    """int64[n]"""
    source: str
    """Name of the folder or file."""

    def __len__(self) -> int:
        return len(self.pixels)

    def choose(self, count: int, seed: int) -> Images:
        """``count`` images drawn with a seed, in their order; all of them if there are no more."""
        generator = torch.Generator().manual_seed(seed)
        index = torch.randperm(len(self), generator=generator)[:count].sort().values
        labels = None if self.labels is None else self.labels[index]
        return Images(pixels=self.pixels[index], labels=labels, source=self.source)


def load_images(path: Path, preprocess: Preprocess) -> Images:
    """Read a folder of images or an ``.npz`` with ``images`` (and ``labels``).

    A folder holds images whose names begin with the class index (digits, then ``_``), class folders, or
    images without a label.

    Raises
    ------
    HwsimError
        If there is nothing to read or an image has another shape or type.
    """
    if path.is_dir():
        return _load_folder(path, preprocess)
    if path.suffix == ".npz" and path.is_file():
        return _load_npz(path, preprocess)
    raise HwsimError(f"{path}: no images here (expected a folder or an .npz file)")


def _load_npz(path: Path, preprocess: Preprocess) -> Images:
    with np.load(path) as archive:
        if "images" not in archive:
            raise HwsimError(f"{path}: images is missing (found {', '.join(archive.files) or 'nothing'})")
        pixels = archive["images"]
        labels = archive["labels"] if "labels" in archive else None
    if preprocess.mode == "L" and pixels.ndim == 3:
        pixels = pixels[..., None]
    channels = 1 if preprocess.mode == "L" else 3
    expected = (preprocess.size, preprocess.size, channels)
    if pixels.dtype != np.uint8 or pixels.shape[1:] != expected:
        raise HwsimError(f"{path}: images must be uint8 [n, {expected}], not {pixels.dtype} {list(pixels.shape)}")
    if labels is not None and labels.shape != (len(pixels),):
        raise HwsimError(f"{path}: labels must have {len(pixels)} entries, not shape {list(labels.shape)}")
    return Images(
        pixels=torch.from_numpy(pixels),
        labels=None if labels is None else torch.from_numpy(labels.astype(np.int64)),
        source=path.name,
    )


def _load_folder(folder: Path, preprocess: Preprocess) -> Images:
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise HwsimError(f"{folder}: no images here (expected files ending in {', '.join(sorted(IMAGE_SUFFIXES))})")
    labels = _labels(folder, files)
    pixels = np.stack([load_image(file, preprocess) for file in files])
    return Images(
        pixels=torch.from_numpy(pixels),
        labels=None if labels is None else torch.tensor(labels),
        source=folder.name,
    )


def _labels(folder: Path, files: list[Path]) -> list[int] | None:
    """Class of each file from its name or its class folder, None if one has neither."""
    if all(file.parent != folder for file in files):
        names = sorted({file.relative_to(folder).parts[0] for file in files})
        index = {name: int(name) if name.isdigit() else i for i, name in enumerate(names)}
        return [index[file.relative_to(folder).parts[0]] for file in files]
    matches = [re.match(r"(\d+)_", file.name) for file in files]
    return [int(m[1]) for m in matches if m] if all(matches) else None


def load_image(path: Path, preprocess: Preprocess) -> np.ndarray:
    """One image file as uint8[H, W, C]."""
    try:
        with Image.open(path) as image:
            converted = image.convert(preprocess.mode)
    except (UnidentifiedImageError, OSError) as error:
        raise HwsimError(f"{path}: not a readable image: {error}") from error
    pixels = np.asarray(_geometry(preprocess)(converted))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _geometry(preprocess: Preprocess):  # noqa: ANN202 torchvision has no type stubs
    """timm's transform up to where it leaves Pillow."""
    transform = create_transform(
        input_size=(3, preprocess.size, preprocess.size),
        interpolation=preprocess.interpolation,
        crop_pct=preprocess.size / (preprocess.resize + 0.5),  # timm floors size / crop_pct
        is_training=False,
    )
    steps = type(transform)(transform.transforms[:2])
    resize = transform.transforms[0].size
    if resize != preprocess.resize:
        raise HwsimError(f"resize must be {preprocess.resize} by timm's transform, not {resize}")
    return steps
