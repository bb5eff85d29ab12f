"""What a codesign may choose for each tensor: every format that exists for its kind, at every width. Data only.

A *column* chooses one option for each tensor at once, so that a network of it can be calibrated and priced. Options of
activations and of weights stand in columns of their own; what a column says nothing about is uniform at 8 bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from golden.method import MethodConfig, method_config
from golden.tensor_parts import BITS_MAX, BITS_MIN, kind_of

METHOD = "codesign"
OUTLIER_THRESHOLD = 5.0
"""ADFQ-ViT's."""
_ROWS = {"norm": "row"}
FORMATS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "weight": {"uniform": {}},
    "norm": {
        "uniform": {},
        "uniform, mean scale": {"fold": "mean"},
        "uniform, median scale": {"fold": "median"},
        "uniform, SQ-b": {"fold": "smooth"},
        "rows": _ROWS,
        "rows, outliers": {**_ROWS, "outlier_threshold": OUTLIER_THRESHOLD},
    },
    "qkv": {"uniform": {}},
    "softmax": {
        "uniform": {},
        "two-scale": {"softmax": "two_scale", "softmax_scale": "one"},
        "twin": {"softmax": "twin", "softmax_scale": "one"},
        "log2": {"softmax": "log2"},
        "log-sqrt2": {"softmax": "log_sqrt2"},
        "TanQ A": {"softmax": "tanq_a"},
        "TanQ C": {"softmax": "tanq_c"},
    },
    "values": {"uniform": {}},
    "gelu": {
        "uniform": {},
        "two-scale": {"gelu": "two_scale"},
        "twin": {"gelu": "sign_split"},
        "shift-log2": {"gelu": "shift_log2"},
        "shift-log-sqrt2": {"gelu": "shift_log_sqrt2"},
    },
}
"""Formats by kind of tensor, and the parts that make them (``golden.tensor_parts``)."""
QUICK: Mapping[str, Any] = {"weights": "minmax", "rounds": 1, "sampled_rows": 256}
"""Parts of all columns, which are many; the network that is chosen is calibrated as any other."""
SEARCHED: Mapping[str, Any] = {"weights": "search"}
"""A weight whose error is asked for."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One format at one width."""

    format: str
    bits: int
    parts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.format} {self.bits}"


@dataclass(frozen=True, kw_only=True)
class Column:
    """Options of several tensors, and the choices that make a network of them."""

    chosen: Mapping[str, int]
    """Number of the option, by tensor."""
    config: MethodConfig


def options_of(tensor: str) -> tuple[Option, ...]:
    """Options of a tensor, by its name."""
    return tuple(
        Option(format=name, bits=bits, parts={"bits": bits, **parts})
        for name, parts in FORMATS[_kind(tensor)].items()
        for bits in range(BITS_MIN, BITS_MAX + 1)
    )


def columns(tensors: Iterable[str], seed: int, parts: Mapping[str, Any]) -> list[Column]:
    """As many columns as the tensors have options.

    Parameters
    ----------
    parts : of the method, for all tensors
    """
    names = list(tensors)
    weights = [name for name in names if _kind(name) == "weight"]
    others = [name for name in names if _kind(name) != "weight"]
    return [
        _column(number, {name: options for name in group if number < len(options := options_of(name))}, seed, parts)
        for group in (others, weights)
        for number in range(max(len(options_of(name)) for name in group))
    ]


def assignment(chosen: Mapping[str, int], seed: int, parts: Mapping[str, Any], bits: int) -> MethodConfig:
    """The choices of a network in which each tensor has the option of that number.

    Parameters
    ----------
    bits : what the network is said to have, such as its average
    """
    own = {name: dict(options_of(name)[number].parts) for name, number in chosen.items()}
    return method_config(METHOD, bits, {**parts, "seed": seed, "tensors": own})


def option_of(tensor: str, config: MethodConfig) -> int:
    """Number of the option that a method has for a tensor."""
    mine, asked = config.at(tensor), FORMATS[_kind(tensor)]
    keys = {key for parts in asked.values() for key in parts} - {"softmax_scale"}
    plain = {"norm": "tensor", "fold": "none", "outlier_threshold": None, "softmax": "uniform", "gelu": "uniform"}
    for number, option in enumerate(options_of(tensor)):
        parts = {**plain, **option.parts}
        if option.bits == mine.bits and all(parts[key] == getattr(mine, key) for key in keys):
            return number
    raise AssertionError(f"{tensor}: no option has the parts of {config.method}")


def _column(number: int, options: Mapping[str, tuple[Option, ...]], seed: int, parts: Mapping[str, Any]) -> Column:
    own = {
        name: {**of_tensor[number].parts, **(SEARCHED if _kind(name) == "weight" else {})}
        for name, of_tensor in options.items()
    }
    config = method_config(METHOD, BITS_MAX, {**parts, **QUICK, "seed": seed, "tensors": own})
    return Column(chosen=dict.fromkeys(own, number), config=config)


def _kind(tensor: str) -> str:
    kind = kind_of(tensor)
    return "norm" if kind in ("norm1", "norm2") else kind
