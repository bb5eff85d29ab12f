"""A quantisation method from the command line: a name, a width, a file of parts, parts changed one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hwsim.config import parse_preset
from hwsim.errors import HwsimError

METHOD_DEFAULT, BITS_DEFAULT, CODESIGN = "tsptq", 8, "codesign"


@dataclass(frozen=True, kw_only=True)
class MethodChoice:
    """What ``golden.method.method_config`` takes."""

    method: str
    bits: int | None
    """None: not said, of a method whose widths are a budget."""
    parts: dict[str, Any]


def choose_method(
    method: str | None, bits: int | None, config: Path | None, parts: Sequence[str], reconstruct: bool
) -> MethodChoice:
    """Put the choices together: what is said for itself counts more than the file.

    Parameters
    ----------
    config : YAML file of parts by key, ``method`` and ``bits`` among them
    parts : each ``part=value``
    reconstruct : with the method's reconstruction

    Raises
    ------
    HwsimError
        If the file cannot be read or a choice is malformed; what the values mean is checked later.
    """
    values = {} if config is None else _read(config)
    from_file = values.pop("method", METHOD_DEFAULT), values.pop("bits", None)
    if reconstruct:
        values.setdefault("reconstruction", True)
    for part in parts:
        key, value = parse_part(part)
        values[key] = value
    chosen, default = method or from_file[0], BITS_DEFAULT
    said = from_file[1] if bits is None else bits
    return MethodChoice(method=chosen, bits=default if said is None and chosen != CODESIGN else said, parts=values)


def parse_part(part: str) -> tuple[str, Any]:
    """``key=value`` with the value as YAML reads it."""
    key, equals, value = part.partition("=")
    if not equals:
        raise HwsimError(f"--set takes part=value, not {part!r}")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise HwsimError(f"--set {part}: not valid YAML: {' '.join(str(error).split())}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise HwsimError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return parse_preset(text, str(path))
