"""Parts of a method that differ for single tensors: the names of a network's tensors, and what each may choose.

    tensors: {"blocks.*.mlp.gelu": {bits: 6, gelu: two_scale}, "*.weight": {bits: 4}}

A name is that of the tensor whose codes a product reads; a weight's is that of its layer and ``.weight``. Patch
embedding, head and what they read are not among them: they have 8 bits in every method. Data only, no PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_serializer

from hwsim.errors import HwsimError

if TYPE_CHECKING:
    from golden.vit import Vit

RangeRule = Literal["minmax", "percentile", "omse", "percentile_mse", "search"]
Softmax = Literal["uniform", "two_scale", "twin", "log2", "log_sqrt2", "tanq_a", "tanq_c"]
Gelu = Literal["uniform", "two_scale", "sign_split", "shift_log2", "shift_log_sqrt2"]
Fold = Literal["none", "mean", "median", "smooth"]
BITS_MIN, BITS_MAX = 3, 8
EDGE_BITS = 8
"""Width of the patch embedding, the classifier and what they read, whatever the width of the blocks."""

_INPUT = ("bits", "ranges")
PARTS: Mapping[str, tuple[str, ...]] = {
    "weight": ("bits", "weights"),
    "norm": (*_INPUT, "norm", "outlier_threshold", "fold"),
    "norm1": (*_INPUT, "norm", "outlier_threshold", "fold"),
    "norm2": (*_INPUT, "norm", "outlier_threshold", "fold"),
    "qkv": _INPUT,
    "softmax": ("bits", "softmax", "softmax_scale", "exponent"),
    "values": _INPUT,
    "gelu": (*_INPUT, "gelu", "exponent"),
}
"""What each kind of tensor, the last part of its name, may choose."""


INPUTS: Mapping[str, str] = {
    "merge.reduction": "merge.norm", "attn.qkv": "norm1", "attn.proj": "attn.values", "mlp.fc1": "norm2",
    "mlp.fc2": "mlp.gelu",
}  # fmt: skip
"""What each linear layer of a block reads."""


class TensorParts(BaseModel):
    """What one tensor, or those of one pattern, have of their own; the meaning is that of ``MethodConfig``'s keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bits: int = Field(default=BITS_MAX, ge=BITS_MIN, le=BITS_MAX)
    weights: RangeRule = "search"
    ranges: RangeRule = "search"
    norm: Literal["tensor", "row"] = "tensor"
    outlier_threshold: float | None = Field(default=None, gt=0)
    fold: Fold = "none"
    softmax: Softmax = "uniform"
    softmax_scale: Literal["one", "search"] = "one"
    gelu: Gelu = "uniform"
    exponent: int | None = Field(default=None, ge=0, le=9)

    @model_serializer
    def chosen(self) -> dict[str, Any]:
        """Only what was said, not the defaults."""
        return {key: getattr(self, key) for key in type(self).model_fields if key in self.model_fields_set}


def tensor_names(vit: Vit) -> list[str]:
    """All tensors that may have parts of their own, in the order of the blocks, activations before weights."""
    found: list[str] = []
    for index, block in enumerate(vit.blocks):
        linear = [name for name in INPUTS if block.merge is not None or not name.startswith("merge.")]
        read = [INPUTS[name] for name in linear]
        names = [*read, "attn.qkv", "attn.softmax", *(f"{name}.weight" for name in linear)]
        found += [f"blocks.{index}.{name}" for name in names]
    return found


def kind_of(tensor: str) -> str:
    """Kind of a tensor by its name, a key of ``PARTS``."""
    return tensor.rpartition(".")[2]


def own_parts(tensors: Mapping[str, TensorParts], name: str) -> dict[str, Any]:
    """What the patterns that match a name say about its kind; of several the later ones count."""
    found: dict[str, Any] = {}
    for pattern, parts in tensors.items():
        if fnmatchcase(name, pattern):
            found |= {key: value for key, value in parts.chosen().items() if key in PARTS[kind_of(name)]}
    return found


def check_patterns(tensors: Mapping[str, TensorParts], names: Iterable[str]) -> None:
    """Check that every pattern matches a tensor, and each of its parts something that it matches.

    Raises
    ------
    HwsimError
        At the first that does not.
    """
    known = list(names)
    for pattern, parts in tensors.items():
        matched = [name for name in known if fnmatchcase(name, pattern)]
        if not matched:
            raise HwsimError(
                f"tensors: {pattern!r} matches no tensor of the network, expected names such as {known[0]} or "
                f"*.{kind_of(known[-1])} (patch embedding and head have 8 bits in every method)"
            )
        takes = {key for name in matched for key in PARTS[kind_of(name)]}
        for key in parts.chosen():
            if key not in takes:
                raise HwsimError(f"tensors: {pattern!r} cannot choose {key}, expected {', '.join(sorted(takes))}")
