"""Stress: the same float network with harder activations. Outliers and spread move between channels, no logit moves.

LayerNorm's output: channel c of its weight and bias times s_c, column c of the linear that reads it divided by s_c,
with s_c log-normal and some outlier channels ``norm_strength`` times larger.

Residual stream: LayerNorm without its affine commutes with every orthogonal Q that keeps the all-ones vector,

    n(x) = (x - mean) / std        n(Q x) = Q n(x)        linear: weight' = weight diag(gamma) Q^T diag(1 / gamma')

so all that writes the stream (patch and position embedding, class token, proj, fc2) is multiplied by Q and all that
reads it by Q^T. Q turns the stream's leading principal components into single channels: these become outliers, the
others lose variance. The new gamma' and beta' give each channel of LayerNorm's output the mean and deviation that it
had, so that the two kinds of stress do not mix. LayerNorm also forgets a common factor and a common shift of all
channels, but neither makes a channel differ from the others. All of this is our decision.

``python -m golden.stress --model M --weights F --data D`` describes a network plain and stressed.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor

from golden.device import map_tensors
from golden.fold import map_norms
from golden.from_timm import load_model
from golden.preprocess import load_image
from golden.spread import Spread, collect, describe, kind_of, largest_to_median
from golden.vit import Affine, Vit, forward
from hwsim.errors import HwsimError
from hwsim.network import Preprocess

CHECKED_IMAGES = 8
LARGEST_LOGIT_ERROR = 1e-4
"""Of the largest logit: float32 weights are rounded once more, which moves logits by some 1e-6."""
SMALLEST_DEVIATION = 1e-6


@dataclass(frozen=True, kw_only=True)
class StressConfig:
    """How hard; by default the shipped network's stream has the outliers of DeiT-Tiny's, on 32 images each.

    The shipped network's LayerNorm outputs differ as much as DeiT-Tiny's without stress, so by default they stay.
    """

    norm_spread: float = 0.0
    """Standard deviation of log(s_c)."""
    norm_outliers: int = 0
    """Outlier channels of each LayerNorm's output."""
    norm_strength: float = 1.0
    """Factor of these channels."""
    residual_strength: float = 5.9
    """Least ratio of the largest to the median channel maximum, the median over the stream's tensors; 0: as it is."""
    seed: int = 0


def stress(vit: Vit, images: Tensor, config: StressConfig) -> Vit:
    """Move channel variance and outliers into LayerNorm's outputs and the residual stream.

    Parameters
    ----------
    images : uint8[n, H, W, C], 16 or more: the stream's principal components and channel statistics come from them

    Raises
    ------
    HwsimError
        If there are no images, a setting is out of range or the residual stream cannot reach its strength by rotation.
    """
    _ = vit.embedding  # channels of one stream are rotated; a Swin has one in each stage
    _check_config(config, vit.width)
    if not len(images):
        raise HwsimError("stress: 0 images, expected at least 1")
    with torch.no_grad():
        changed = map_tensors(vit, lambda x: x.double())
        if config.residual_strength > 0:
            streams = _streams(vit, images)
            changed = _rotate(changed, streams, _outlier_rotation(list(streams.values()), config.residual_strength))
        changed = _scale_norms(changed, config)
        stressed = map_tensors(changed, lambda x: x.to(vit.head.weight.dtype))
        check_same_function(vit, stressed, images[:CHECKED_IMAGES])
    return stressed


def check_same_function(vit: Vit, other: Vit, images: Tensor) -> None:
    """Raise HwsimError unless both networks give the same logits and classes, in float64."""
    with torch.no_grad():
        expected, found = (forward(map_tensors(v, lambda x: x.double()), images) for v in (vit, other))
    error = float((found - expected).abs().max() / expected.abs().max())
    if not error <= LARGEST_LOGIT_ERROR:
        raise HwsimError(f"stress: logits moved by {error:.1e} of the largest, expected {LARGEST_LOGIT_ERROR} at most")
    moved = int((found.argmax(1) != expected.argmax(1)).sum())
    if moved:
        raise HwsimError(f"stress: {moved} of {len(images)} images changed class, expected none")


