"""What ``hwsim compare`` is asked for, and its lists as they stand on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hwsim.errors import HwsimError
from hwsim.flows.shipped import DEFAULT_NETWORK

METHODS_DEFAULT = "tsptq,adfq,dopq"
BITS_DEFAULT = "8,6,4"
OUT_DEFAULT = Path("build/compare")
PART_SYNTAX = "method:part=value,part=value"


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """Every option; the lists are as typed: split at commas, and an option may be repeated."""

    models: Sequence[str] = (DEFAULT_NETWORK,)
    methods: Sequence[str] = (METHODS_DEFAULT,)
    bits: Sequence[str] = (BITS_DEFAULT,)
    data: Sequence[str] = ()
    """Images to measure on, for all models or ``MODEL=PATH`` for one."""
    calib: Sequence[str] = ()
    """Calibration images, likewise."""
    weights: Sequence[str] = ()
    """``MODEL=FILE``, or one file for the only model."""
    pretrained: bool = False
    """Let timm download the weights of its models."""
    random_weights: int | None = None
    """Seed of random weights, for models without a file."""
    crop: float | None = None
    """Share of the resized image that the crop keeps; timm's own figure without it."""
    images: int | None = None
    """Measure on at most this many."""
    calib_images: int = 32
    seed: int = 0
    reconstruct: bool = False
    """With the methods' reconstruction."""
    stress: bool = False
    """Make the float network harder to quantise first."""
    device: str = "cpu"
    """Where the workers' PyTorch works: ``cpu``, ``cuda`` or ``cuda:N``."""
    preset: str = "edge"
    overrides: tuple[str, ...] = ()
    jobs: int | None = None
    """Worker processes on this machine; without it half as many as cores, and 1 on CUDA, whose memory they share."""
    scheduler: str | None = None
    """Address of a running Dask scheduler, in the place of worker processes."""
    out: Path = OUT_DEFAULT
    """Folder of the finished cells."""
    fresh: bool = False
    """Compute every cell again."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A method with some parts changed."""

    method: str
    parts: dict[str, Any] = field(default_factory=dict)
    label: str
    """As typed."""


def split_list(texts: Sequence[str], option: str, *, once: bool = True) -> list[str]:
    """Entries between commas in their order; of equals the first where each shall be there ``once``.

    Raises
    ------
    HwsimError
        If there are none.
    """
    found = [entry.strip() for text in texts for entry in text.split(",") if entry.strip()]
    if not found:
        raise HwsimError(f"{option}: names nothing (expected one or more, separated by commas)")
    return list(dict.fromkeys(found)) if once else found


def parse_bits(texts: Sequence[str]) -> list[int]:
    """Widths; whether a method has one is checked with its other parts."""
    found = split_list(texts, "--bits")
    for entry in found:
        if not entry.isdecimal():
            raise HwsimError(f"--bits must be whole numbers, separated by commas, not {entry!r}")
    return [int(entry) for entry in found]


def parse_methods(texts: Sequence[str]) -> list[Variant]:
    """``tsptq,dopq:softmax=tanq_c,gelu=uniform,adfq``: an entry ``part=value`` belongs to the method before it.

    Raises
    ------
    HwsimError
        If a part has no method before it or no value.
    """
    variants: list[tuple[str, dict[str, Any]]] = []
    for entry in split_list([",".join(texts)], "--methods", once=False):
        name, colon, rest = entry.partition(":")
        if "=" not in name:
            variants.append((name, _part(rest, entry) if colon else {}))
        elif not variants:
            raise HwsimError(f"--methods: {entry!r} has no method before it (expected {PART_SYNTAX})")
        else:
            variants[-1][1].update(_part(entry, entry))
    found = [Variant(method=name, parts=parts, label=_label(name, parts)) for name, parts in variants]
    return list({variant.label: variant for variant in found}.values())


def _part(text: str, entry: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise HwsimError(f"--methods: {entry!r} has a part without a value (expected {PART_SYNTAX})")
    try:
        return {key.strip(): yaml.safe_load(value)}
    except yaml.YAMLError as error:
        raise HwsimError(f"--methods: {entry!r}: {value!r} is no value: {' '.join(str(error).split())}") from error


def _label(name: str, parts: dict[str, Any]) -> str:
    return f"{name}:{','.join(f'{key}={value}' for key, value in sorted(parts.items()))}" if parts else name


def by_model(texts: Sequence[str], models: Sequence[str], option: str, *, shared: bool) -> dict[str, Path]:
    """Paths of the models, from ``MODEL=PATH`` or from a path for the only model, or for all where that is ``shared``.

    Raises
    ------
    HwsimError
        If a path without a model could belong to several, or a model has two.
    """
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        named = bool(equals) and name in models
        if not named and len(models) > 1 and not shared:
            raise HwsimError(f"{option} {text}: with several models say whose (expected {models[0]}=FILE)")
        for model in [name] if named else models:
            if model in found:
                raise HwsimError(f"{option}: gives {model} both {found[model]} and {path if named else text}")
            found[model] = Path(path if named else text)
    return found
