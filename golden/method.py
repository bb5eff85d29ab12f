"""The parts of a quantisation method, and the papers' choices of them: data only, no PyTorch.

A method is a set of parts (how weights and ranges are found, which format follows softmax, GELU and LayerNorm, which
one the residual stream has, what is done before and after calibration). Each part can be chosen alone:
``method_config("tsptq", 4, {"softmax": "log_sqrt2"})``. Patch embedding, head and input have 8 bits in every method.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from golden.reconstruct.config import ReconstructionConfig
from golden.tensor_parts import BITS_MAX, BITS_MIN, Fold, Gelu, RangeRule, Softmax, TensorParts, own_parts
from hwsim.errors import HwsimError, describe_validation_error

Published = Literal["tsptq", "adfq", "dopq", "minmax", "percentile", "omse", "ptq4vit", "fqvit", "repq"]
MethodName = Published | Literal["codesign"]
METHODS: tuple[str, ...] = get_args(Published)
"""Methods with one choice for all tensors of a kind."""
ChannelRule = Literal["sensitivity", "mse", "kmeans", "threshold", "prefix"]


class MethodConfig(BaseModel):
    """Every choice of a method; what does not apply to the others chosen is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: MethodName
    """Whose choices these are, before any was changed."""
    bits: int = Field(ge=BITS_MIN, le=BITS_MAX)
    """Of weights and of the operands of every product."""
    seed: int = 0
    weights: RangeRule = "search"
    """How the scale of a weight is found; ``search``: least weighted error of the layer's output."""
    weight_scales: Literal["channel", "tensor"] = "channel"
    ranges: RangeRule = "search"
    """How the range of an activation is found."""
    metric: Literal["sensitivity", "mse"] = "sensitivity"
    """What searches weigh the errors of outputs with: the diagonal of the Fisher matrix, or 1."""
    even_share: float = Field(default=0.0, ge=0, le=1)
    """Of the weight by sensitivity, the share that all elements have alike (our decision; 0: the papers')."""
    fold: Fold = "none"
    """Before calibration: per-channel scales of LayerNorm's outputs folded into one, or SQ-b."""
    norm: Literal["tensor", "row"] = "tensor"
    """Scales of LayerNorm's outputs: one, or one for each token position."""
    outlier_threshold: float | None = Field(default=None, gt=0)
    """Magnitude beyond which an element of LayerNorm's output is an outlier of 16 bits."""
    softmax: Softmax = "uniform"
    softmax_scale: Literal["one", "search"] = "one"
    """The largest probability: 1, or searched."""
    gelu: Gelu = "uniform"
    exponent: int | None = Field(default=None, ge=0, le=9)
    """m of V-2SF, the same everywhere; searched for each tensor without it."""
    residual: Literal["wide", "channel_scale", "power_of_two_factor"] = "wide"
    """The stream: 16 bits with one scale, 8 bits with O-2SF (or k scales), or FQ-ViT's factor."""
    channel_rule: ChannelRule | None = None
    """How O-2SF picks its channels."""
    scales: int = Field(default=2, ge=2, le=8)
    """k of the residual stream's k scales."""
    full_grid: bool = False
    """Try each of 100 factors from 0.01 to 1.2, as PTQ4ViT does, instead of 13 from 0.8 to 1.04 at 8 bits and some of
    the 100 at other widths."""
    rounds: int = Field(default=2, ge=1, le=10)
    """Turns of weight and input search."""
    sampled_rows: int = Field(default=2048, ge=16)
    """Tokens of all calibration images together that searches see."""
    reconstruction: ReconstructionConfig | None = None
    """How weights are rounded after calibration; to the nearest without it."""
    tensors: Mapping[str, TensorParts] = {}
    """What single tensors have of their own, by name or pattern (``golden.tensor_parts``)."""

    @model_validator(mode="after")
    def _parts_fit(self) -> MethodConfig:
        two_scaled = self.softmax in ("two_scale", "twin") or self.gelu in ("two_scale", "sign_split")
        scalable = ("log2", "log_sqrt2", "tanq_a", "tanq_c", "uniform")
        for applies, key, unset, where in (
            (self.norm == "row", "outlier_threshold", None, "norm is row"),
            (self.metric == "sensitivity", "even_share", 0.0, "metric is sensitivity"),
            (two_scaled, "exponent", None, "softmax or gelu is two-scaled"),
            (self.residual == "channel_scale", "channel_rule", None, "residual is channel_scale"),
            (self.channel_rule == "kmeans", "scales", 2, "channel_rule is kmeans"),
            (self.softmax in scalable, "softmax_scale", "one", f"softmax is {', '.join(scalable)}"),
        ):
            if not applies and getattr(self, key) != unset:
                raise ValueError(f"{key} = {getattr(self, key)} applies only where {where}")
        if self.residual == "channel_scale" and self.channel_rule is None:
            raise ValueError(f"residual = channel_scale needs a channel_rule: {', '.join(get_args(ChannelRule))}")
        if self.norm == "row" and self.fold in ("mean", "median"):
            raise ValueError(f"fold = {self.fold} makes one scale of many, which norm = row does not have")
        for pattern, parts in self.tensors.items():
            if "*" not in pattern:
                self._with(parts.chosen())
        return self

    def at(self, tensor: str) -> MethodConfig:
        """The choices for one tensor, by its name (``golden.tensor_parts``).

        Raises
        ------
        HwsimError
            If what the tensor has of its own does not go with the method's other parts.
        """
        own = own_parts(self.tensors, tensor)
        try:
            return self._with(own) if own else self
        except ValidationError as error:
            raise describe_validation_error(error, f"tensors: {tensor}") from error

    def at_width(self, bits: int) -> MethodConfig:
        """The same choices at another width."""
        return self.model_copy(update={"bits": bits})

    def _with(self, own: Mapping[str, Any]) -> MethodConfig:
        return MethodConfig.model_validate({**self.model_dump(exclude={"tensors"}), **own})


