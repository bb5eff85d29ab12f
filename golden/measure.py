"""Top-1, agreement with float and KL of predictions.

agreement = share of images with float's class        kl = mean KL(p_float || p)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How a model did, beside the float model."""

    top1: float | None
    """Percent, None without labels."""
    agreement: float
    """Percent of images with float's class."""
    changed: int
    """Images whose class is not float's."""
    kl: float


def predict(
    model: Callable[[Tensor], Tensor], images: Tensor, batch: int, report: Callable[[int], None] | None = None
) -> Tensor:
    """Logits of all images, float64[n, classes]; ``report`` gets the number of images done.

    images : uint8[n, H, W, C]
    """
    logits = []
    with torch.inference_mode():
        for start in range(0, len(images), batch):
            logits.append(model(images[start : start + batch]).double())
            if report is not None:
                report(min(start + batch, len(images)))
    return torch.cat(logits)


def compare(logits: Tensor, reference: Tensor, labels: Tensor | None) -> Figures:
    """Figures of logits against the float model's, in the same units.

    logits, reference : float64[n, classes], labels : int64[n] or None
    """
    classes, expected = logits.argmax(1), reference.argmax(1)
    kl = (reference.softmax(1) * (reference.log_softmax(1) - logits.log_softmax(1))).sum(1).mean()
    changed = int((classes != expected).sum())
    return Figures(
        top1=None if labels is None else 100.0 * float((classes == labels).double().mean()),
        agreement=100.0 * (1 - changed / len(classes)),
        changed=changed,
        kl=float(kl),
    )
