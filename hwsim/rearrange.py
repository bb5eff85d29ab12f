"""Where the rows of a ``Rearrange`` layer come from: the addresses of a window partition, its inverse, patch merging.

window    row p of window w is row ((y + shift) mod H) * W + (x + shift) mod W of the image, y and x the place of p
unwindow  the inverse
merge     rows (2 Y, 2 X), (2 Y + 1, 2 X), (2 Y, 2 X + 1), (2 Y + 1, 2 X + 1) side by side
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwsim.network import Rearrange


def row_index(layer: Rearrange) -> NDArray[np.int64]:
    """Input rows of each output row, from left to right.

    Returns
    -------
    int64[height * width, 1], or int64[height * width / 4, 4] of ``merge``
    """
    if layer.kind == "merge":
        down, right = np.divmod(np.arange(layer.height * layer.width // 4), layer.width // 2)
        y = 2 * down[:, None] + np.array([0, 1, 0, 1])
        x = 2 * right[:, None] + np.array([0, 0, 1, 1])
        return np.asarray(y * layer.width + x, np.int64)
    row = np.arange(layer.height * layer.width)
    window, place = np.divmod(row, layer.size**2)
    window_y, window_x = np.divmod(window, layer.width // layer.size)
    place_y, place_x = np.divmod(place, layer.size)
    y = (window_y * layer.size + place_y + layer.shift) % layer.height
    x = (window_x * layer.size + place_x + layer.shift) % layer.width
    index = y * layer.width + x
    if layer.kind == "unwindow":
        inverse = np.empty_like(index)
        inverse[index] = row
        index = inverse
    return np.asarray(index[:, None], np.int64)
