"""k-means in one dimension, exactly: clusters of sorted values are intervals, so the best ends are found in turn.

cost[i, j] = sum of (v - mean)**2 over values i .. j          best[n, j] = min over i of best[n - 1, i - 1] + cost[i, j]
"""

from __future__ import annotations

import torch
from torch import Tensor

from hwsim.errors import HwsimError


def k_means(values: Tensor, k: int) -> Tensor:
    """Cluster of each value, 0 the smallest; the same for the same values, with no starting point to choose.

    Parameters
    ----------
    values : float[D]
    k : 1..D

    Returns
    -------
    int64[D]

    Raises
    ------
    HwsimError
        If there are fewer values than clusters.
    """
    if not 1 <= k <= len(values):
        raise HwsimError(f"k-means: k is {k}, expected 1 to the number of values, {len(values)}")
    ordered, order = values.double().cpu().sort(stable=True)
    cost = _interval_costs(ordered)
    best, starts = cost[0], []
    for _ in range(k - 1):
        # row i: the last cluster is i .. j, those before it end with i - 1
        total = cost.clone()
        total[1:] += best[:-1, None]
        total[0] = torch.inf
        best, first = total.min(0)
        starts.append(first)
    labels = torch.empty(len(values), dtype=torch.int64)
    end = len(values)
    for label, first in zip(range(k - 1, 0, -1), reversed(starts), strict=True):
        start = int(first[end - 1])
        labels[order[start:end]] = label
        end = start
    labels[order[:end]] = 0
    return labels.to(values.device)


def _interval_costs(ordered: Tensor) -> Tensor:
    """Squared distance from the mean of each interval ``i .. j``, infinite where it is empty, float64[D, D]."""
    centred = ordered - ordered.mean()
    sums, squares = (torch.cat([centred.new_zeros(1), v.cumsum(0)]) for v in (centred, centred.square()))
    index = torch.arange(len(ordered))
    count = index[None, :] - index[:, None] + 1
    spread = squares[1:] - squares[:-1, None] - (sums[1:] - sums[:-1, None]).square() / count
    return spread.clamp_min(0).masked_fill(count < 1, torch.inf)
