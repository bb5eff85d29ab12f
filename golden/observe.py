"""Calibration statistics: float tensors of one block at a time, and how much the prediction feels each element.

    sensitivity = mean over y ~ p of (d log p_y / dO)**2        p: the float prediction, O: an operator's output

PTQ4ViT and TSPTQ-ViT weigh errors by the squared gradient of KL(p || p_float). At the float point that gradient is
zero; its Hessian there is the Fisher matrix, whose diagonal is the equation above, with labels y drawn from the
float prediction itself. Reconstructed (the metric's name is known, this reading of it is ours).

Without labels drawn (a method that weighs all errors alike) every sensitivity is 1 and no gradient is computed.
Memory stays bounded by one block: the first pass keeps each block's input and its gradients, the second
recomputes one block.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from golden.vit import Vit, classify, embed, run_block

BATCH = 8
RESIDUAL = ("attn.add", "mlp.add")


@dataclass(frozen=True, kw_only=True)
class Boundaries:
    """Residual tensors between the blocks and their gradients."""

    stream: tuple[Tensor, ...]
    """depth + 1 tensors, float32[B, T, D]"""
    gradients: tuple[Tensor, ...]
    """depth + 1 tensors, float32[draws, B, T, D]; none without draws"""
    head_input: Tensor
    """float32[B, D], what the classifier reads"""
    head_sensitivity: Tensor
    """float32[B, classes]"""

    def sensitivity(self, index: int) -> Tensor:
        """Of the residual tensor ``index``, float32[B, T, D]."""
        return mean_square(self.gradients[index]) if self.gradients else ones(self.stream[index])


@dataclass(frozen=True, kw_only=True)
class Observed:
    """Tensors of one block, by their name without the block's prefix, on a sample of rows."""

    rows: Tensor
    """int64[R], the sampled tokens"""
    values: dict[str, Tensor] = field(default_factory=dict)
    """[B, R, N], attention scores and probabilities [B, heads, R, T]; ``attn.qkv`` and the residual
    tensors ``attn.add``, ``mlp.add``: every token, and what the caller asked for"""
    sensitivity: dict[str, Tensor] = field(default_factory=dict)
    """Same shapes (``attn.qkv``: the sampled rows only)."""
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Smallest and largest element over every token."""


def observe_boundaries(vit: Vit, images: Tensor, draws: int, generator: torch.Generator) -> Iterator[Boundaries]:
    """First pass, one batch at a time.

    Parameters
    ----------
    images : uint8[n, H, W, C]
    draws : labels drawn from the float prediction of each image; 0: all errors weigh alike
    """
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        yield _boundaries_weighed(vit, batch, draws, generator) if draws else _boundaries(vit, batch)


def _boundaries(vit: Vit, batch: Tensor) -> Boundaries:
    stream = [embed(vit, batch)]
    for index in range(len(vit.blocks)):
        stream.append(run_block(vit, index, stream[-1]))
    seen: dict[str, Tensor] = {}
    logits = classify(vit, stream[-1], seen.setdefault)
    return Boundaries(stream=tuple(stream), gradients=(), head_input=seen["norm"], head_sensitivity=ones(logits))


def _boundaries_weighed(vit: Vit, batch: Tensor, draws: int, generator: torch.Generator) -> Boundaries:
    stream = [embed(vit, batch).requires_grad_()]
    with torch.enable_grad():
        for index in range(len(vit.blocks)):
            stream.append(run_block(vit, index, stream[-1]))
        seen: dict[str, Tensor] = {}
        logits = classify(vit, stream[-1], seen.setdefault)
        log_p = logits.log_softmax(1)
        labels = torch.multinomial(log_p.detach().cpu().exp(), draws, replacement=True, generator=generator)
        losses = -log_p.gather(1, labels.to(log_p.device)).sum(0)
        found = [torch.autograd.grad(loss, [*stream, logits], retain_graph=True) for loss in losses]
    per_tensor = [torch.stack(g) for g in zip(*found, strict=True)]
    return Boundaries(
        stream=tuple(x.detach() for x in stream),
        gradients=tuple(per_tensor[:-1]),
        head_input=seen["norm"].detach(),
        head_sensitivity=mean_square(per_tensor[-1]),
    )


def mean_square(gradients: Tensor) -> Tensor:
    """Mean over the draws, the first axis."""
    return gradients.square().mean(0)


def even(sensitivity: Tensor, share: float) -> Tensor:
    """Sensitivity of which every element has the mean's ``share``.

    Few labels and images make a noisy estimate, in which a few elements have most of the weight (our decision).
    """
    return sensitivity if share == 0 else share * sensitivity.mean() + (1 - share) * sensitivity


def ones(like: Tensor) -> Tensor:
    """All ones in the memory of a single one."""
    return torch.ones((), device=like.device).expand(like.shape)


def join(parts: list[Boundaries]) -> Boundaries:
    """Put batches together."""
    return Boundaries(
        stream=tuple(torch.cat(x) for x in zip(*(p.stream for p in parts), strict=True)),
        gradients=tuple(torch.cat(g, 1) for g in zip(*(p.gradients for p in parts), strict=True)),
        head_input=torch.cat([p.head_input for p in parts]),
        head_sensitivity=torch.cat([p.head_sensitivity for p in parts]),
    )


def observe_block(
    vit: Vit,
    index: int,
    boundaries: Boundaries,
    row_count: int,
    generator: torch.Generator,
    whole: Collection[str] = (),
) -> Observed:
    """Second pass: recompute block ``index`` and keep ``row_count`` tokens, the class token always among them.

    Parameters
    ----------
    whole : tensors of which every token is kept, beside those that are always
    """
    others = torch.randperm(vit.tokens - 1, generator=generator)[: row_count - 1] + 1
    rows = torch.cat([torch.zeros(1, dtype=torch.int64), others.sort().values]).to(boundaries.stream[0].device)
    kept = {"attn.qkv", *RESIDUAL, *whole}
    parts = []
    for start in range(0, len(boundaries.stream[0]), BATCH):
        part = slice(start, start + BATCH)
        gradients = boundaries.gradients[index + 1][:, part] if boundaries.gradients else None
        values, squares = _observe_batch(vit, index, boundaries.stream[index][part], gradients)
        parts.append(
            Observed(
                rows=rows,
                values={n: t if n in kept else _sample(t, rows) for n, t in values.items()},
                sensitivity={n: t if n in RESIDUAL else _sample(t, rows) for n, t in squares.items()},
                ranges={n: (float(t.min()), float(t.max())) for n, t in values.items()},
            )
        )
    return _join_observed(parts, rows)


def _observe_batch(
    vit: Vit, index: int, x: Tensor, output_gradients: Tensor | None
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Values of every tensor of a block and their sensitivities."""
    prefix = f"blocks.{index}."
    seen: dict[str, Tensor] = {}

    def tap(name: str, tensor: Tensor) -> Tensor:
        return seen.setdefault(name.removeprefix(prefix), tensor)

    if output_gradients is None:
        run_block(vit, index, x, tap)
        return seen, {name: ones(tensor) for name, tensor in seen.items()}
    with torch.enable_grad():
        output = run_block(vit, index, x.detach().requires_grad_(), tap)
    names = list(seen)
    squares = {name: torch.zeros_like(seen[name]) for name in names}
    for gradient in output_gradients:
        found = torch.autograd.grad(output, [seen[n] for n in names], gradient, retain_graph=True)
        for name, g in zip(names, found, strict=True):
            squares[name] += g.square() / len(output_gradients)
    return {n: t.detach() for n, t in seen.items()}, squares


def _sample(x: Tensor, rows: Tensor) -> Tensor:
    """Rows of tokens (or of queries) of a [B, T, N] or [B, heads, T, T] tensor."""
    return x.index_select(x.ndim - 2, rows)


def _join_observed(parts: list[Observed], rows: Tensor) -> Observed:
    names = parts[0].values
    return Observed(
        rows=rows,
        values={n: torch.cat([p.values[n] for p in parts]) for n in names},
        sensitivity={n: torch.cat([p.sensitivity[n] for p in parts]) for n in names},
        ranges={n: (min(p.ranges[n][0] for p in parts), max(p.ranges[n][1] for p in parts)) for n in names},
    )
