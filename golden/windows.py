"""Windows of a grid of tokens, as Swin has them: partition with a cyclic shift, mask, position bias, patch merging.

    window order:  token p of window w is token ((y + shift) mod H, (x + shift) mod W) of the image
    scores = q k^T / sqrt(d) + bias[head] + mask[w]        mask: -100 between parts that the shift brought together
    merging: the 2 x 2 neighbours side by side, in the order (0, 0), (1, 0), (0, 1), (1, 1) of (down, right)

Known (Z. Liu et al., ICCV 2021, arXiv 2103.14030; order and mask as timm has them). Tokens of the image are in rows,
those of windows window after window. Nothing is padded: grids are multiples of the window.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MASKED = -100.0
"""What timm adds to the score of a pair that must not meet."""


@dataclass(frozen=True, kw_only=True)
class Windows:
    """How the attention of one block sees the tokens."""

    height: int
    """Rows of the grid of tokens, H"""
    width: int
    """Columns of the grid, W"""
    size: int
    """Side of a window, which divides H and W"""
    shift: int
    """Rows and columns that the grid is moved up and left, cyclically, before the windows are cut"""
    bias: Tensor
    """float32[heads, size**2, size**2], relative position bias"""

    @property
    def count(self) -> int:
        """Number of windows."""
        return self.height * self.width // self.size**2

    @property
    def area(self) -> int:
        """Tokens of a window."""
        return self.size**2


def partition(x: Tensor, windows: Windows) -> Tensor:
    """Tokens of the image to window order, [B, H * W, N]."""
    size, shift, batch = windows.size, windows.shift, len(x)
    grid = x.reshape(batch, windows.height, windows.width, -1).roll((-shift, -shift), (1, 2))
    cut = grid.reshape(batch, windows.height // size, size, windows.width // size, size, -1)
    return cut.transpose(2, 3).flatten(1, 4)


def restore(x: Tensor, windows: Windows) -> Tensor:
    """Tokens in window order to the order of the image, [B, H * W, N]."""
    size, shift = windows.size, windows.shift
    cut = x.reshape(len(x), windows.height // size, windows.width // size, size, size, -1)
    return cut.transpose(2, 3).flatten(3, 4).flatten(1, 2).roll((shift, shift), (1, 2)).flatten(1, 2)


def image_rows(windows: Windows) -> Tensor:
    """Number in the image of each token in window order, int64[H * W]."""
    return partition(torch.arange(windows.height * windows.width)[None, :, None], windows).flatten()


def separated(windows: Windows) -> tuple[Tensor, Tensor]:
    """Pairs of tokens that the mask keeps apart.

    Returns
    -------
    bool[kinds, area, area], the different masks, by the first window that has each (in general: inside, at the right,
    at the bottom, in the corner), and int64[count], the mask of each window.
    """
    if windows.shift == 0:
        nothing = torch.zeros(1, windows.area, windows.area, dtype=torch.bool)
        return nothing, torch.zeros(windows.count, dtype=torch.int64)
    down, right = (_part(length, windows) for length in (windows.height, windows.width))
    parts = (3 * down[:, None] + right).flatten()
    by_window = partition(parts[None, :, None], windows).reshape(windows.count, windows.area)
    apart = by_window[:, :, None] != by_window[:, None, :]
    kinds, kind = torch.unique(apart.flatten(1), dim=0, return_inverse=True)
    order = torch.tensor([int((kind == number).nonzero()[0]) for number in range(len(kinds))]).argsort()
    return kinds[order].reshape(-1, windows.area, windows.area), order.argsort()[kind]


def _part(length: int, windows: Windows) -> Tensor:
    """Part of the image at each row or column of the unshifted grid, int64[length]: all but the last window is one.

    The cyclic shift brings the first ``shift`` lines next to the last ``size - shift`` ones; those meet in one window.
    """
    line = (torch.arange(length) - windows.shift) % length
    return (line >= length - windows.size).long() + (line >= length - windows.shift).long()


def score_bias(windows: Windows) -> Tensor:
    """What is added to the scores of each kind of window, float32[kinds, heads, area, area]."""
    apart, _ = separated(windows)
    mask = torch.where(apart.to(windows.bias.device), MASKED, 0.0).to(windows.bias.dtype)
    return windows.bias + mask[:, None]


def merge_neighbours(x: Tensor, height: int, width: int) -> Tensor:
    """[B, H * W, C] to [B, H * W / 4, 4 C]."""
    grid = x.reshape(len(x), height // 2, 2, width // 2, 2, -1)
    return grid.permute(0, 1, 3, 4, 2, 5).flatten(3).flatten(1, 2)


def relative_position_bias(table: Tensor, size: int) -> Tensor:
    """Bias of each pair of tokens of a window from that of each offset.

    Parameters
    ----------
    table : float32[(2 size - 1)**2, heads], by the offset of the query from the key, down and right, each + size - 1

    Returns
    -------
    float32[heads, size**2, size**2]
    """
    y, x = torch.arange(size**2) // size, torch.arange(size**2) % size
    down, right = (line[:, None] - line[None, :] + size - 1 for line in (y, x))
    return table[(down * (2 * size - 1) + right).to(table.device)].permute(2, 0, 1)
