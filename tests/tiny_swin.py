"""A tiny Swin with lively random weights: two stages, 8 x 8 and 4 x 4 tokens, windows of 4, one block shifted by 2."""

from __future__ import annotations

import torch
from timm.models.swin_transformer import SwinTransformer

from golden.from_timm import Model, to_vit
from golden.weights import draw_weights
from hwsim.network import Preprocess

SIZE = 32


def tiny_swin_module() -> SwinTransformer:
    """Width 16 and 32, 2 and 4 heads; masks and indices are timm's own."""
    module = SwinTransformer(
        img_size=SIZE, patch_size=4, num_classes=10, embed_dim=16, depths=(2, 2), num_heads=(2, 4), window_size=4
    ).eval()
    draw_weights(module, 4)
    for part in module.modules():
        if hasattr(part, "init_non_persistent_buffers"):
            part.init_non_persistent_buffers()
    return module


def tiny_swin_model() -> Model:
    """The same with all that belongs to it."""
    return Model(
        name="tiny_swin",
        vit=to_vit(tiny_swin_module(), (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)),
        preprocess=Preprocess(mode="RGB", size=SIZE, resize=SIZE, interpolation="bicubic"),
        classes=[str(i) for i in range(10)],
    )


def tiny_swin_images(count: int) -> torch.Tensor:
    """uint8[count, 32, 32, 3], blotches of a few pixels"""
    coarse = torch.rand(count, 3, 7, 7, generator=torch.Generator().manual_seed(5))
    smooth = torch.nn.functional.interpolate(coarse, SIZE, mode="bilinear")
    return (smooth * 255).permute(0, 2, 3, 1).to(torch.uint8)