PRESETS: Mapping[str, Mapping[str, Any]] = {
    # known: the two formats, the Hessian-guided search; reconstructed: their algebra; our decision: the channel rule
    "tsptq": {
        "softmax": "two_scale", "gelu": "two_scale", "residual": "channel_scale", "channel_rule": "sensitivity",
    },
    # known (code): rows, outliers beyond 5, log-sqrt2; our decision: uniform after GELU above 4 bits
    "adfq": {
        "weights": "percentile_mse", "ranges": "percentile_mse", "metric": "mse", "norm": "row",
        "outlier_threshold": 5.0, "softmax": "log_sqrt2", "softmax_scale": "search", "gelu": "uniform",
    },
    # known: median scale, uniform after GELU; reconstructed: TanQ's formula (family A with a scale); our decision:
    # weights by the error of the layer's output, better on held-out calibration images at every width
    "dopq": {
        "weights": "search", "ranges": "percentile_mse", "metric": "mse", "fold": "median",
        "softmax": "tanq_a", "softmax_scale": "search",
    },
    # known (FQ-ViT's observers)
    "minmax": {"weights": "minmax", "ranges": "minmax", "metric": "mse"},
    "percentile": {"weights": "minmax", "ranges": "percentile", "metric": "mse"},
    "omse": {"weights": "minmax", "ranges": "omse", "metric": "mse"},
    # known: twin uniform, a scale for a whole weight (q, k, v apart), Hessian-guided search
    "ptq4vit": {"weight_scales": "tensor", "softmax": "twin", "gelu": "sign_split"},
    # known: power-of-two factor, log2 after softmax, MinMax
    "fqvit": {
        "weights": "minmax", "ranges": "minmax", "metric": "mse", "softmax": "log2", "residual": "power_of_two_factor",
    },
    # known: mean scale, log-sqrt2, percentiles by error
    "repq": {
        "weights": "percentile_mse", "ranges": "percentile_mse", "metric": "mse", "fold": "mean",
        "softmax": "log_sqrt2", "softmax_scale": "search",
    },
    # our decision: what all tensors have in common where each has a format of its own (golden.codesign)
    "codesign": {"weights": "search", "ranges": "percentile_mse", "metric": "mse", "softmax_scale": "search"},
}  # fmt: skip
RECONSTRUCTION: Mapping[str, Mapping[str, Any]] = {"adfq": {"attention_weight": 10.0}}
"""What a method's reconstruction has of its own (known: ADFQ-ViT's attention term)."""
LOW_WIDTH: Mapping[str, Mapping[str, Any]] = {"adfq": {"gelu": "shift_log_sqrt2"}}
"""What changes at 4 bits and below: the logarithm is for few codes (our decision)."""
LOW_WIDTH_BITS = 4


def method_config(method: str, bits: int, parts: Mapping[str, Any] | None = None) -> MethodConfig:
    """A paper's choices at a width, some parts changed.

    Parameters
    ----------
    parts : values by key, ``reconstruction.iterations`` for one of a group; ``reconstruction = True`` for its defaults

    Raises
    ------
    HwsimError
        If the method or a part is unknown, a value is not one of its own, or a part does not apply to the others.
    """
    if method not in PRESETS:
        raise HwsimError(f"method must be {', '.join(METHODS[:-1])} or {METHODS[-1]}, not {method!r}")
    chosen: dict[str, Any] = dict(PRESETS[method])
    if bits <= LOW_WIDTH_BITS:
        chosen |= LOW_WIDTH.get(method, {})
    for key, value in (parts or {}).items():
        group, _, rest = key.partition(".")
        if key == "reconstruction" and isinstance(value, bool):
            chosen[key] = {**RECONSTRUCTION.get(method, {})} if value else None
        elif rest:
            before = chosen.get(group) or (RECONSTRUCTION.get(method, {}) if group == "reconstruction" else {})
            chosen[group] = {**before, rest: value}
        else:
            chosen[key] = value
    try:
        return MethodConfig.model_validate({"method": method, "bits": bits, **chosen})
    except ValidationError as error:
        raise describe_validation_error(error, f"method {method}") from error
