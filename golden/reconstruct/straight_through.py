"""Quantisers with a gradient.

    straight-through      dL/dx = dL/dq where lowest value <= x <= highest value, else 0
    learnt step           dL/ds = sum dL/dq * (code - zero_point - [inside] * x / s)

Known: the straight-through estimator and the gradient of the step (LSQ, arXiv 1902.08153, without its gradient
scale, as in the code of QDrop and ADFQ-ViT). The forward value is that of ``fake_quantize``, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from golden.quantizers.base import Quantiser
from golden.quantizers.uniform import SMALLEST_SCALE, UniformQuantiser

FAR = 1e6
"""Beyond the range of any quantiser of activations."""


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, fake_quantize: Callable[[Tensor], Tensor], low: Tensor, high: Tensor) -> Tensor:
        ctx.save_for_backward((x >= low) & (x <= high))
        return fake_quantize(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (inside,) = ctx.saved_tensors
        return gradient * inside, None, None, None


class _LearntStep(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, low: int, high: int) -> Tensor:
        steps = x / scale
        rounded = torch.floor(steps + 0.5)
        inside = (rounded >= low) & (rounded <= high)
        clamped = rounded.clamp_(low, high)
        ctx.save_for_backward(inside, clamped - inside * steps, scale)
        return clamped * scale

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        inside, slope, scale = ctx.saved_tensors
        of_x = gradient * inside if ctx.needs_input_grad[0] else None
        return of_x, (gradient * slope).sum_to_size(scale.shape), None, None


class FixedQuantiser:
    """A quantiser as it is, with the straight-through gradient; the range is found from the first tensor's shape."""

    def __init__(self, quantiser: Quantiser) -> None:
        self.quantiser = quantiser
        self._range: tuple[Tensor, Tensor] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Fake-quantise; x : float32[B, ...], whose shape but for B is always the same."""
        if not x.requires_grad:
            exact: Tensor = self.quantiser.fake_quantize(x)
            return exact
        if self._range is None:
            one = torch.ones_like(x[:1])
            self._range = self.quantiser.fake_quantize(-FAR * one), self.quantiser.fake_quantize(FAR * one)
        found: Tensor = _StraightThrough.apply(x, self.quantiser.fake_quantize, *self._range)
        return found


class LearntStepQuantiser:
    """A uniform quantiser whose scale is learnt, on the device of the tensors that it will see."""

    def __init__(self, quantiser: UniformQuantiser, device: torch.device) -> None:
        self.quantiser = quantiser
        self.scale = quantiser.scale.detach().clone().to(device).requires_grad_()

    def __call__(self, x: Tensor) -> Tensor:
        """Fake-quantise; x : float32[B, ...]."""
        fmt = self.quantiser.format
        low, high = fmt.minimum - fmt.zero_point, fmt.maximum - fmt.zero_point
        found: Tensor = _LearntStep.apply(x, self.scale, low, high)
        return found

    @torch.no_grad()
    def keep_positive(self) -> None:
        """After a step of the optimiser: a scale stays a scale."""
        self.scale.clamp_(min=SMALLEST_SCALE)

    def harden(self) -> UniformQuantiser:
        """The quantiser with the scale that was learnt."""
        return replace(self.quantiser, scale=self.scale.detach().clone())
