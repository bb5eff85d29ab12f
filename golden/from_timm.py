"""Where timm's networks come in: a VisionTransformer or SwinTransformer by name becomes a plain ``Vit``.

Parts are found by the type of their module, never by its name; whatever the integer network cannot
express (layer scale, register tokens, another pooling, ...) is refused in one sentence.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from pydantic import ValidationError
from timm.data import ImageNetInfo, resolve_model_data_config
from timm.layers import Attention, Mlp, PatchEmbed
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import Block as TimmBlock
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from golden.data import FASHION_MNIST_MEAN, FASHION_MNIST_STD
from golden.from_timm_swin import check_swin, to_swin
from golden.shipped import FASHION_MNIST_CLASSES, SHIPPED, build_model, shipped_weights
from golden.timm_parts import affine, all_of, bias, check_parts, only
from golden.vit import Affine, Block, Vit
from golden.weights import check_weights, draw_weights, read_weights
from hwsim.errors import HwsimError, describe_validation_error
from hwsim.network import Preprocess

TIMM_PREFIXES = ("deit", "vit_", "swin_")
VIT_PARTS = (VisionTransformer, nn.Sequential, PatchEmbed, nn.Conv2d, TimmBlock, Attention, Mlp, nn.Linear)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A float network with all that belongs to it."""

    name: str
    vit: Vit
    preprocess: Preprocess
    classes: list[str]
    weights: str = "given in memory"
    """Where the weights come from, for the network's origin: a file's name, timm, or a seed."""


def load_model(
    name: str,
    weights: Path | None = None,
    pretrained: bool = False,
    crop: float | None = None,
    random_seed: int | None = None,
) -> Model:
    """Build a network by name and give it weights, from exactly one source.

    Parameters
    ----------
    name : a shipped network's or a timm name such as ``deit_tiny_patch16_224``, also with the tag of its weights,
        ``vit_tiny_patch16_224.augreg_in21k_ft_in1k``
    weights : safetensors, ``.pth`` or ``.pt`` file with timm's key names
    pretrained : let timm download its weights (or find them in its cache)
    crop : share of the resized image that the centre crop keeps; timm's own figure without it
    random_seed : lively random weights of the real shapes, for tests and where no weights are to be had

    Without any of the three sources a shipped network gets the weights that hwsim ships.

    Raises
    ------
    HwsimError
        If the name is unknown, there is not exactly one source, the weights do not fit or cannot be had, or the
        network has a part that hwsim lacks.
    """
    module = _accepted(create(name))
    _check_sources(name, weights, pretrained, random_seed)
    if pretrained:
        module = _accepted(_download(name))
        config: Any = module.pretrained_cfg
        source = f"timm's {config['architecture']}.{config['tag']}"
    elif random_seed is not None:
        draw_weights(module, random_seed)
        source = f"random, seed {random_seed}"
    else:
        file = weights or shipped_weights(name)
        read_weights(module, file)
        source = file.name
    mean, std, preprocess = preprocessing(module, name, crop)
    classes = FASHION_MNIST_CLASSES if name in SHIPPED else _imagenet_classes(module.num_classes)
    return Model(name=name, vit=to_vit(module, mean, std), preprocess=preprocess, classes=classes, weights=source)


def create(name: str) -> nn.Module:
    """Build a network by name on torch's meta device: shapes without weights.

    Raises
    ------
    HwsimError
        If the name is neither a shipped network nor a ViT, DeiT or Swin of timm, or its tag is unknown.
    """
    if name not in SHIPPED:
        _check_name(name)
    with torch.device("meta"):
        if name in SHIPPED:
            return build_model(name).eval()
        return timm.create_model(name).eval()


