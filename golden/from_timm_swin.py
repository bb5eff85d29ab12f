"""A timm SwinTransformer becomes a plain ``Vit`` whose blocks have windows; what hwsim cannot express is refused.

Parts are found by the type of their module. timm's buffers (masks, index of relative positions) are not read:
``golden.windows`` makes its own.
"""

from __future__ import annotations

from dataclasses import replace

from timm.layers import DropPath, Mlp, PatchEmbed, to_2tuple
from timm.layers.adaptive_avgmax_pool import FastAdaptiveAvgPool, SelectAdaptivePool2d
from timm.layers.classifier import ClassifierHead
from timm.models.swin_transformer import (
    PatchMerging,
    SwinTransformer,
    SwinTransformerBlock,
    SwinTransformerStage,
    WindowAttention,
)
from torch import nn

from golden.timm_parts import affine, all_of, bias, check_parts, only
from golden.vit import Affine, Block, Merge, Vit
from golden.windows import Windows, relative_position_bias
from hwsim.errors import HwsimError

KNOWN = (
    *(SwinTransformer, SwinTransformerStage, SwinTransformerBlock, WindowAttention, PatchMerging, PatchEmbed, Mlp),
    *(ClassifierHead, SelectAdaptivePool2d, FastAdaptiveAvgPool, nn.Sequential, nn.Conv2d, nn.Linear, nn.Softmax),
    DropPath,  # does nothing outside training
)


def check_swin(module: SwinTransformer) -> None:
    """Raise HwsimError for the first thing about a network that the integer network cannot express."""
    if module.global_pool != "avg":
        raise HwsimError(f"head: pooling is {module.global_pool!r}, hwsim knows the mean of all tokens, 'avg'")
    check_parts(module, KNOWN)
    if module.num_classes == 0:
        raise HwsimError("head: the network has no classifier (0 classes), so it has no logits to quantise for")
    height, width = only(module, PatchEmbed, "the network").img_size
    if height != width:
        raise HwsimError(f"the network's images must be square, not {height} x {width}")
    for name, part in module.named_modules():
        if isinstance(part, SwinTransformerBlock):
            _check_block(name, part)
        if isinstance(part, SwinTransformerStage) and not isinstance(part.downsample, nn.Identity):
            _check_merging(name, part)


def _check_block(name: str, block: SwinTransformerBlock) -> None:
    grid, window, shift = to_2tuple(block.input_resolution), block.window_size, block.shift_size
    if window[0] != window[1] or shift[0] != shift[1]:
        raise HwsimError(f"{name}: window {window} with shift {shift}, hwsim has square windows with one shift")
    if any(length % window[0] for length in grid):
        raise HwsimError(f"{name}: windows of {window[0]} tokens do not divide the grid {grid}; hwsim pads nothing")
    if block.attn.qkv.out_features != 3 * block.dim:
        found = f"attention is {block.attn.qkv.out_features // 3} wide"
        raise HwsimError(f"{name}: {found}, hwsim quantises attention as wide as the stream, {block.dim}")


def _check_merging(name: str, stage: SwinTransformerStage) -> None:
    grid = to_2tuple(stage.input_resolution)
    if any(length % 2 for length in grid):
        raise HwsimError(f"{name}: patch merging of a grid {grid} would pad, hwsim pads nothing")


def to_swin(module: SwinTransformer, mean: tuple[float, ...], std: tuple[float, ...]) -> Vit:
    """Take a checked network apart; its tensors are shared, not copied, but for the position biases."""
    embed = only(module, PatchEmbed, "the network")
    projection = only(embed, nn.Conv2d, "the patch embedding")
    patch_norm = only(embed, nn.LayerNorm, "the patch embedding")
    norm = only(nn.ModuleList([module.norm]), nn.LayerNorm, "the network outside its blocks")
    blocks: list[Block] = []
    for stage_name, stage in module.named_modules():
        if isinstance(stage, SwinTransformerStage):
            found = {name: m for name, m in stage.named_modules() if isinstance(m, SwinTransformerBlock)}
            first, *others = (_block(f"{stage_name}.{name}", block) for name, block in found.items())
            blocks += [replace(first, merge=_merge(stage_name, stage)), *others]
    return Vit(
        image_size=embed.img_size[0],
        patch_size=projection.kernel_size[0],
        mean=tuple(mean),
        std=tuple(std),
        patch_embed=Affine(weight=projection.weight.detach().flatten(1), bias=bias(projection)),
        class_token=None,
        position=None,
        blocks=tuple(blocks),
        norm=affine(norm),
        head=affine(only(module.head, nn.Linear, "the head")),
        epsilon=float(norm.eps),
        patch_norm=affine(patch_norm),
    )


def _merge(name: str, stage: SwinTransformerStage) -> Merge | None:
    merging = [m for m in stage.modules() if isinstance(m, PatchMerging)]
    if not merging:
        return None
    height, width = to_2tuple(stage.input_resolution)
    norm = only(merging[0], nn.LayerNorm, f"{name}'s merging")
    reduction = only(merging[0], nn.Linear, f"{name}'s merging")
    return Merge(height=height, width=width, norm=affine(norm), reduction=affine(reduction))


def _block(name: str, block: SwinTransformerBlock) -> Block:
    norm1, norm2 = all_of(block, nn.LayerNorm, 2, name)
    attention = only(block, WindowAttention, name)
    qkv, proj = all_of(attention, nn.Linear, 2, f"{name}'s attention")
    fc1, fc2 = all_of(only(block, Mlp, name), nn.Linear, 2, f"{name}'s MLP")
    height, width = to_2tuple(block.input_resolution)
    size = block.window_size[0]
    bias = relative_position_bias(attention.relative_position_bias_table.detach(), size)
    return Block(
        heads=attention.num_heads,
        norm1=affine(norm1),
        qkv=affine(qkv),
        proj=affine(proj),
        norm2=affine(norm2),
        fc1=affine(fc1),
        fc2=affine(fc2),
        windows=Windows(height=height, width=width, size=size, shift=block.shift_size[0], bias=bias),
    )
