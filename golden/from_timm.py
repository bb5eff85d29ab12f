"""The one file that meets timm's networks: a VisionTransformer by name becomes a plain ``Vit``.

Parts are found by the type of their module, never by its name; whatever the integer network cannot
express (layer scale, register tokens, average pooling, ...) is refused in one sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import safetensors
import timm
import torch
from safetensors.torch import load_file
from timm.data import ImageNetInfo, resolve_model_data_config
from timm.layers import Attention, Mlp, PatchEmbed
from timm.models.vision_transformer import Block as TimmBlock
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from golden.data import FASHION_MNIST_MEAN, FASHION_MNIST_STD
from golden.train import build_model
from golden.vit import Affine, Block, Vit
from hwsim.errors import HwsimError
from hwsim.network import Preprocess

FASHION_MNIST_VIT = "fashion_mnist_vit"
FASHION_MNIST_CLASSES = [
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
]
TIMM_PREFIXES = ("deit_", "vit_")

_PASSIVE = (nn.Identity, nn.Dropout)
Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A float network with all that belongs to it."""

    name: str
    vit: Vit
    preprocess: Preprocess
    classes: list[str]


def load_model(name: str, weights: Path, crop: float | None = None) -> Model:
    """Build a network by name and load its weights.

    Parameters
    ----------
    name : ``fashion_mnist_vit`` or a timm name such as ``deit_tiny_patch16_224``
    weights : safetensors file with timm's key names
    crop : share of the resized image that the centre crop keeps; timm's own figure without it

    Raises
    ------
    HwsimError
        If the name is unknown, the weights do not fit or the network has a part that hwsim lacks.
    """
    if name == FASHION_MNIST_VIT:
        module = build_model(width=96, depth=6, heads=3, mlp_ratio=2.0)
        mean, std = (FASHION_MNIST_MEAN,), (FASHION_MNIST_STD,)
        preprocess = Preprocess(mode="L", size=28, resize=28, interpolation="bicubic")
        classes = FASHION_MNIST_CLASSES
    else:
        module = _create(name)
        config = resolve_model_data_config(module)
        mean, std = config["mean"], config["std"]
        size = config["input_size"][1]
        resize = int(size // (crop or config["crop_pct"]))
        preprocess = Preprocess(mode="RGB", size=size, resize=resize, interpolation=config["interpolation"])
        classes = _imagenet_classes(module.num_classes)
    _load_strictly(module, weights)
    return Model(name=name, vit=to_vit(module, mean, std), preprocess=preprocess, classes=classes)


def to_vit(module: VisionTransformer, mean: tuple[float, ...], std: tuple[float, ...]) -> Vit:
    """Take a timm network apart; its tensors are shared, not copied."""
    _refuse_what_is_missing(module)
    embed = _only(module, PatchEmbed)
    projection = _only(embed, nn.Conv2d)
    blocks = [m for m in module.modules() if isinstance(m, TimmBlock)]
    inner = {id(m) for part in [embed, *blocks] for m in part.modules()}
    outer = [m for m in module.modules() if id(m) not in inner]
    norm = _only_of(outer, nn.LayerNorm, "the network")
    head = _only_of(outer, nn.Linear, "the network")
    width = projection.out_channels
    position = module.pos_embed.detach()[0]
    return Vit(
        image_size=embed.img_size[0],
        patch_size=projection.kernel_size[0],
        mean=tuple(mean),
        std=tuple(std),
        patch_embed=Affine(weight=projection.weight.detach().reshape(width, -1), bias=_bias(projection)),
        class_token=module.cls_token.detach()[0, 0],
        position=position,
        blocks=tuple(_block(b) for b in blocks),
        norm=_affine(norm),
        head=_affine(head),
        heads=_only(blocks[0], Attention).num_heads,
        epsilon=float(norm.eps),
    )


def _block(block: TimmBlock) -> Block:
    norm1, norm2 = _all_of(block, nn.LayerNorm, 2)
    qkv, proj = _all_of(_only(block, Attention), nn.Linear, 2)
    fc1, fc2 = _all_of(_only(block, Mlp), nn.Linear, 2)
    return Block(
        norm1=_affine(norm1),
        qkv=_affine(qkv),
        proj=_affine(proj),
        norm2=_affine(norm2),
        fc1=_affine(fc1),
        fc2=_affine(fc2),
    )


def _affine(module: nn.LayerNorm | nn.Linear) -> Affine:
    return Affine(weight=module.weight.detach(), bias=_bias(module))


def _bias(module: nn.LayerNorm | nn.Linear | nn.Conv2d) -> torch.Tensor:
    return torch.zeros(len(module.weight)) if module.bias is None else module.bias.detach()


def _all_of(parent: nn.Module, kind: type[Module], count: int) -> list[Module]:
    found = [m for m in parent.modules() if isinstance(m, kind)]
    if len(found) != count:
        raise HwsimError(f"{type(parent).__name__} has {len(found)} {kind.__name__}, expected {count}")
    return found


def _only(parent: nn.Module, kind: type[Module]) -> Module:
    return _all_of(parent, kind, 1)[0]


def _only_of(modules: list[nn.Module], kind: type[Module], where: str) -> Module:
    found = [m for m in modules if isinstance(m, kind)]
    if len(found) != 1:
        raise HwsimError(f"{where} has {len(found)} {kind.__name__} outside its blocks, expected 1")
    return found[0]


def _refuse_what_is_missing(module: nn.Module) -> None:
    """Raise HwsimError for the first part that the integer network cannot express."""
    if type(module) is not VisionTransformer:
        raise HwsimError(f"{type(module).__name__} is not timm's VisionTransformer, the only network hwsim quantises")
    if module.cls_token is None or module.reg_token is not None or module.global_pool != "token":
        raise HwsimError("the network must classify by one class token, without register tokens or pooling")
    if module.pos_embed is None or module.no_embed_class:
        raise HwsimError("the network must add a learnt position embedding to every token")
    known = (VisionTransformer, nn.Sequential, PatchEmbed, nn.Conv2d, TimmBlock, Attention, Mlp, nn.Linear)
    for name, part in module.named_modules():
        exact_gelu = type(part) is nn.GELU and part.approximate == "none"
        if not (isinstance(part, (*known, *_PASSIVE, nn.LayerNorm)) or exact_gelu):
            raise HwsimError(f"{name}: hwsim has no operator for {type(part).__name__}")


def _create(name: str) -> VisionTransformer:
    if not name.startswith(TIMM_PREFIXES) or not timm.is_model(name):
        raise HwsimError(f"model must be {FASHION_MNIST_VIT!r} or a vit_* or deit_* name of timm, not {name!r}")
    return timm.create_model(name).eval()


def _load_strictly(module: nn.Module, weights: Path) -> None:
    if not weights.is_file():
        raise HwsimError(f"{weights}: no weights file here (expected safetensors)")
    try:
        state = load_file(weights)
    except safetensors.SafetensorError as error:
        raise HwsimError(f"{weights}: not a safetensors file: {error}") from error
    expected = module.state_dict()
    for problem, keys in {
        "is missing": expected.keys() - state.keys(),
        "is not a key of the model": state.keys() - expected.keys(),
    }.items():
        if keys:
            raise HwsimError(f"{weights}: {sorted(keys)[0]} {problem} ({len(keys)} such keys)")
    for key, tensor in expected.items():
        if state[key].shape != tensor.shape:
            raise HwsimError(f"{weights}: {key} has shape {list(state[key].shape)}, expected {list(tensor.shape)}")
    module.load_state_dict(state)


def _imagenet_classes(count: int) -> list[str]:
    describe: Callable[[int], str] = ImageNetInfo().index_to_description if count == 1000 else str
    return [describe(i) for i in range(count)]
