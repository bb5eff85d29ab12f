"""Settings of the reconstruction: data only, no PyTorch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ReconstructionConfig(BaseModel):
    """How weights are rounded after calibration.

    Known (the released code of ADFQ-ViT, arXiv 2407.02763): all parts and the values of ``float_share``, both rates,
    ``warm_up``, ``beta_start``, ``beta_end``, ``regulariser`` and ``temperature``; with ``attention_weight`` 10, axis
    ``heads``, 1024 images, batches of 32 and 5000 iterations (its README: 3000). Our decision: the smaller counts, with
    which DeiT-Tiny takes less than half an hour on one core. Reconstructed for DopQ-ViT (arXiv 2408.03291), whose
    details are not known: the same without the attention term.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    iterations: int = Field(default=500, ge=0, le=100_000)
    """Steps of each module; 0: nearest rounding, no reconstruction."""
    images: int = Field(default=128, ge=1)
    """The first of the calibration images, all of them if there are no more."""
    batch: int = Field(default=16, ge=1)
    loss: Literal["mse", "sensitivity"] = "sensitivity"
    """Every token's error alike (the papers), or weighed by how much the prediction feels it (our decision)."""
    even_share: float = Field(default=0.5, ge=0, le=1)
    """Share of that weight that all tokens have alike."""
    float_share: float = Field(default=0.5, ge=0, le=1)
    """QDrop: share of a module's input that is the float network's, drawn for each element."""
    rounding_rate: float = Field(default=3e-3, gt=0)
    """Learning rate of the rounding. Adam moves v by about this in each step. Few images bear little movement: with
    rate times iterations at 15, 3.6 and 1.4, 68 images and block 9's attention of DeiT-Tiny at 4 bits, the error on
    other images was 0.206, 0.197 and 0.194 (nearest rounding: 0.213)."""
    learn_steps: bool = True
    """Whether the steps of the linear layers' uniform inputs are trained too."""
    step_rate: float = Field(default=4e-5, gt=0)
    """Learning rate of the steps, which falls as a cosine."""
    attention_weight: float = Field(default=0.0, ge=0)
    """1 / lambda of the attention term; 0: without it."""
    attention_axis: Literal["heads", "keys"] = "keys"
    """The axis of the attention term's softmax; the released code of ADFQ-ViT takes the heads."""
    temperature: float = Field(default=4.0, gt=0)
    """T of the attention term."""
    regulariser: float = Field(default=0.01, ge=0)
    """Weight of the term that drives each rounding to 0 or 1."""
    warm_up: float = Field(default=0.2, ge=0, lt=1)
    """Share of the iterations without that term."""
    beta_start: float = Field(default=20.0, gt=0)
    beta_end: float = Field(default=2.0, gt=0)
    """The term's exponent falls between these."""
    seed: int = Field(default=0, ge=0)
