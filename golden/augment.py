"""More images from a few: random crops, mirrored or not, where a method asks for more than there are.

A crop keeps 0.5 to 1 of the area, its sides in a ratio of 3/4 to 4/3, and is resized to the whole (our decision; for
calibration only).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import interpolate

SMALLEST_AREA = 0.5
LARGEST_RATIO = 4 / 3


def enough_images(images: Tensor, count: int, seed: int) -> Tensor:
    """The first ``count`` images, followed by crops of all of them where there are fewer.

    Crops are made on the CPU, so that their pixels are the same wherever the images lie.

    Parameters
    ----------
    images : uint8[n, H, W, C]
    """
    if len(images) >= count:
        return images[:count]
    generator = torch.Generator().manual_seed(seed)
    sources = images.cpu()
    crops = [_crop(sources[i % len(images)], generator) for i in range(count - len(images))]
    return torch.cat([images, torch.stack(crops).to(images.device)])


def _crop(image: Tensor, generator: torch.Generator) -> Tensor:
    """uint8[H, W, C] to the same."""
    height, width, _ = image.shape
    area, ratio, top, left, mirrored = torch.rand(5, generator=generator).tolist()
    area = SMALLEST_AREA + area * (1 - SMALLEST_AREA)
    ratio = math.exp((2 * ratio - 1) * math.log(LARGEST_RATIO))
    rows = min(height, round(height * math.sqrt(area / ratio)))
    columns = min(width, round(width * math.sqrt(area * ratio)))
    first_row, first_column = int(top * (height - rows + 1)), int(left * (width - columns + 1))
    part = image[first_row : first_row + rows, first_column : first_column + columns].permute(2, 0, 1)[None].float()
    whole = interpolate(part, (height, width), mode="bicubic", antialias=True)[0].permute(1, 2, 0)
    whole = (whole + 0.5).floor().clamp(0, 255).to(torch.uint8)
    return whole.flip(1) if mirrored < 1 / 2 else whole
