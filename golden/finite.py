"""Refusal of nan and inf, so that a broken weight or image is named where it is met and not met again as a wrong class.

finite(x)  <=>  every |x_i| < inf
"""

from __future__ import annotations

import torch
from torch import Tensor

from hwsim.errors import HwsimError


def check_finite(name: str, tensor: Tensor) -> None:
    """Raise if a tensor holds nan or inf.

    Parameters
    ----------
    name : what the message calls the tensor, for example ``blocks.3.mlp.gelu``
    tensor : float of any shape, on any device

    Raises
    ------
    HwsimError
        With the name, the number of bad values, and the first of them with its place.
    """
    finite = torch.isfinite(tensor)
    if bool(finite.all()):
        return
    bad = (~finite).nonzero()
    place = tuple(bad[0].tolist())
    raise HwsimError(
        f"{name}: {len(bad)} of {tensor.numel()} values are not finite, "
        f"the first is {float(tensor[place])} at {list(place)} (expected finite numbers)"
    )
