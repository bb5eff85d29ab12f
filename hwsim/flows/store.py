"""Finished work as JSON files, each named by a hash of all that decides it, so that no later call repeats it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from hwsim.errors import HwsimError
from hwsim.report.files import check_writable, write_json

_DISPLAY = ("report", "commands", "simulators")
"""Folders of hwsim that change no result."""


@dataclass(frozen=True)
class ResultStore:
    """A folder of finished results."""

    folder: Path
    noun: str
    """What a result is called."""

    def prepare(self) -> None:
        """Make the folder, or say why not."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HwsimError(f"{self.folder}: cannot be a folder for the {self.noun}s: {error.strerror}") from error
        check_writable(self.folder / f"{self.noun}.json")

    def read_values(self, name: str, key: str) -> dict[str, Any] | None:
        """A finished result; None if there is none, or its file is damaged."""
        try:
            values = json.loads(self.path(name, key).read_text())
            found: dict[str, Any] | None = values["found"] if values["key"] == key else None
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return found

    def write_values(self, name: str, key: str, decided_by: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        """Keep a result, whole or not at all."""
        write_json(self.path(name, key), {"key": key, "decided_by": decided_by, "found": found})

    def path(self, name: str, key: str) -> Path:
        """Its file."""
        return (self.folder / f"{re.sub(r'[^A-Za-z0-9_.=-]+', '_', name)[:80]}-{key[:16]}.json").absolute()


def key_of(decided_by: Mapping[str, Any]) -> str:
    """SHA-256 of what decides a result."""
    return hashlib.sha256(json.dumps(decided_by, sort_keys=True).encode()).hexdigest()


def content(path: Path) -> str:
    """SHA-256 of a file; of a folder, of its files' names, sizes and times, since there may be very many."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    inside = sorted(file for file in path.rglob("*") if file.is_file())
    entries = [(str(file.relative_to(path)), file.stat().st_size, file.stat().st_mtime_ns) for file in inside]
    return hashlib.sha256(repr(entries).encode()).hexdigest()


@cache
def code(packages: tuple[str, ...] = ("hwsim", "golden")) -> str:
    """SHA-256 of the sources and tables of packages, but for those that only show results."""
    digest = hashlib.sha256()
    for package in packages:
        root = Path(str(files(package)))
        for path in sorted(path for suffix in ("py", "yaml") for path in root.rglob(f"*.{suffix}")):
            relative = path.relative_to(root)
            if not (package == "hwsim" and relative.parts[0] in _DISPLAY):
                digest.update(f"{package}/{relative}\0".encode() + path.read_bytes())
    return digest.hexdigest()
