"""Search of sorted decision points: ``bucket(x) = number of bounds that are at most x``.

The bounds are float64. Where ``x`` is coarser they are rounded up to its dtype, which changes no comparison:
``bound <= x`` for an x of that dtype just when the next number of the dtype from the bound on is ``<= x``.
"""

from __future__ import annotations

import torch
from torch import Tensor


def bucket(x: Tensor, bounds: Tensor) -> Tensor:
    """Number of bounds at most ``x``, int32 of the shape of ``x``.

    Parameters
    ----------
    x : floating point, any shape and device
    bounds : float64[n], rising, infinity where none follows
    """
    exact = bounds.to(x.device)
    rounded = exact.to(x.dtype)
    above = torch.nextafter(rounded, torch.full_like(rounded, torch.inf))
    boundaries = torch.where(rounded.double() < exact, above, rounded)
    return torch.bucketize(x.contiguous(), boundaries, out_int32=True, right=True)
