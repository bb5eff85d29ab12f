"""The networks that hwsim ships: small timm networks for Fashion-MNIST's 28x28 grey images, and how each is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timm.models.vision_transformer import VisionTransformer
from torch import nn

import hwsim

ZOO = Path(hwsim.__file__).parent / "zoo"
FASHION_MNIST_VIT = "fashion_mnist_vit"
FASHION_MNIST_CLASSES = [
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained: AdamW with a one-cycle learning rate."""

    epochs: int
    batch: int = 64
    lr: float = 1e-3
    """Peak learning rate."""
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    patch_drop: float = 0.0
    """Share of the patches that is dropped (timm's ``PatchDropout``)."""
    full_epochs: int = 0
    """Last epochs, in which no patch is dropped."""


@dataclass(frozen=True, kw_only=True)
class ShippedModel:
    """A network's class and shape in timm's words, and its recipe."""

    kind: type[nn.Module]
    shape: dict[str, Any]
    recipe: Recipe


SHIPPED = {
    # 49 patches and a class token. Without half of the patches an epoch costs half and regularises
    FASHION_MNIST_VIT: ShippedModel(
        kind=VisionTransformer,
        shape={"patch_size": 4, "embed_dim": 96, "depth": 6, "num_heads": 3, "mlp_ratio": 2.0},
        recipe=Recipe(epochs=48, patch_drop=0.5, full_epochs=20),
    ),
}


def build_model(name: str, **more: Any) -> nn.Module:
    """Build an untrained shipped network.

    Parameters
    ----------
    name : key of ``SHIPPED``
    more : arguments of timm's class beside the shape
    """
    model = SHIPPED[name]
    return model.kind(img_size=28, in_chans=1, num_classes=10, **model.shape, **more)


def shipped_weights(name: str) -> Path:
    """File of a shipped network's float weights."""
    return ZOO / name / "float.safetensors"
