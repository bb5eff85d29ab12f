"""Whether a module keeps the rounding that it learnt: only if the prediction comes no farther from float's.

    KL(p_float || p)        p: quantised up to and including the module, float behind it, on images that it did not see

Our decision: a module's loss is a stand-in for the prediction, and where it is a bad one (the last blocks, of whose
tokens only one is read) the learnt rounding can be worse than the nearest.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from golden.measure import compare
from golden.paper import PaperModel
from golden.reconstruct.branch import Branch
from golden.reconstruct.streams import Streams
from golden.vit import Vit, forward


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """KL of both roundings, in nats; equal where there was no judge."""

    nearest: float = 0.0
    reconstructed: float = 0.0

    @property
    def keeps(self) -> bool:
        """Whether the learnt rounding stays."""
        return self.reconstructed <= self.nearest

    def __str__(self) -> str:
        if self == Verdict():
            return ""
        decision = "kept" if self.keeps else "left at nearest"
        return f"; KL of the prediction {self.nearest:.4f}, {self.reconstructed:.4f}: {decision}"


def split(images: Tensor, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Images to learn from, and ``share`` of all (rounded down), drawn with the seed, to judge by."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed)).to(images.device)
    count = int(len(images) * share)
    return images[order[count:].sort().values], images[order[:count].sort().values]


class Judge:
    """The residual streams of images that no module learns from.

    Parameters
    ----------
    images : uint8[n, H, W, C], at least one
    """

    def __init__(self, vit: Vit, model: PaperModel, images: Tensor) -> None:
        self.vit, self.streams = vit, Streams(vit, model, images)
        with torch.no_grad():
            parts = torch.split(images, self.streams.batch)
            self.reference = torch.cat([forward(vit, part) for part in parts]).double()

    def enter(self, branch: Branch, model: PaperModel) -> None:
        """Go on to where a branch begins."""
        self.streams.enter(branch, model)

    @torch.no_grad()
    def hear(self, branch: Branch, nearest: PaperModel, reconstructed: PaperModel) -> Verdict:
        """Both roundings of a branch, all before it being quantised as it was decided."""
        found = [self._divergence(branch, model) for model in (nearest, reconstructed)]
        return Verdict(nearest=found[0], reconstructed=found[1])

    def advance(self, branch: Branch, model: PaperModel) -> None:
        """Go on behind the branch with the rounding that was chosen."""
        floating = self.streams.float_output(branch)
        self.streams.advance(branch, model, self.streams.quantised_output(branch, model), floating)

    def _divergence(self, branch: Branch, model: PaperModel) -> float:
        logits = []
        outputs = torch.split(self.streams.quantised_output(branch, model), self.streams.batch)
        for x, output in zip(torch.split(self.streams.quantised, self.streams.batch), outputs, strict=True):
            logits.append(branch.rest(self.vit, model.tap(branch.stream, x + output)))
        return compare(torch.cat(logits).double(), self.reference, None).kl
