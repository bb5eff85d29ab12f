"""Output files: known to be writable before a long run, whole or absent after it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hwsim.errors import HwsimError


def check_outputs(*paths: Path | None) -> None:
    """Check every output that is wanted before the work begins; no two may be the same file."""
    wanted = [path for path in paths if path is not None]
    for index, path in enumerate(wanted):
        check_writable(path)
        if path.absolute() in [other.absolute() for other in wanted[:index]]:
            raise HwsimError(f"{path}: is named twice (expected a file for each output)")


def check_writable(path: Path) -> None:
    """Say now, not after the run, that a file cannot be written.

    Raises
    ------
    HwsimError
        If the folder is missing, the path is a folder, or writing beside it is refused.
    """
    if path.is_dir():
        raise HwsimError(f"{path}: is a folder (expected the name of a file to write)")
    if not path.parent.is_dir():
        raise HwsimError(f"{path}: there is no folder {path.parent} to write it to")
    beside = _beside(path)
    try:
        beside.touch()
        beside.unlink()
    except OSError as error:
        raise HwsimError(f"{path}: cannot be written: {error.strerror}") from error


def write_text(path: Path, text: str) -> None:
    """Write beside the path and rename, so that the path never holds half a file."""
    beside = _beside(path)
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise HwsimError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a JSON file for programs and people alike."""
    write_text(path, json.dumps(values, indent=1) + "\n")


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".partial")