def _check_config(config: StressConfig, width: int) -> None:
    for key, valid, expected in (
        ("norm_spread", 0 <= config.norm_spread < np.inf, "0 or more"),
        ("norm_outliers", 0 <= config.norm_outliers <= width, f"0 to {width} channels"),
        ("norm_strength", 0 < config.norm_strength < np.inf, "a factor above 0"),
        ("residual_strength", 0 <= config.residual_strength < np.inf, "0 or more"),
    ):
        if not valid:
            raise HwsimError(f"stress: {key} = {getattr(config, key)}, expected {expected}")


def _scale_norms(vit: Vit, config: StressConfig) -> Vit:
    """Multiply the channels of each LayerNorm's output by factors of their own."""
    generator = torch.Generator().manual_seed(config.seed)

    def change(_name: str, norm: Affine, linear: Affine) -> tuple[Affine, Affine]:
        scale = torch.exp(config.norm_spread * torch.randn(vit.width, generator=generator, dtype=torch.float64))
        scale[torch.randperm(vit.width, generator=generator)[: config.norm_outliers]] *= config.norm_strength
        scale = scale.to(norm.weight.device)
        scaled = Affine(weight=norm.weight * scale, bias=norm.bias * scale)
        return scaled, Affine(weight=linear.weight / scale, bias=linear.bias)

    return map_norms(vit, change)


def _streams(vit: Vit, images: Tensor) -> dict[str, Tensor]:
    """What each LayerNorm reads, by the name of its output, float64[rows, D]; the last reads class tokens only."""
    seen = collect(vit, images, lambda name: kind_of(name) == "residual")
    streams = {}
    before = "embed"
    for index in range(len(vit.blocks)):
        streams[f"blocks.{index}.norm1"] = seen[before].double()
        streams[f"blocks.{index}.norm2"] = seen[f"blocks.{index}.attn.add"].double()
        before = f"blocks.{index}.mlp.add"
    streams["norm"] = seen[before].double()
    return streams


