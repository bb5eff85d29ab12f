"""Channel scales of LayerNorm's output folded into its affine and the next linear; the float network stays the same.

    x' = x / r - b        norm: weight / r, bias / r - b        linear: weight * r, bias + sum_k weight[n, k] r[k] b[k]

``fold_norm`` (RepQ-ViT, DopQ-ViT) turns an asymmetric quantiser for each channel, (s_c, z_c), into one for the tensor,
(s, z): r_c = s_c / s and b_c = (z - z_c) s. The code of x' is then floor(x / s_c + z_c - z + 1/2) + z, which is the
code of x in its own channel, whatever whole number z is. ``smooth_norm`` is SQ-b of MPTQ-ViT.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from golden.quantizers.uniform import UniformQuantiser
from golden.vit import Affine, Vit
from hwsim.errors import HwsimError
from hwsim.formats import Uniform

Rule = Literal["mean", "median"]


@dataclass(frozen=True, kw_only=True)
class Folded:
    """A LayerNorm and the linear that reads it after a fold."""

    norm: Affine
    linear: Affine
    quantiser: UniformQuantiser | None
    """Of the new LayerNorm's output, one scale and zero point; None: still to be calibrated."""
    r: Tensor
    """float32[C]"""
    shift: Tensor
    """float32[C], b of the equation"""

    @property
    def largest_r(self) -> float:
        """What the fold multiplies a column of weights by at most; a large one spoils the weights' own scales."""
        return float(self.r.max())

    def transform(self, x: Tensor) -> Tensor:
        """The new LayerNorm's output for the old one's, float32[..., C]: for activations that were kept before."""
        return x / self.r - self.shift


def fold_norm(
    norm: Affine,
    linear: Affine,
    scale: Tensor,
    zero_point: Tensor,
    bits: int,
    rule: Rule,
    zero_point_rule: Rule = "mean",
) -> Folded:
    """Fold per-channel quantisers of LayerNorm's output into one.

    Parameters
    ----------
    norm : weight, bias float32[C]
    linear : weight float32[N, C], bias float32[N], the layer that reads it
    scale : float32[C], above zero
    zero_point : whole numbers [C] of any dtype; a channel far from zero may have one that is no code
    bits : width of the unsigned codes
    rule : the common scale. ``mean``: known, RepQ-ViT (arXiv 2212.08254, code). ``median``: known by name, MOSF of
        DopQ-ViT (arXiv 2408.03291 v2); an even count takes the lower of the middle two (our decision)
    zero_point_rule : the common zero point. ``mean``: known for RepQ-ViT, reconstructed for DopQ-ViT; ``median``: our
        decision. Rounded with ties up and kept a code (our decision)

    Raises
    ------
    HwsimError
        If a scale is not above zero or a zero point is not a whole number.
    """
    scale, zeros = scale.double(), zero_point.double()
    if not bool((scale > 0).all()):
        raise HwsimError(f"scale: {float(scale.min())} of a channel, expected scales above zero")
    if not torch.equal(zeros, zeros.floor()):
        raise HwsimError(f"zero_point: {float(zeros[zeros != zeros.floor()][0])} of a channel, expected whole numbers")
    top = 2**bits - 1
    common = _centre(scale, rule)
    zero = int((_centre(zeros, zero_point_rule) + 0.5).floor().clamp(0, top))
    quantiser = UniformQuantiser(
        format=Uniform(bits=bits, signed=False, zero_point=zero), scale=common.to(norm.weight.dtype)
    )
    return _fold(norm, linear, r=scale / common, shift=(zero - zeros) * common, quantiser=quantiser)


def smooth_norm(norm: Affine, linear: Affine, x: Tensor, strength: float = 0.5) -> Folded:
    """SQ-b of MPTQ-ViT (arXiv 2401.14895): centre each channel and share its range with the weights.

        beta_c = (max + min) / 2    alpha_c = max|x_c - beta_c|**a / max|weight_c|**(1 - a)    x' = (x - beta) / alpha

    Reconstructed: the paper's abstract has SmoothQuant with a bias term, the equations are the usual ones. A channel
    without range, or that no weight reads, keeps its scale (our decision).

    Parameters
    ----------
    x : float32[rows, C], output of ``norm`` on calibration images
    strength : a, from 0 (weights get one range) to 1 (activations get one range)

    Raises
    ------
    HwsimError
        If the strength is not between 0 and 1.
    """
    if not 0 <= strength <= 1:
        raise HwsimError(f"strength: {strength}, expected 0 to 1")
    low, high = x.double().amin(0), x.double().amax(0)
    half_range, largest_weight = (high - low) / 2, linear.weight.double().abs().amax(0)
    alpha = half_range**strength / largest_weight ** (1 - strength)
    alpha = torch.where((half_range > 0) & (largest_weight > 0), alpha, 1.0)
    return _fold(norm, linear, r=alpha, shift=(high + low) / 2 / alpha, quantiser=None)


def map_norms(vit: Vit, change: Callable[[str, Affine, Affine], tuple[Affine, Affine]]) -> Vit:
    """Replace each LayerNorm together with the linear that reads it.

    change : gets the name of LayerNorm's output (``blocks.0.norm1``), the LayerNorm and the linear
    """
    blocks = []
    for index, block in enumerate(vit.blocks):
        norm1, qkv = change(f"blocks.{index}.norm1", block.norm1, block.qkv)
        norm2, fc1 = change(f"blocks.{index}.norm2", block.norm2, block.fc1)
        blocks.append(replace(block, norm1=norm1, qkv=qkv, norm2=norm2, fc1=fc1))
    norm, head = change("norm", vit.norm, vit.head)
    return replace(vit, blocks=tuple(blocks), norm=norm, head=head)


def _centre(values: Tensor, rule: Rule) -> Tensor:
    return values.mean() if rule == "mean" else values.median()  # torch's median is the lower one


def _fold(norm: Affine, linear: Affine, *, r: Tensor, shift: Tensor, quantiser: UniformQuantiser | None) -> Folded:
    """Apply the equation at the top in float64 and round once; r, shift : float64[C]."""
    dtype = norm.weight.dtype
    weight = linear.weight.double() * r
    return Folded(
        norm=Affine(weight=(norm.weight / r).to(dtype), bias=(norm.bias / r - shift).to(dtype)),
        linear=Affine(weight=weight.to(dtype), bias=(linear.bias + weight @ shift).to(dtype)),
        quantiser=quantiser,
        r=r.to(dtype),
        shift=shift.to(dtype),
    )
