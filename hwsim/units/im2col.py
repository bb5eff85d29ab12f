"""Patches of an image as rows, as the DMA writes them: the model of ``rtl/hws_im2col.sv``.

    row of patch (i, j), column (channel, y, x) = image[i * patch + y, j * patch + x, channel]

Pixels are uint8. The column order is that of a convolution's weight. With a class token, row 0 holds the zero point
in every column, which decodes to zeros. No arithmetic: addresses only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def im2col(image: NDArray[np.uint8], patch: int, class_row: int | None) -> NDArray[np.uint8]:
    """Rows of patches.

    Parameters
    ----------
    image : uint8[height, width, channels], height and width multiples of ``patch``
    patch : height and width of a patch in pixels
    class_row : the input's zero point where there is a class token, else None

    Returns
    -------
    uint8[tokens, channels * patch * patch]
    """
    height, width, channels = image.shape
    if height % patch or width % patch:
        raise ValueError(f"height and width must be multiples of patch {patch}, not {height} and {width}")
    grid = image.reshape(height // patch, patch, width // patch, patch, channels)
    rows = grid.transpose(0, 2, 4, 1, 3).reshape(-1, channels * patch * patch)
    if class_row is None:
        return np.ascontiguousarray(rows)
    first = np.full((1, rows.shape[1]), class_row, np.uint8)
    return np.concatenate([first, rows])
