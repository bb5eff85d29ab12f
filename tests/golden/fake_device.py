"""A device that behaves like CUDA without a GPU, to find tensors that are left on the CPU.

A tensor of the fake device is a wrapper around one of the CPU. Every ATen operator unwraps, computes on the CPU, and
wraps again, so that its numbers are those of the CPU, but it first raises what CUDA would: for operands of two devices
(0-dim CPU operands of binary pointwise operators and CPU indices of a CUDA tensor are allowed), a generator of the
other device, a product of integers, and NumPy's view of memory that is not the CPU's.

The wrapper's device says ``meta``: PyTorch asks its driver for leave before it touches ``cuda``, and not for ``meta``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

DEVICE = torch.device("meta")
INDEXING = ("index", "index_put", "index_put_", "_unsafe_index", "_index_put_impl_")
INTEGER_PRODUCTS = ("mm", "bmm", "addmm", "baddbmm", "mv", "dot")
"""CUDA has these for floating point only."""
MIXED = "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"


class FakeTensor(torch.Tensor):
    """A tensor of the fake device around one of the CPU."""

    inner: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> FakeTensor:
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            device=DEVICE,
        )  # fmt: skip
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, operator: Any, *_: Any) -> Any:
        raise RuntimeError(f"{operator} on a tensor of the fake device outside of fake_device()")

    def tolist(self) -> Any:
        """As CUDA has it: the values are copied to the host."""
        return self.inner.tolist()

    def numpy(self, **_: Any) -> Any:
        """As CUDA has it: refused."""
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")


class _OperatorMode(TorchDispatchMode):
    """Unwrap, check, compute, wrap."""

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if torch.is_inference_mode_enabled():  # operators come whole, and no wrapper can be an inference tensor
            with torch.inference_mode(False), torch.no_grad(), self:
                return operator(*args, **kwargs)
        kind = _kind(operator)
        tensors = list(_tensors((*args, *kwargs.values())))
        fake = any(isinstance(x, FakeTensor) for x in tensors)
        if fake:
            _check_operands(operator, kind, args, tensors)
        wanted = kwargs.get("device")
        if wanted is not None:
            kwargs["device"] = torch.device("cpu")
            fake = torch.device(wanted) == DEVICE
        found = operator(*_map(_unwrap, args), **{key: _unwrap(value) for key, value in kwargs.items()})
        if kind.in_place:
            return args[0]
        return _map(_wrap, found) if fake else found


class _Kind(NamedTuple):
    """What an operator is, for the checks."""

    name: str
    in_place: bool
    pointwise: bool


@cache
def _kind(operator: Any) -> _Kind:
    name = operator.__name__.split(".")[0]
    in_place = operator._schema.is_mutable and name.endswith("_")
    return _Kind(name, in_place, torch.Tag.pointwise in operator.tags or name in ("fill_", "masked_fill_"))


def _tensors(x: Any) -> Iterator[torch.Tensor]:
    if isinstance(x, torch.Tensor):
        yield x
    elif isinstance(x, (tuple, list)):
        for each in x:
            yield from _tensors(each)


def _map(change: Callable[[Any], Any], x: Any) -> Any:
    if isinstance(x, (tuple, list)):
        return type(x)([_map(change, each) for each in x])
    return change(x)


def _unwrap(x: Any) -> Any:
    return x.inner if isinstance(x, FakeTensor) else x


def _wrap(x: Any) -> Any:
    return FakeTensor(x) if isinstance(x, torch.Tensor) else x


def _check_operands(operator: Any, kind: _Kind, args: Any, tensors: list[torch.Tensor]) -> None:
    """Raise what CUDA would, some of the operands being its own."""
    if kind.name in INTEGER_PRODUCTS and not tensors[0].is_floating_point():
        raise NotImplementedError(f'"{kind.name}_cuda" not implemented for {tensors[0].dtype}')
    if kind.name == "copy_" or all(isinstance(x, FakeTensor) for x in tensors):
        return
    if kind.name in INDEXING:
        # indices may lie on the CPU, but not on CUDA beside a tensor of the CPU; values only as one number
        allowed = isinstance(args[0], FakeTensor) and all(_is_one_place(x, True) for x in _tensors(args[2:]))
    else:
        number_allowed = kind.pointwise and (len(tensors) == 2 or kind.name == "where")
        allowed = all(_is_one_place(x, number_allowed) for x in tensors)
        allowed &= not kind.in_place or isinstance(args[0], FakeTensor)
    if not allowed:
        raise RuntimeError(f"{MIXED} ({operator})")


def _is_one_place(x: torch.Tensor, number_allowed: bool) -> bool:
    return isinstance(x, FakeTensor) or (number_allowed and x.ndim == 0)


class _FunctionMode(TorchFunctionMode):
    """What happens above the operators: copies to a device without one, and generators, which lose their type there."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if function in (torch.tensor, torch.as_tensor) and not isinstance(args[0], torch.Tensor):
            device = kwargs.pop("device", None)
            made = function(*args, **kwargs)
            return made if device is None else made.to(device)
        generator = kwargs.get("generator")
        if isinstance(generator, torch.Generator):
            place = kwargs.get("device") or next((x.device for x in args if isinstance(x, torch.Tensor)), "cpu")
            if isinstance(generator, FakeGenerator) != (torch.device(place) == DEVICE):
                raise RuntimeError(f"{function.__name__}: Expected a generator of the tensor's device type")
        return function(*args, **kwargs)


class _Generator(torch.Generator):
    def __new__(cls, device: torch.device | str = "cpu") -> torch.Generator:
        made = FakeGenerator if torch.device(device) == DEVICE else _Generator
        return super().__new__(made)


class FakeGenerator(_Generator):
    """Generator of the fake device, whose numbers are those of the CPU's."""


@contextmanager
def fake_device() -> Iterator[torch.device]:
    """Within it ``DEVICE`` can be used as if it were ``cuda:0``."""
    with pytest.MonkeyPatch.context() as patch, _OperatorMode(), _FunctionMode():
        patch.setattr(torch, "Generator", _Generator)
        yield DEVICE
