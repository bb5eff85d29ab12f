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
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from golden.vit import Vit, classify, embed, run_block
from golden.windows import Windows, image_rows

BATCH = 8
RESIDUAL = ("merge.reduction", "attn.add", "mlp.add")
"""Tensors of the residual stream in a block; the first one in a block that merges patches only."""
WINDOW_ORDER = ("norm1", "attn.qkv", "attn.scores", "attn.softmax", "attn.values")
"""Tensors whose tokens are in window order where the block has windows."""


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
    """int64[R], the sampled tokens in the order of the image"""
    normed_rows: Tensor
    """int64[R], the same tokens in the order in which attention reads them: ``norm1``'s"""
    queries: Tensor
    """int64, the sampled tokens among those that attend to each other"""
    values: dict[str, Tensor] = field(default_factory=dict)
    """[B, R, N], attention scores and probabilities [B, heads, R, T]; ``attn.qkv`` and the residual tensors: every
    token, and what the caller asked for. With windows the sample is of whole ones, which count as images from
    ``norm1`` to the context: [B * windows, tokens of one, N]"""
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
    read = seen[vit.head_input]
    return Boundaries(stream=tuple(stream), gradients=(), head_input=read, head_sensitivity=ones(logits))


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
        head_input=seen[vit.head_input].detach(),
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
    sample = _draw_sample(vit, index, row_count, generator)
    whole = {*RESIDUAL, *whole} if sample.windows else {*RESIDUAL, "attn.qkv", *whole}
    parts = []
    for start in range(0, len(boundaries.stream[0]), BATCH):
        part = slice(start, start + BATCH)
        gradients = boundaries.gradients[index + 1][:, part] if boundaries.gradients else None
        values, squares = _observe_batch(vit, index, boundaries.stream[index][part], gradients)
        parts.append(
            replace(
                sample.observed,
                values={n: t if n in whole else sample.of(n, t) for n, t in values.items()},
                sensitivity={n: t if n in RESIDUAL else sample.of(n, t) for n, t in squares.items()},
                ranges={n: (float(t.min()), float(t.max())) for n, t in values.items()},
            )
        )
    return _join_observed(parts)


@dataclass(frozen=True, kw_only=True)
class _Sample:
    """Which tokens of a block are kept."""

    observed: Observed
    """Without tensors"""
    windows: Windows | None
    chosen: Tensor
    """int64[n], the sampled windows; of a block without windows the sampled tokens"""

    def of(self, name: str, x: Tensor) -> Tensor:
        """Sampled tokens (or queries) of a [B, T, N] or [B, heads, T, T] tensor."""
        if self.windows is None or name not in WINDOW_ORDER:
            return x.index_select(x.ndim - 2, self.observed.rows)
        # [B, T, N] is [B, windows, T of one, N]; scores are [B, windows * heads, ...]
        by_window = x.reshape(len(x), self.windows.count, -1, *x.shape[2:])
        return by_window.index_select(1, self.chosen).flatten(0, 1)


def _draw_sample(vit: Vit, index: int, row_count: int, generator: torch.Generator) -> _Sample:
    device, windows = vit.head.weight.device, vit.blocks[index].windows
    if windows is None:
        others = torch.randperm(vit.tokens - 1, generator=generator)[: row_count - 1] + 1
        rows = torch.cat([torch.zeros(1, dtype=torch.int64), others.sort().values]).to(device)
        observed = Observed(rows=rows, normed_rows=rows, queries=rows)
        return _Sample(observed=observed, windows=None, chosen=rows)
    chosen = torch.randperm(windows.count, generator=generator)[: -(-row_count // windows.area)].sort().values
    queries = torch.arange(windows.area)
    normed_rows = (chosen[:, None] * windows.area + queries).flatten()
    rows = image_rows(windows)[normed_rows]
    observed = Observed(rows=rows.to(device), normed_rows=normed_rows.to(device), queries=queries.to(device))
    return _Sample(observed=observed, windows=windows, chosen=chosen.to(device))


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


def _join_observed(parts: list[Observed]) -> Observed:
    names = parts[0].values
    return replace(
        parts[0],
        values={n: torch.cat([p.values[n] for p in parts]) for n in names},
        sensitivity={n: torch.cat([p.sensitivity[n] for p in parts]) for n in names},
        ranges={n: (min(p.ranges[n][0] for p in parts), max(p.ranges[n][1] for p in parts)) for n in names},
    )
