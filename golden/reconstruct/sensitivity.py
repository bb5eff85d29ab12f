"""How much the prediction feels an error of each token of a module's output, which the module's loss is weighed by.

    s[t] = mean over images, channels c and labels y ~ p of (d log p_y / d O[t, c])**2        p: the float prediction
    weight[t] = even_share + (1 - even_share) * s[t] / mean(s)

Our decision; its ancestor is BRECQ's diagonal of the Fisher matrix (arXiv 2102.05426), which is that of each element.
Late in the network the class token matters most, and alone after the last attention, but an unweighed loss gives it
1 / T of its weight and so pays for the other tokens with it. A weight of each element would be a mean over as many
numbers as there are images, and would not change what is best for the module's last layer, whose channels are
rounded apart. The even share keeps the other tokens' data, since a few class tokens alone decide no rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from golden.reconstruct.branch import branches
from golden.vit import Vit, forward

BATCH = 8
"""Images at a time: memory is bounded by their activations."""


def token_weights(vit: Vit, images: Tensor, even_share: float, seed: int) -> dict[str, Tensor]:
    """Weights of every branch, by its name, float32[T] with mean 1.

    Parameters
    ----------
    vit : the float network
    images : uint8[n, H, W, C], for each of which one label is drawn
    even_share : share of the weight that all tokens have alike
    """
    generator = torch.Generator().manual_seed(seed)
    names = {branch.stream: branch.name for branch in branches(vit)}
    tokens = {branch.name: vit.block_tokens(branch.index) for branch in branches(vit)}
    squares = {name: torch.zeros(count, device=images.device) for name, count in tokens.items()}
    for batch in torch.split(images, BATCH):
        for stream, gradient in _gradients(vit, batch, list(names), generator).items():
            squares[names[stream]] += gradient.square().sum((0, 2))
    return {name: _weights(s, even_share) for name, s in squares.items()}


def _weights(squares: Tensor, even_share: float) -> Tensor:
    """All ones where no token is felt: a prediction so sure that float32 has no gradient of it."""
    mean = squares.mean()
    return even_share + (1 - even_share) * squares / mean if mean > 0 else torch.ones_like(squares)


@torch.enable_grad()
def _gradients(vit: Vit, batch: Tensor, streams: list[str], generator: torch.Generator) -> dict[str, Tensor]:
    """Of ``log p_y`` by residual tensors, whose gradients are those of the branches added to them."""
    seen: dict[str, Tensor] = {}

    def tap(name: str, x: Tensor) -> Tensor:
        if name == "embed":
            x = x.detach().requires_grad_()
        if name in streams:
            seen[name] = x
        return x

    log_p = forward(vit, batch, tap).log_softmax(1)
    labels = torch.multinomial(log_p.detach().cpu().exp(), 1, generator=generator)
    found = torch.autograd.grad(log_p.gather(1, labels.to(log_p.device)).sum(), [seen[name] for name in streams])
    return dict(zip(streams, found, strict=True))
