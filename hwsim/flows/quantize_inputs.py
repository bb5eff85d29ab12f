"""Images that ``hwsim quantize`` calibrates with and measures on, found and checked before any work begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.errors import HwsimError
from hwsim.flows.shipped import images_path
from hwsim.images import ImageSource, open_images

if TYPE_CHECKING:
    from torch import Tensor

    from golden.from_timm import Model


@dataclass(frozen=True)
class PixelBatches:
    """Images as golden measures them: as many tensors as it asks for, each read when its turn comes."""

    source: ImageSource

    def __len__(self) -> int:
        return len(self.source)

    def split(self, size: int) -> Iterator[Tensor]:
        """All images in their order, uint8[size, H, W, C] and the rest at the end."""
        from golden.pipeline import as_pixels

        return (as_pixels(pixels) for pixels in self.source.batches(size))


def calibration_images(path: Path, count: int, seed: int, model: Model) -> Tensor:
    """Draw calibration images; no others are decoded, and their classes do not matter.

    Parameters
    ----------
    path : folder, image or ``.npz`` file, or the name of a shipped set
    count : images to draw
    seed : of the draw

    Returns
    -------
    uint8[count, H, W, C]

    Raises
    ------
    HwsimError
        If there are no images, too few of them, or one that was drawn cannot be read.
    """
    found = open_images(images_path(path, "calib"), model.preprocess, model.classes, labelled=False)
    if len(found) < count:
        raise HwsimError(f"{path}: has {len(found)} images, but --images asks for {count} to calibrate with")
    return _draw(found, count, seed)


def available_images(path: Path, count: int, seed: int, model: Model) -> Tensor:
    """Draw images for the reconstruction, all there are where that is fewer: uint8[at most count, H, W, C]."""
    found = open_images(images_path(path, "calib"), model.preprocess, model.classes, labelled=False)
    return _draw(found, min(count, len(found)), seed)


def _draw(found: ImageSource, count: int, seed: int) -> Tensor:
    import torch

    from golden.pipeline import as_pixels, draw

    drawn = draw(torch.arange(len(found)), count, seed).tolist()
    pixels: Tensor = as_pixels(found.read(drawn))
    return pixels


def images_to_measure(path: Path, model: Model) -> ImageSource:
    """Find the images to measure on, and their classes; a file that is no image is refused now and not in the middle.

    Raises
    ------
    HwsimError
        If there are no images, one is not an image, or a class is not one of the network's.
    """
    found = open_images(images_path(path, "test"), model.preprocess, model.classes)
    found.check_headers()
    return found
