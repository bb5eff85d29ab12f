"""The codebook of row operands and, for probabilities, the thresholds of its encoder: one load brings both."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler.image import entry_beats
from hwsim.compiler.operations import Access, Operation
from hwsim.compiler.plan import EarlyLoad, Plan
from hwsim.formats import Codebook
from hwsim.isa import LOAD_TARGETS

CODEBOOK_ENTRIES = 256
"""Thresholds follow the entries of all codes; there is none of code 0."""


def codebook_entries(fmt: Codebook) -> NDArray[np.uint64]:
    """Mantissa 16, shift 5 of each code, from bit 0; then the threshold of each code."""
    mantissa, shift = fmt.terms()
    entries = mantissa.astype(np.int64).astype(np.uint64) & np.uint64((1 << 16) - 1)
    entries |= shift.astype(np.uint64) << np.uint64(16)
    if not fmt.thresholds:
        return entries
    words = np.zeros(CODEBOOK_ENTRIES + len(entries), np.uint64)
    words[: len(entries)] = entries
    words[CODEBOOK_ENTRIES + 1 :] = fmt.thresholds
    return words


def add_codebook(plan: Plan, layer: str, tensor: str, stage: int) -> tuple[list[Access], list[Access]]:
    """Add the load of a tensor's codebook, where it has one; what its encoder and its decoders read."""
    fmt = plan.network.tensor(tensor).format
    if not isinstance(fmt, Codebook):
        return [], []
    entries = codebook_entries(fmt)
    buffers = [plan.codebook_buffer, plan.threshold_buffer][: 2 if fmt.thresholds else 1]
    load = Operation(
        operation="load",
        layer=layer,
        stage=stage,
        fields={"target": LOAD_TARGETS.index("codebook"), "beats": len(entries)},
        accesses=[Access("write_inside", buffer) for buffer in buffers],
        section=plan.parameters(f"{layer} codebook", entry_beats(entries, len(entries), plan.config)),
    )
    plan.early_loads.append(EarlyLoad(load=load, stages_before=1))
    return [Access("read_inside", plan.threshold_buffer)], [Access("read_inside", plan.codebook_buffer)]
