"""Finished cells of a comparison, and the folders of those under way."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hwsim.flows.store import ResultStore
from hwsim.report.comparison import Found


class Store(ResultStore):
    """A folder of finished cells."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "cell")

    def read(self, name: str, key: str) -> Found | None:
        """A finished cell; None if there is none, or its file is damaged."""
        try:
            values = self.read_values(name, key)
            return None if values is None else Found.from_dict(values)
        except (TypeError, KeyError, ValueError):
            return None

    def write(self, name: str, key: str, decided_by: Mapping[str, Any], found: Found) -> None:
        """Keep a cell, whole or not at all; what only helped it to go on is removed."""
        self.write_values(name, key, decided_by, asdict(found))
        shutil.rmtree(self.checkpoints(name, key), ignore_errors=True)

    def checkpoints(self, name: str, key: str) -> Path:
        """Folder of a cell's reconstruction while it is not finished."""
        return self.path(name, key).with_suffix(".modules")
