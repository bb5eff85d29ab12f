"""A tiny network with lively random weights, its images and its quantised form, made once for all tests here."""

from __future__ import annotations

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from golden.from_timm import Model, to_vit
from golden.method import method_config
from golden.pipeline import Quantised, quantise
from hwsim.network import Preprocess

torch.set_num_threads(1)  # tiny tensors, and other tests beside these: threads would only wait for each other


def build_tiny() -> VisionTransformer:
    torch.manual_seed(3)
    module = VisionTransformer(
        img_size=16, patch_size=4, in_chans=3, num_classes=10, embed_dim=24, depth=2, num_heads=3, mlp_ratio=2.0
    ).eval()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.1)
            elif parameter.ndim > 1 and "embed" not in name:
                parameter.normal_(0, 1.5 * parameter.shape[-1] ** -0.5)
            elif "norm" in name:
                parameter.uniform_(0.5, 1.5)
        module.pos_embed.normal_(0, 0.5)
        module.patch_embed.proj.weight.normal_(0, 0.1)
        module.blocks[0].mlp.fc2.weight[3] *= 8  # a channel that stands out, for O-2SF
    return module


@pytest.fixture(scope="session")
def tiny_module() -> VisionTransformer:
    return build_tiny()


@pytest.fixture(scope="session")
def tiny_model(tiny_module: VisionTransformer) -> Model:
    return Model(
        name="tiny",
        vit=to_vit(tiny_module, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)),
        preprocess=Preprocess(mode="RGB", size=16, resize=16, interpolation="bicubic"),
        classes=[str(i) for i in range(10)],
    )


@pytest.fixture(scope="session")
def tiny_images() -> torch.Tensor:
    """uint8[64, 16, 16, 3], blotches of a few pixels"""
    generator = torch.Generator().manual_seed(5)
    coarse = torch.rand(64, 3, 5, 5, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, 16, mode="bilinear")
    return (smooth * 255).permute(0, 2, 3, 1).to(torch.uint8)


@pytest.fixture(scope="session")
def tiny(tiny_model: Model, tiny_images: torch.Tensor) -> Quantised:
    return quantise(tiny_model, tiny_images[:16], method_config("tsptq", 8), lambda _: None)
