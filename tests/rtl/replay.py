"""Golden vectors of ``tests/rtl/vectors``: tensors of the shipped network, computed by golden (``make vectors``).

The benches compare the RTL with them directly, so that neither the oracle nor the units stand in between.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent / "vectors"


def golden_vectors(unit: str) -> dict[str, dict[str, Any]]:
    """Arrays as nested lists, single numbers as ints, by case and key; keys without a case belong to the case ''."""
    cases: dict[str, dict[str, Any]] = {}
    with np.load(FOLDER / f"{unit}.npz") as data:
        for name in data.files:
            case, _, key = name.rpartition(".")
            cases.setdefault(case, {})[key] = data[name].tolist()
    return cases
