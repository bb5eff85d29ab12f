"""What a module's reconstruction minimises (known: released code of ADFQ-ViT, ``block_recon.py``).

    L = sum weight[t] |O^[t] - O[t]|**2  +  [attention] attention_weight * KL(softmax(A^ / T) || softmax(A / T))
        +  w * sum(1 - |2 h - 1|**beta)

O: output of the module, t: token, A: attention probabilities before their quantiser, ^: of the quantised module,
h: the soft rounding. The weight is 1 in the code, or ours (``golden.reconstruct.sensitivity``). The code's order of
the divergence's arguments and its axis, the heads, look like slips; the axis is an option.
"""

from __future__ import annotations

from torch import Tensor

from golden.reconstruct.config import ReconstructionConfig

AXES = {"heads": 1, "keys": 3}


def output_error(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted squared error, summed over tokens and averaged over images and channels.

    output, target : float32[B, T, D], weight : float32[T]
    """
    return ((output - target).square().mean((0, 2)) * weight).sum()


def log_attention(probabilities: Tensor, config: ReconstructionConfig, windows: int = 1) -> Tensor:
    """``log softmax(A / T)`` along the chosen axis, float32[B, windows * heads, T, T]; heads: those of a window."""
    by_window = probabilities.reshape(len(probabilities) * windows, -1, *probabilities.shape[2:])
    return (by_window / config.temperature).log_softmax(AXES[config.attention_axis]).reshape(probabilities.shape)


def attention_divergence(found: Tensor, target: Tensor) -> Tensor:
    """KL(found || target) for each image, summed over all else; both are what ``log_attention`` returns."""
    return (found.exp() * (found - target)).sum() / len(found)


def rounding_penalty(share: Tensor, beta: float) -> Tensor:
    """0 where every share is 0 or 1; share : float32[N, K]."""
    return (1 - (2 * share - 1).abs().pow(beta)).sum()


def beta_at(iteration: int, config: ReconstructionConfig) -> float | None:
    """Exponent of the penalty in an iteration (from 1), None while warming up."""
    start = config.warm_up * config.iterations
    if iteration < start:
        return None
    left = (config.iterations - iteration) / (config.iterations - start)
    return config.beta_end + (config.beta_start - config.beta_end) * min(left, 1.0)
