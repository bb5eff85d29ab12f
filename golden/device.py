"""Where tensors lie: the CPU, or a GPU through CUDA. A network moves as a whole, with everything inside it.

Calibration, reconstruction and the three modes run where the network lies. What is drawn at random for the calibration,
every table of a format and the export are made on the CPU, so they are the same whatever the device is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from hwsim.errors import HwsimError

CPU = torch.device("cpu")
Part = TypeVar("Part")
_NAME = re.compile(r"cpu|cuda(:\d{1,3})?")


def check_name(name: str) -> None:
    """Raise HwsimError unless the name is one of a device, which need not be on this machine."""
    if not _NAME.fullmatch(name):
        raise HwsimError(f"--device must be cpu, cuda or cuda:N, not {name!r}")


def find_device(name: str) -> torch.device:
    """The device of a name.

    Parameters
    ----------
    name : ``cpu``, ``cuda`` (PyTorch's current one) or ``cuda:N``

    Raises
    ------
    HwsimError
        If the name is not one of these, this machine or this PyTorch has no such device, or it computes nothing.
    """
    check_name(name)
    device = torch.device(name)
    if device.type == "cpu":
        return device
    if not torch.cuda.is_available():
        raise HwsimError(
            f"--device {name}: PyTorch {torch.__version__} finds no CUDA device "
            "(expected an NVIDIA GPU with its driver and a CUDA build of PyTorch, or --device cpu)"
        )
    count = torch.cuda.device_count()
    if device.index is not None and device.index >= count:
        raise HwsimError(f"--device {name}: is not here (expected cuda:0 to cuda:{count - 1}, or cpu)")
    try:
        torch.zeros(1, device=device).add_(1)
    except RuntimeError as error:  # a driver that is too old, a GPU that is taken or that PyTorch has no code for
        raise HwsimError(f"--device {name}: cannot be used: {str(error).partition(chr(10))[0]}") from error
    return device


def describe(device: torch.device) -> str:
    """Kind of a device, a GPU with the name of its model, for the record."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type


def move(part: Part, device: torch.device) -> Part:
    """A network, its parameters, or any other tree of dataclasses, on a device."""
    return map_tensors(part, lambda x: x.to(device))


def map_tensors(part: Part, change: Callable[[Tensor], Tensor]) -> Part:
    """Change every tensor of a tree of dataclasses, tuples and mappings; all else stays as it is."""
    changed: Any = part
    if isinstance(part, Tensor):
        changed = change(part)
    elif is_dataclass(part) and not isinstance(part, type):
        values = {field.name: map_tensors(getattr(part, field.name), change) for field in fields(part)}
        changed = replace(part, **values)
    elif isinstance(part, tuple):
        changed = tuple(map_tensors(value, change) for value in part)
    elif isinstance(part, Mapping):
        changed = {key: map_tensors(value, change) for key, value in part.items()}
    return changed  # type: ignore[no-any-return]
