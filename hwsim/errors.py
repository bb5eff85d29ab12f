"""The one exception that a user's mistake raises; the command line prints it and exits with 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError


class HwsimError(Exception):
    """A mistake in the input, said in one sentence: what, which value, what was expected."""


def describe_validation_error(error: ValidationError, source: str | Path) -> HwsimError:
    """Turn pydantic's report into one sentence that names every offending key.

    Parameters
    ----------
    error : what pydantic raised
    source : the file or preset that was read
    """
    parts = []
    for item in error.errors():
        key = ".".join(str(step) for step in item["loc"])
        parts.append(f"{key}: {_reason(item)}" if key else _reason(item))
    return HwsimError(f"{source}: {'; '.join(parts)}")


def _reason(item: Any) -> str:
    kind = item["type"]
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "is not a known key"
    message = item["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    value = repr(item["input"])
    return f"{message}, not {value}" if len(value) < 80 else message
