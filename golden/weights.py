"""Weights of a timm network: read from a file, or drawn at random where none are to be had.

Random weights keep the scale of trained ones: attention that prefers tokens, logits that depend on the image.

    W ~ N(0, (g / sqrt(K))^2), g = 1.8 in linear layers and 2 in the convolution;  LayerNorm: gamma = exp(N(0, 0.3^2))
    every bias ~ N(0, 0.1^2);  class token and position ~ N(0, 0.2^2);  channel 3 of each MLP's output is 8 times larger
    relative position bias of Swin ~ N(0, 0.5^2)
"""

from __future__ import annotations

import argparse
import pickle
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file
from timm.layers import Mlp
from timm.models.swin_transformer import SwinTransformer, WindowAttention
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from golden.finite import check_finite
from hwsim.errors import HwsimError

TORCH_SUFFIXES = (".pth", ".pt")
WRAPPERS = ("model", "state_dict")
SEED_MAX = 2**63 - 1

_LINEAR_GAIN = 1.8
_PATCH_GAIN = 2.0
_NORM_SPREAD = 0.3
_BIAS_STD = 0.1
_EMBEDDING_STD = 0.2
_POSITION_BIAS_STD = 0.5
_OUTLIER_CHANNEL, _OUTLIER_GAIN = 3, 8.0


def read_weights(module: nn.Module, path: Path) -> None:
    """Give a network the weights of a file; every key must be there, no other, and every value finite.

    Parameters
    ----------
    module : a network, which may lie on the meta device; its float32 parameters are replaced
    path : safetensors file, or ``.pth`` or ``.pt`` file of PyTorch, whose tensors may lie under ``model`` or
        ``state_dict``; keys are timm's

    Raises
    ------
    HwsimError
        If the file cannot be read, or a key, shape, type or value does not fit.
    """
    if not path.is_file():
        raise HwsimError(f"{path}: no weights file here (expected safetensors, .pth or .pt)")
    state = _read_torch(path) if path.suffix.lower() in TORCH_SUFFIXES else _read_safetensors(path)
    expected = module.state_dict()
    for problem, keys in {
        "is missing": expected.keys() - state.keys(),
        "is not a key of the model": state.keys() - expected.keys(),
    }.items():
        if keys:
            raise HwsimError(f"{path}: {sorted(keys, key=str)[0]} {problem} ({len(keys)} such keys)")
    fitting = {key: _fit(f"{path}: {key}", state[key], tensor) for key, tensor in expected.items()}
    module.load_state_dict(fitting, assign=True)


def check_weights(module: nn.Module, source: str) -> None:
    """Raise HwsimError for the first tensor of a network that holds nan or inf."""
    for key, tensor in module.state_dict().items():
        check_finite(f"{source}: {key}", tensor)


@torch.no_grad()
def draw_weights(module: VisionTransformer | SwinTransformer, seed: int) -> None:
    """Give a network lively random weights; the same seed gives the same weights.

    Parameters
    ----------
    module : a network of linear layers, convolutions and LayerNorms, which may lie on the meta device
    seed : 0 to 2^63 - 1

    Raises
    ------
    HwsimError
        For a seed out of range.
    """
    if not 0 <= seed <= SEED_MAX:
        raise HwsimError(f"seed of the random weights must be 0 to 2^63 - 1, not {seed}")
    generator = torch.Generator().manual_seed(seed)
    module.to_empty(device="cpu")
    for part in module.modules():
        if isinstance(part, (nn.Linear, nn.Conv2d)):
            gain = _LINEAR_GAIN if isinstance(part, nn.Linear) else _PATCH_GAIN
            part.weight.normal_(0, gain * part.weight[0].numel() ** -0.5, generator=generator)
        if isinstance(part, nn.LayerNorm):
            part.weight.normal_(0, _NORM_SPREAD, generator=generator).exp_()
        if isinstance(part, (nn.Linear, nn.Conv2d, nn.LayerNorm)) and part.bias is not None:
            part.bias.normal_(0, _BIAS_STD, generator=generator)
    if isinstance(module, VisionTransformer):
        for embedding in (module.cls_token, module.pos_embed):
            assert embedding is not None, "create makes networks with both"
            embedding.normal_(0, _EMBEDDING_STD, generator=generator)
    for part in module.modules():
        if isinstance(part, WindowAttention):
            part.relative_position_bias_table.normal_(0, _POSITION_BIAS_STD, generator=generator)
    for part in module.modules():
        if isinstance(part, Mlp):
            last = [m for m in part.modules() if isinstance(m, nn.Linear)][-1]
            last.weight[_OUTLIER_CHANNEL] *= _OUTLIER_GAIN


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        found: dict[str, Tensor] = load_file(path)
        return found
    except (safetensors.SafetensorError, OSError) as error:
        raise HwsimError(f"{path}: not a safetensors file: {_one_line(error)}") from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    """State dict of a PyTorch file; nothing in the file is executed."""
    try:
        # checkpoints of training scripts hold their options, a plain Namespace, beside the weights
        with torch.serialization.safe_globals([argparse.Namespace]):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError, KeyError, IndexError) as error:
        raise HwsimError(f"{path}: not a file of plain PyTorch tensors: {_one_line(error)}") from error
    for wrapper in WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
    if not isinstance(found, dict) or not found:
        raise HwsimError(f"{path}: holds {_described(found)}, expected tensors under timm's key names")
    for key, value in found.items():
        if not isinstance(value, Tensor):
            raise HwsimError(f"{path}: {key} is {_described(value)}, expected tensors under timm's key names")
    return found


def _fit(name: str, found: Tensor, expected: Tensor) -> Tensor:
    """The tensor in the type that the network wants."""
    if found.shape != expected.shape:
        raise HwsimError(f"{name} has shape {list(found.shape)}, expected {list(expected.shape)}")
    if not found.is_floating_point():
        raise HwsimError(f"{name} has type {str(found.dtype).removeprefix('torch.')}, expected floating point")
    fitting = found.to(expected.dtype)
    check_finite(name, fitting)
    return fitting.contiguous()


def _described(value: Any) -> str:
    return "nothing" if value == {} else f"a value of type {type(value).__name__}"


def _one_line(error: Exception) -> str:
    """The first sentence of a message that may run over many lines."""
    return " ".join(str(error).split()).split(". ")[0][:200] or type(error).__name__