def _outlier_rotation(streams: list[Tensor], strength: float) -> Tensor:
    """Rotation float64[D, D] that keeps the all-ones vector, of as few components as reach the strength."""
    width = streams[0].shape[1]
    components = _principal_components(streams)
    best = 0.0
    for count in range(0, width, max(1, width // 48)):
        rotation = _align(components[:, :count])
        ratio = median(largest_to_median(x @ rotation.T) for x in streams)
        if ratio >= strength:
            return rotation
        best = max(best, ratio)
    raise HwsimError(f"stress: residual_strength = {strength}, but rotations of this stream reach {best:.2f} at most")


def _principal_components(streams: list[Tensor]) -> Tensor:
    """Orthonormal float64[D, D - 1] in falling order of energy, all of them orthogonal to the all-ones vector."""
    width = streams[0].shape[1]
    moment = torch.zeros_like(streams[0][0]).repeat(width, 1)
    for x in streams:
        centred = x - x.mean(1, keepdim=True)
        moment += centred.T @ centred / centred.square().sum()
    below_zero = torch.full_like(moment, -1.0 / width)  # makes the all-ones vector the last one
    rising: Tensor = torch.linalg.eigh(moment + below_zero).eigenvectors
    return rising.flip(1)[:, :-1]


def _align(components: Tensor) -> Tensor:
    """The rotation nearest to the identity that turns components float64[D, m] into (nearly) single channels.

    A channel's unit vector is not orthogonal to the all-ones vector, so its part along that is taken off.
    """
    width, count = components.shape
    left = components.abs()
    targets = torch.zeros_like(components)
    for index in range(count):
        channel = int(left[:, index].argmax())
        targets[channel, index] = 1.0 if components[channel, index] > 0 else -1.0
        left[channel] = -1
    targets = _nearest_orthogonal(targets - targets.mean(0))
    identity = torch.eye(width, dtype=components.dtype, device=components.device)
    rest = (identity - targets @ targets.T) @ (identity - components @ components.T)
    return _nearest_orthogonal(targets @ components.T + rest)


def _nearest_orthogonal(matrix: Tensor) -> Tensor:
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    orthogonal: Tensor = u @ vh
    return orthogonal


def _rotate(vit: Vit, streams: dict[str, Tensor], rotation: Tensor) -> Vit:
    """Multiply the residual stream by a rotation."""

    def write(linear: Affine) -> Affine:
        return Affine(weight=rotation @ linear.weight, bias=rotation @ linear.bias)

    def read(name: str, norm: Affine, linear: Affine) -> tuple[Affine, Affine]:
        x = streams[name][:: vit.tokens] if name == "norm" else streams[name]
        plain = F.layer_norm(x, (vit.width,), eps=vit.epsilon)
        return _read_rotated(norm, linear, plain, rotation)

    class_token, position = vit.embedding
    blocks = tuple(replace(block, proj=write(block.proj), fc2=write(block.fc2)) for block in vit.blocks)
    written = replace(
        vit,
        patch_embed=write(vit.patch_embed),
        class_token=rotation @ class_token,
        position=position @ rotation.T,
        blocks=blocks,
    )
    return map_norms(written, read)


def _read_rotated(norm: Affine, linear: Affine, plain: Tensor, rotation: Tensor) -> tuple[Affine, Affine]:
    """LayerNorm and linear that read the rotated stream; plain : float64[rows, D], LayerNorm without its affine."""
    before, after = plain * norm.weight + norm.bias, plain @ rotation.T
    old, new = before.std(0, correction=0), after.std(0, correction=0)
    gain = torch.where((old > SMALLEST_DEVIATION) & (new > SMALLEST_DEVIATION), old / new, 1.0)
    bias = before.mean(0) - gain * after.mean(0)
    weight = (linear.weight * norm.weight) @ rotation.T / gain
    moved = linear.bias + linear.weight @ norm.bias - weight @ bias
    return Affine(weight=gain, bias=bias), Affine(weight=weight, bias=moved)


def _load_pixels(path: Path, preprocess: Preprocess, count: int) -> Tensor:
    """uint8[n, H, W, C] of an ``.npz`` file (key ``images``) or a folder."""
    if path.is_dir():
        files = sorted(path.iterdir())[:count]
        return torch.from_numpy(np.stack([load_image(file, preprocess) for file in files]))
    if path.suffix != ".npz" or not path.exists():
        raise HwsimError(f"{path}: expected a folder of images or an .npz file")
    with np.load(path) as archive:
        pixels = torch.from_numpy(archive["images"][:count])
    return pixels[..., None] if pixels.ndim == 3 else pixels


def main() -> None:
    """Parse the command line and describe a network plain and stressed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="fashion_mnist_vit or a timm name")
    parser.add_argument("--weights", type=Path, required=True, help="safetensors file")
    parser.add_argument("--data", type=Path, required=True, help=".npz file or folder of images")
    parser.add_argument("--images", type=int, default=32, help="read this many at most")
    for field in fields(StressConfig):
        name = "--" + field.name.replace("_", "-")
        parser.add_argument(name, type=type(field.default), default=field.default, help=f"default {field.default}")
    args = parser.parse_args()
    try:
        model = load_model(args.model, args.weights)
        images = _load_pixels(args.data, model.preprocess, args.images)
        config = StressConfig(**{field.name: getattr(args, field.name) for field in fields(StressConfig)})
        networks = {"plain": model.vit, "stressed": stress(model.vit, images, config)}
    except HwsimError as error:
        parser.exit(2, f"{error}\n")
    table = Table("network", "tensors", *(field.name for field in fields(Spread)), title=f"{args.model}, {config}")
    for label, vit in networks.items():
        for kind, spread in describe(vit, images).items():
            table.add_row(label, kind, *(f"{getattr(spread, field.name):.2f}" for field in fields(Spread)))
    Console().print(table)


if __name__ == "__main__":
    main()
