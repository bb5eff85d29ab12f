"""One image file as input codes by timm's own transform: resize the short side, crop the centre, uint8.

Golden's half of a comparison: ``hwsim.images`` needs Pillow only, and a test shows that both give the same codes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from timm.data import create_transform

from hwsim.network import Preprocess


def load_image(path: Path, preprocess: Preprocess) -> NDArray[np.uint8]:
    """Read an image as uint8[size, size] (mode L) or uint8[size, size, 3] (RGB)."""
    transform = create_transform(
        input_size=(3, preprocess.size, preprocess.size),
        interpolation=preprocess.interpolation,
        crop_pct=preprocess.size / (preprocess.resize + 0.5),  # timm floors size / crop_pct
        is_training=False,
    )
    with Image.open(path) as image:
        converted = image.convert(preprocess.mode)
    for step in transform.transforms[:2]:  # resize and crop; tensors come after them
        converted = step(converted)
    return np.asarray(converted)
