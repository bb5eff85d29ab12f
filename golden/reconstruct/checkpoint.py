"""A file for each finished module, so that a run continues after its last one.

The metadata of each file holds a fingerprint of all that decides the result (device, settings, calibrated parameters,
float network, images). A file of another run is not used; its module is reconstructed anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor


def fingerprint(*values: Any) -> str:
    """SHA-256 of tensors, arrays, dataclasses, pydantic models, mappings, sequences and plain values, as hex."""
    digest = hashlib.sha256()
    for value in values:
        _update(digest, value)
    return digest.hexdigest()


def _update(digest: Any, value: Any) -> None:
    digest.update(f"<{type(value).__name__}>".encode())
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).data)
    elif isinstance(value, BaseModel):
        digest.update(value.model_dump_json().encode())
    elif is_dataclass(value):
        for field in fields(value):
            _update(digest, getattr(value, field.name))
    elif isinstance(value, Mapping):
        for key in sorted(value):
            digest.update(key.encode())
            _update(digest, value[key])
    elif isinstance(value, str | int | float | None):
        digest.update(repr(value).encode())
    elif isinstance(value, Sequence):
        for item in value:
            _update(digest, item)
    else:
        raise TypeError(f"cannot take the fingerprint of {type(value).__name__}")


class Checkpoints:
    """The files of one run.

    Parameters
    ----------
    folder : where they are, made if it is missing; None: nothing is kept
    key : the run's fingerprint
    report : told of files that are not used
    """

    def __init__(self, folder: Path | None, key: str, report: Callable[[str], None]) -> None:
        self.folder, self.key, self.report = folder, key, report
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def load(self, name: str) -> dict[str, Tensor] | None:
        """Tensors of a finished module on the CPU, None if it is still to be done."""
        if self.folder is None or not (path := self.folder / f"{name}.safetensors").exists():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                if (file.metadata() or {}).get("key") == self.key:
                    return {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118 (safe_open is no mapping)
        except SafetensorError:
            self.report(f"{path}: cannot be read, so {name} starts anew")
            return None
        self.report(f"{path}: was made with other settings, parameters or images, so {name} starts anew")
        return None

    def save(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Write a finished module beside its file, then rename."""
        if self.folder is None:
            return
        path = self.folder / f"{name}.safetensors"
        beside = path.with_suffix(".partial")
        save_file({n: t.detach().cpu().contiguous() for n, t in tensors.items()}, beside, metadata={"key": self.key})
        beside.replace(path)
