"""Search of the attention's operands: q and k on the scores, V-2SF's exponent and v on the context.

    scores = q_hat k_hat^T / sqrt(d)        context = V2SF(softmax) v_hat

q, k and v are symmetric with a scale for each head (our decision: the requantiser's multiplier is stored per
column and the scores' per head, so it costs nothing). Known: m is searched on the product (PTQ4ViT, MPTQ's OPT-m).
"""

from __future__ import annotations

import torch
from torch import Tensor

from golden.observe import Observed
from golden.proof import is_context_admitted
from golden.quantizers import two_scale
from golden.quantizers.base import Quantiser
from golden.quantizers.uniform import UniformQuantiser, calibrate_symmetric
from golden.search import Grid, least, search_per_head
from golden.vit import merge_heads, split_heads
from hwsim.formats import Uniform

SOFTMAX_EXPONENTS = range(10)
PROBABILITY_BITS = 16
ROUNDS = 2


def search_attention(name: str, observed: Observed, heads: int, bits: int, grid: Grid) -> dict[str, Quantiser]:
    """Parameters of ``<name>.attn.qkv`` and ``<name>.attn.softmax``."""
    q, k, v = split_heads(observed.values["attn.qkv"], heads)
    q = q[:, :, observed.rows]
    q_scale, k_scale = _search_scores(q, k, observed.sensitivity["attn.scores"], bits, grid)
    softmax, v_scale = _search_context(observed, v, bits, grid)
    channels = q.shape[3]
    scale = torch.cat([s.repeat_interleave(channels) for s in (q_scale, k_scale, v_scale)])
    return {
        f"{name}.attn.qkv": UniformQuantiser(format=Uniform(bits=bits, signed=True), scale=scale),
        f"{name}.attn.softmax": softmax,
    }


def _per_head(scale: Tensor, bits: int) -> UniformQuantiser:
    return UniformQuantiser(format=Uniform(bits=bits, signed=True), scale=scale[:, None, None])


def _initial(x: Tensor, bits: int) -> Tensor:
    """Scales that cover each head's maximum; x : float32[B, heads, T, d]."""
    return calibrate_symmetric(x.abs().amax((0, 2, 3)), bits).scale


def _search_scores(q: Tensor, k: Tensor, sensitivity: Tensor, bits: int, grid: Grid) -> tuple[Tensor, Tensor]:
    """Scales float32[heads] of q (float32[B, heads, R, d]) and k (float32[B, heads, T, d])."""
    scores = q @ k.transpose(2, 3)

    def error(q_scale: Tensor, k_scale: Tensor) -> Tensor:
        q_hat = _per_head(q_scale, bits).fake_quantize(q)
        k_hat = _per_head(k_scale, bits).fake_quantize(k)
        return ((q_hat @ k_hat.transpose(2, 3) - scores).square_() * sensitivity).sum((0, 2, 3))

    q_start, k_start = _initial(q, bits), _initial(k, bits)
    q_scale, k_scale = q_start, k_start
    for _ in range(ROUNDS):
        q_scale = search_per_head(q_start, lambda s: error(s, k_scale), grid)  # noqa: B023 called at once
        k_scale = search_per_head(k_start, lambda s: error(q_scale, s), grid)  # noqa: B023 called at once
    return q_scale, k_scale


def _search_context(observed: Observed, v: Tensor, bits: int, grid: Grid) -> tuple[Quantiser, Tensor]:
    """V-2SF of the probabilities, and v's scales float32[heads]."""
    probabilities = observed.values["attn.softmax"]
    sensitivity = observed.sensitivity["attn.values"]
    context = observed.values["attn.values"]
    heads = v.shape[1]

    def error(a_hat: Tensor, v_scale: Tensor) -> Tensor:
        product = merge_heads(a_hat @ _per_head(v_scale, bits).fake_quantize(v))
        weighted = (product - context).square_() * sensitivity
        return weighted.unflatten(2, (heads, -1)).sum((0, 1, 3))

    start = _initial(v, bits)
    v_scale = start
    every = [two_scale.calibrate_softmax(bits, m) for m in SOFTMAX_EXPONENTS if bits - 1 + m <= PROBABILITY_BITS]
    candidates = [p for p in every if is_context_admitted(p.format, v.shape[2])]
    for _ in range(ROUNDS):
        softmax = least(
            candidates,
            lambda p: float(error(p.fake_quantize(probabilities), v_scale).double().sum()),  # noqa: B023 at once
        )
        a_hat = softmax.fake_quantize(probabilities)
        v_scale = search_per_head(start, lambda s: error(a_hat, s), grid)  # noqa: B023 called at once
    return softmax, v_scale
