"""Settings of the reconstruction: data only, no PyTorch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ROUNDING_TRAVEL = 4.8
"""Rate times iterations: how far Adam, whose steps are about the rate, can move v. It is the width of the range in
which 0 < h(v) < 1, 2 log 11 (our decision): with much less a rounding is still open when it is hardened."""


class ReconstructionConfig(BaseModel):
    """How weights are rounded after calibration.

    Known (the released code of ADFQ-ViT, arXiv 2407.02763): the values of ``float_share``, ``step_rate``, ``warm_up``,
    ``beta_start``, ``beta_end``, ``regulariser`` and ``temperature``; with ``loss`` mse, ``attention_weight`` 10, axis
    ``heads``, rate 3e-3, 1024 images, batches of 32 and 5000 iterations (its README: 3000). Reconstructed for DopQ-ViT
    (arXiv 2408.03291), whose details are not known: the same without the attention term.

    Our decision: the loss, the rate and the smaller counts, with which DeiT-Tiny takes five minutes on one core. There
    (repq, 4 bits, calibrated on 32 images; 64 images and crops of them; 36 images held out), the KL to float was 0.62
    with nearest rounding, 0.51 reconstructed and 0.67 with ``loss`` mse; 61, 78 and 67 % had float's class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    iterations: int = Field(default=80, ge=0, le=100_000)
    """Steps of each module; 0: nearest rounding, no reconstruction."""
    images: int = Field(default=256, ge=1)
    """To learn from: crops stand in where there are fewer."""
    judging_share: float = Field(default=0.25, ge=0, lt=1)
    """Of the images given, the last ones, on which a module's learnt rounding must not be worse than the nearest to be
    kept; 0: it is always kept (the papers)."""
    batch: int = Field(default=16, ge=1)
    loss: Literal["mse", "sensitivity"] = "sensitivity"
    """Every token's error weighs alike (the papers), or by how much the prediction feels it (our decision)."""
    even_share: float = Field(default=0.5, ge=0, le=1)
    """Of the weight by sensitivity, the share that all tokens have alike."""
    float_share: float = Field(default=0.5, ge=0, le=1)
    """QDrop: share of a module's input that is the float network's, drawn for each element."""
    rounding_rate: float | None = Field(default=None, gt=0)
    """Learning rate of the rounding; ``ROUNDING_TRAVEL / iterations`` without it."""
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

    @property
    def rate(self) -> float:
        """Learning rate of the rounding."""
        return self.rounding_rate or ROUNDING_TRAVEL / self.iterations
