"""The attention's operands: q and k by the error of the scores, probabilities and v by that of the context.

    scores = q_hat k_hat^T / sqrt(d)        context = A_hat v_hat

q, k and v are symmetric with a scale for each head (our decision: the requantiser's multiplier is stored per
column and the scores' per head, so it costs nothing). Known: the parameters of what follows softmax are searched on
the product (PTQ4ViT; MPTQ's OPT-m for V-2SF's exponent).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from golden.candidates import softmax_candidates
from golden.method import MethodConfig
from golden.observe import Observed
from golden.quantizers import ranges
from golden.quantizers.base import Quantiser
from golden.quantizers.uniform import UniformQuantiser, calibrate_symmetric
from golden.search import grid, least, search_per_head
from golden.vit import merge_heads, split_heads
from hwsim.formats import Uniform


def search_attention(name: str, observed: Observed, heads: int, config: MethodConfig) -> dict[str, Quantiser]:
    """Quantisers of ``<name>.attn.qkv`` and ``<name>.attn.softmax``."""
    q, k, v = split_heads(observed.values["attn.qkv"], heads)
    parts, probabilities = config.at(f"{name}.attn.qkv"), config.at(f"{name}.attn.softmax")
    if parts.ranges == "search":
        sampled = q[:, :, observed.queries]
        q_scale, k_scale = _search_scores(sampled, k, observed.sensitivity["attn.scores"], parts)
        softmax, v_scale = _search_context(observed, v, parts, probabilities)
    else:
        q_scale, k_scale, v_scale = (_by_rule(x, parts) for x in (q, k, v))
        error = _context_error(observed, v, parts.bits)
        softmax = _best_softmax(observed, v_scale, error, probabilities)
    channels = q.shape[3]
    scale = torch.cat([s.repeat_interleave(channels) for s in (q_scale, k_scale, v_scale)])
    return {
        f"{name}.attn.qkv": UniformQuantiser(format=Uniform(bits=parts.bits, signed=True), scale=scale),
        f"{name}.attn.softmax": softmax,
    }


def _by_rule(x: Tensor, config: MethodConfig) -> Tensor:
    """Scales float32[heads] of x (float32[B, heads, T, d]) by the rule of ranges."""
    return ranges.symmetric_scale(x.transpose(0, 1).flatten(1), config.bits, config.ranges)


def _per_head(scale: Tensor, bits: int) -> UniformQuantiser:
    return UniformQuantiser(format=Uniform(bits=bits, signed=True), scale=scale[:, None, None])


def _initial(x: Tensor, bits: int) -> Tensor:
    """Scales that cover each head's maximum; x : float32[B, heads, T, d]."""
    return calibrate_symmetric(x.abs().amax((0, 2, 3)), bits).scale


def _search_scores(q: Tensor, k: Tensor, sensitivity: Tensor, config: MethodConfig) -> tuple[Tensor, Tensor]:
    """Scales float32[heads] of q (float32[B, heads, R, d]) and k (float32[B, heads, T, d])."""
    scores, bits, factors = q @ k.transpose(2, 3), config.bits, grid(config.bits, config.full_grid)

    def error(q_scale: Tensor, k_scale: Tensor) -> Tensor:
        q_hat = _per_head(q_scale, bits).fake_quantize(q)
        k_hat = _per_head(k_scale, bits).fake_quantize(k)
        return ((q_hat @ k_hat.transpose(2, 3) - scores).square_() * sensitivity).sum((0, 2, 3))

    q_start, k_start = _initial(q, bits), _initial(k, bits)
    q_scale, k_scale = q_start, k_start
    for _ in range(config.rounds):
        q_scale = search_per_head(q_start, lambda s: error(s, k_scale), factors)  # noqa: B023 called at once
        k_scale = search_per_head(k_start, lambda s: error(q_scale, s), factors)  # noqa: B023 called at once
    return q_scale, k_scale


ContextError = Callable[[Tensor, Tensor], Tensor]
"""Weighted error of each head's context, from probabilities and v's scales, float32[heads]."""


def _context_error(observed: Observed, v: Tensor, bits: int) -> ContextError:
    sensitivity, context = observed.sensitivity["attn.values"], observed.values["attn.values"]
    heads = v.shape[1]

    def error(a_hat: Tensor, v_scale: Tensor) -> Tensor:
        product = merge_heads(a_hat @ _per_head(v_scale, bits).fake_quantize(v))
        weighted = (product - context).square_() * sensitivity
        return weighted.reshape(*weighted.shape[:2], heads, -1).sum((0, 1, 3))

    return error


def _best_softmax(observed: Observed, v_scale: Tensor, error: ContextError, config: MethodConfig) -> Quantiser:
    probabilities = observed.values["attn.softmax"]
    candidates = softmax_candidates(config, probabilities.shape[-1])
    return least(candidates, lambda p: float(error(p.fake_quantize(probabilities), v_scale).double().sum()))


def _search_context(
    observed: Observed, v: Tensor, config: MethodConfig, probabilities: MethodConfig
) -> tuple[Quantiser, Tensor]:
    """Quantiser of the probabilities, and v's scales float32[heads], in turn."""
    error, factors = _context_error(observed, v, config.bits), grid(config.bits, config.full_grid)
    start = _initial(v, config.bits)
    v_scale = start
    for _ in range(config.rounds):
        softmax = _best_softmax(observed, v_scale, error, probabilities)
        a_hat = softmax.fake_quantize(observed.values["attn.softmax"])
        v_scale = search_per_head(start, lambda s: error(a_hat, s), factors)  # noqa: B023 called at once
    return softmax, v_scale
