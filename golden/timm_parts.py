"""Parts of a timm network, found by the type of their module, as plain tensors."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from golden.vit import Affine
from hwsim.errors import HwsimError

Module = TypeVar("Module", bound=nn.Module)
PASSIVE = (nn.Identity, nn.Dropout)


def all_of(parent: nn.Module, kind: type[Module], count: int, where: str) -> list[Module]:
    """The ``count`` modules of a kind inside another.

    Raises
    ------
    HwsimError
        If there are more or fewer.
    """
    found = [m for m in parent.modules() if isinstance(m, kind)]
    if len(found) != count:
        raise HwsimError(f"{where} has {len(found)} {kind.__name__}, hwsim quantises networks with {count} there")
    return found


def only(parent: nn.Module, kind: type[Module], where: str) -> Module:
    """The one module of a kind inside another."""
    return all_of(parent, kind, 1, where)[0]


def affine(module: nn.LayerNorm | nn.Linear) -> Affine:
    """Weight and bias; the tensors are shared, not copied."""
    return Affine(weight=module.weight.detach(), bias=bias(module))


def bias(module: nn.LayerNorm | nn.Linear | nn.Conv2d) -> torch.Tensor:
    """Bias of a module, zeros where it has none."""
    return module.weight.new_zeros(len(module.weight)).detach() if module.bias is None else module.bias.detach()


def check_parts(module: nn.Module, known: tuple[type[nn.Module], ...]) -> None:
    """Raise HwsimError for the first part that hwsim has no operator for.

    known : kinds that it has, their subclasses included, beside LayerNorm, exact GELU and what does nothing
    """
    for name, part in module.named_modules():
        exact_gelu = type(part) is nn.GELU and part.approximate == "none"
        if not (isinstance(part, (*known, *PASSIVE, nn.LayerNorm)) or exact_gelu):
            raise HwsimError(f"{name}: hwsim has no operator for {_described(part)}")


def _described(part: nn.Module) -> str:
    """Type of a module, with what sets it apart from one that hwsim knows."""
    return "GELU by tanh" if isinstance(part, nn.GELU) else type(part).__name__