def preprocessing(
    module: nn.Module, name: str, crop: float | None = None
) -> tuple[tuple[float, ...], tuple[float, ...], Preprocess]:
    """Mean and standard deviation of the channels (on a scale of 0 to 1), and the resizing, from timm's own config.

    Parameters
    ----------
    crop : share of the resized image that the centre crop keeps; timm's own figure without it

    Raises
    ------
    HwsimError
        If the network wants other images than squares of three colours, cut from the centre.
    """
    if name in SHIPPED:
        whole = Preprocess(mode="L", size=28, resize=int(28 // (crop or 1)), interpolation="bicubic")
        return (FASHION_MNIST_MEAN,), (FASHION_MNIST_STD,), whole
    config = resolve_model_data_config(module)  # type: ignore[no-untyped-call]
    channels, height, width = config["input_size"]
    if channels != 3 or height != width or config["crop_mode"] != "center":
        raise HwsimError(
            f"{name}: input is {channels} x {height} x {width} with crop mode {config['crop_mode']!r}, "
            "expected a centre crop of a square of three colours"
        )
    resize = int(height // (crop or config["crop_pct"]))
    try:
        preprocess = Preprocess(mode="RGB", size=height, resize=resize, interpolation=config["interpolation"])
    except ValidationError as error:
        raise describe_validation_error(error, name) from error
    return tuple(config["mean"]), tuple(config["std"]), preprocess


def to_vit(network: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> Vit:
    """Take a timm network apart; its tensors are shared, not copied."""
    module = _accepted(network)
    if isinstance(module, SwinTransformer):
        return to_swin(module, mean, std)
    assert module.pos_embed is not None
    assert module.cls_token is not None
    embed = only(module, PatchEmbed, "the network")
    projection = only(embed, nn.Conv2d, "the patch embedding")
    blocks = {name: m for name, m in module.named_modules() if isinstance(m, TimmBlock)}
    inner = {id(m) for part in [embed, *blocks.values()] for m in part.modules()}
    outer = nn.ModuleList([m for m in module.modules() if id(m) not in inner and not list(m.children())])
    norm = only(outer, nn.LayerNorm, "the network outside its blocks")
    head = only(outer, nn.Linear, "the network outside its blocks")
    width = projection.out_channels
    position = module.pos_embed.detach()[0]
    return Vit(
        image_size=embed.img_size[0],
        patch_size=projection.kernel_size[0],
        mean=tuple(mean),
        std=tuple(std),
        patch_embed=Affine(weight=projection.weight.detach().reshape(width, -1), bias=bias(projection)),
        class_token=module.cls_token.detach()[0, 0],
        position=position,
        blocks=tuple(_block(name, block) for name, block in blocks.items()),
        norm=affine(norm),
        head=affine(head),
        epsilon=float(norm.eps),
    )


def _block(name: str, block: TimmBlock) -> Block:
    norm1, norm2 = all_of(block, nn.LayerNorm, 2, name)
    attention = only(block, Attention, name)
    qkv, proj = all_of(attention, nn.Linear, 2, f"{name}'s attention")
    fc1, fc2 = all_of(only(block, Mlp, name), nn.Linear, 2, f"{name}'s MLP")
    return Block(
        heads=attention.num_heads,
        norm1=affine(norm1),
        qkv=affine(qkv),
        proj=affine(proj),
        norm2=affine(norm2),
        fc1=affine(fc1),
        fc2=affine(fc2),
    )


def _accepted(module: nn.Module) -> VisionTransformer | SwinTransformer:
    """The network, or HwsimError for the first part that the integer network cannot express."""
    if type(module) is SwinTransformer:
        check_swin(module)
        return module
    if type(module) is not VisionTransformer:
        raise HwsimError(
            f"{type(module).__name__} is not timm's VisionTransformer or SwinTransformer, which hwsim quantises"
        )
    check_parts(module, VIT_PARTS)
    if module.cls_token is None or module.reg_token is not None or module.global_pool != "token":
        raise HwsimError("the network must classify by one class token, without register tokens or pooling")
    if module.pos_embed is None or module.no_embed_class:
        raise HwsimError("the network must add a learnt position embedding to every token")
    if module.num_classes == 0:
        raise HwsimError("head: the network has no classifier (0 classes), so it has no logits to quantise for")
    height, width = only(module, PatchEmbed, "the network").img_size
    if height != width:
        raise HwsimError(f"the network's images must be square, not {height} x {width}")
    return module


def _check_name(name: str) -> None:
    if not name.startswith(TIMM_PREFIXES) or not timm.is_model(name):
        shipped = ", ".join(SHIPPED)
        raise HwsimError(f"model must be {shipped} or a vit_*, deit_* or swin_* name of timm, not {name!r}")
    architecture, _, tag = name.partition(".")
    known = [found.partition(".")[2] for found in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in known:
        raise HwsimError(f"model {name!r}: timm has no weights with this tag (expected {', '.join(known)})")


def _check_sources(name: str, weights: Path | None, pretrained: bool, random_seed: int | None) -> None:
    """Raise HwsimError unless there is exactly one source of weights, or the shipped ones will do."""
    given = sum([weights is not None, pretrained, random_seed is not None])
    if name in SHIPPED and pretrained:
        raise HwsimError(f"timm has no weights of {name}: without --pretrained it gets those that hwsim ships")
    if given != 1 and not (name in SHIPPED and given == 0):
        raise HwsimError(f"{name} needs one of --weights FILE, --pretrained and --random-weights SEED, not {given}")


def _download(name: str) -> nn.Module:
    """The network with timm's weights."""
    try:
        with _only_errors_of("huggingface_hub", "timm"):
            module = timm.create_model(name, pretrained=True).eval()
    except Exception as error:  # the hub, its HTTP library and the file formats raise many kinds
        reason = " ".join(str(error).split()).split(". ")[0] or type(error).__name__
        raise HwsimError(f"{name}: timm could not get its weights ({reason}); give a file with --weights") from error
    check_weights(module, name)
    return module


@contextmanager
def _only_errors_of(*names: str) -> Iterator[None]:
    """Silence warnings about each retry of a download: its end says what went wrong."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _imagenet_classes(count: int) -> list[str]:
    describe: Callable[[int], str] = ImageNetInfo().index_to_description if count == 1000 else str
    return [describe(i) for i in range(count)]
