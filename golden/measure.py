"""Top-1, agreement with float and KL of predictions.

agreement = share of images with float's class        kl = mean KL(p_float || p)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from golden.device import CPU


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


class Images(Protocol):
    """uint8[n, H, W, C] that need not lie in memory: a tensor, or a source that is read as it goes."""

    def __len__(self) -> int:
        """Number of images."""

    def split(self, size: int, /) -> Iterable[Tensor]:
        """All images in their order, ``size`` at a time and the rest at the end."""


def predict(
    models: Mapping[str, Callable[[Tensor], Tensor]],
    images: Images,
    batch: int,
    report: Callable[[str, int], None],
    device: torch.device = CPU,
) -> dict[str, Tensor]:
    """Logits of each model for all images, float64[n, classes] on the CPU; each image is read once.

    Parameters
    ----------
    models : by name; each takes uint8[B, H, W, C] and gives [B, classes]
    batch : images at a time
    report : called with a model's name and the number of images it has done
    device : of the models
    """
    logits: dict[str, list[Tensor]] = {name: [] for name in models}
    done = 0
    with torch.inference_mode():
        for pixels in images.split(batch):
            done += len(pixels)
            there = pixels.to(device)
            for name, model in models.items():
                logits[name].append(model(there).double().cpu())
                report(name, done)
    return {name: torch.cat(found) for name, found in logits.items()}


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
