"""What ``hwsim explore`` is asked for: the grid of a preset's keys, as it stands on the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from hwsim.config import AcceleratorConfig, parse_preset
from hwsim.cost.energy_table import load_energy_table
from hwsim.errors import HwsimError, describe_validation_error
from hwsim.flows.compare_options import split_list
from hwsim.flows.shipped import DEFAULT_NETWORK
from hwsim.report.exploration import Value

OUT_DEFAULT = Path("build/explore")
POINTS_MAX = 100_000
IMAGES_DEFAULT = 8
"""Energy depends on the operands a little: it is counted over the first images only."""


@dataclass(frozen=True, kw_only=True)
class ExploreOptions:
    """Every option; lists are as typed."""

    vary: Sequence[str]
    """``key=a,b,c``"""
    networks: Sequence[str] = (DEFAULT_NETWORK,)
    """Names or folders, split at commas."""
    data: Sequence[str] = ()
    """Images to count operands on, for all networks or ``NETWORK=PATH`` for one."""
    images: int = IMAGES_DEFAULT
    """So many of them; 0 counts no energy."""
    preset: str = "edge"
    overrides: tuple[str, ...] = ()
    jobs: int | None = None
    """Worker processes on this machine; as many as cores without it."""
    scheduler: str | None = None
    """Address of a running Dask scheduler, in the place of worker processes."""
    out: Path = OUT_DEFAULT
    """Folder of the finished points."""
    fresh: bool = False
    """Compute every point again."""


def parse_grid(vary: Sequence[str], overrides: Sequence[str]) -> dict[str, list[Value]]:
    """Values of each varied key, in the order of the command line.

    Raises
    ------
    HwsimError
        For an unknown key, one that is named twice, a value that the key can never have, or too many points.
    """
    if not vary:
        raise HwsimError("--vary: names nothing (expected key=a,b,c, such as array_rows=8,16,32)")
    fixed = {override.partition("=")[0] for override in overrides}
    grid: dict[str, list[Value]] = {}
    for text in vary:
        key, equals, values = text.partition("=")
        key = key.strip()
        if not equals:
            raise HwsimError(f"--vary takes key=a,b,c, not {text!r}")
        if key not in AcceleratorConfig.model_fields or key == "name":
            known = ", ".join(name for name in AcceleratorConfig.model_fields if name != "name")
            raise HwsimError(f"--vary: {key!r} is not a key of a preset; the keys are {known}")
        if key in grid or key in fixed:
            raise HwsimError(f"--vary: {key} is given twice (expected it once, in --vary or in --set)")
        grid[key] = [_value(key, value) for value in split_list([values], f"--vary {key}")]
    points = prod(len(values) for values in grid.values())
    if points > POINTS_MAX:
        raise HwsimError(f"--vary: asks for {points:,} points, expected at most {POINTS_MAX:,}")
    return grid


def _value(key: str, text: str) -> Value:
    """Value of a key that it can have by itself; whether it fits to the others is another question."""
    source = f"--vary {key}={text}"
    field = AcceleratorConfig.model_fields[key]
    value: Any = parse_preset(f"{key}: {text}", source)[key]
    alone: Any = Annotated[field.annotation, field]
    adapter: TypeAdapter[Value] = TypeAdapter(alone, config=ConfigDict(strict=True))
    try:
        found = adapter.validate_python(value)
    except ValidationError as error:
        raise describe_validation_error(error, source) from error
    if key == "energy_table":
        load_energy_table(str(found))
    return found


def settings_of(grid: Mapping[str, Sequence[Value]]) -> list[dict[str, Value]]:
    """Every point of a grid, the last key varying fastest."""
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
