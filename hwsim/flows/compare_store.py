"""Finished cells as JSON files, each named by a hash of all that decides it, so that no later call repeats them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from hwsim.errors import HwsimError
from hwsim.report.comparison import Found
from hwsim.report.files import check_writable, write_json

_DISPLAY = ("report", "commands", "simulators")
"""Folders of hwsim that change no cell."""


@dataclass(frozen=True)
class Store:
    """A folder of finished cells."""

    folder: Path

    def prepare(self) -> None:
        """Make the folder, or say why not."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HwsimError(f"{self.folder}: cannot be a folder for the cells: {error.strerror}") from error
        check_writable(self.folder / "cell.json")

    def read(self, name: str, key: str) -> Found | None:
        """A finished cell; None if there is none, or its file is damaged."""
        try:
            values = json.loads(self._path(name, key).read_text())
            return Found.from_dict(values["found"]) if values["key"] == key else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write(self, name: str, key: str, decided_by: Mapping[str, Any], found: Found) -> None:
        """Keep a cell, whole or not at all; what only helped it to go on is removed."""
        write_json(self._path(name, key), {"key": key, "decided_by": decided_by, "found": asdict(found)})
        shutil.rmtree(self.checkpoints(name, key), ignore_errors=True)

    def checkpoints(self, name: str, key: str) -> Path:
        """Folder of a cell's reconstruction while it is not finished."""
        return self._path(name, key).with_suffix(".modules")

    def _path(self, name: str, key: str) -> Path:
        return (self.folder / f"{re.sub(r'[^A-Za-z0-9_.=-]+', '_', name)[:80]}-{key[:16]}.json").absolute()


def key_of(decided_by: Mapping[str, Any]) -> str:
    """SHA-256 of what decides a cell."""
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
def code() -> str:
    """SHA-256 of the sources and tables of hwsim and golden, but for those that only show results."""
    digest = hashlib.sha256()
    for package in ("hwsim", "golden"):
        root = Path(str(files(package)))
        for path in sorted(path for suffix in ("py", "yaml") for path in root.rglob(f"*.{suffix}")):
            relative = path.relative_to(root)
            if not (package == "hwsim" and relative.parts[0] in _DISPLAY):
                digest.update(f"{package}/{relative}\0".encode() + path.read_bytes())
    return digest.hexdigest()
