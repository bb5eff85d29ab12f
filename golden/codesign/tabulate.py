"""Calibrate every option of every tensor, block by block, and estimate what each costs in accuracy.

All columns observe the same tensors of the same images, which are computed once for each block.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from golden.calibrate import LABEL_DRAWS, NORMS, Calibration, observe_network
from golden.codesign.errors import BlockErrors
from golden.codesign.space import Column, options_of
from golden.observe import Observed, observe_block
from golden.parameters import Calibrated
from golden.vit import Vit
from hwsim.errors import HwsimError

REFUSED = math.inf
"""Error of an option that cannot be calibrated, such as a logarithm that the accumulator proof does not admit."""


@dataclass(frozen=True, kw_only=True)
class ErrorTable:
    """Errors, and the networks from which the options can be priced."""

    errors: Mapping[str, list[float]]
    """KL in nats of each option, by tensor; ``REFUSED`` where it cannot be had."""
    columns: tuple[Calibrated, ...]


@torch.no_grad()
def tabulate(
    vit: Vit, images: Tensor, columns: Sequence[Column], tensors: Iterable[str], report: Callable[[str], None]
) -> ErrorTable:
    """Calibrate all columns and estimate the error of each of their options.

    Parameters
    ----------
    images : uint8[n, H, W, C]
    report : called with a few words before each stage, ``len(vit.blocks) + 2`` times

    Raises
    ------
    HwsimError
        If an activation is not a finite number.
    """
    report("float network")
    runs = [Calibration(vit, images, column.config) for column in columns]
    generator, tokens = runs[0].generator, runs[0].tokens
    boundaries = observe_network(vit, images, LABEL_DRAWS, generator)
    plain = replace(boundaries, gradients=())  # the columns' own searches weigh all errors alike
    errors = {name: [REFUSED] * len(options_of(name)) for name in tensors}
    for run in runs:
        run.begin(plain)
    for index in range(len(vit.blocks)):
        report(f"block {index + 1} of {len(vit.blocks)}")
        whole = sorted({name for run in runs for name in run.whole(index)})
        observed = observe_block(vit, index, plain, tokens, generator, whole)
        counted = [
            _counted(_calibrate_block(run, index, observed), column, index)
            for run, column in zip(runs, columns, strict=True)
        ]
        asked = list(zip(runs, counted, strict=True))
        for column, found in zip(columns, BlockErrors(vit, index, asked).run(boundaries), strict=True):
            for name, error in found.items():
                errors[name][column.chosen[name]] = error
    report("classifier")
    return ErrorTable(errors=errors, columns=tuple(run.end(plain) for run in runs))


def _calibrate_block(run: Calibration, index: int, observed: Observed) -> set[str]:
    """Calibrate a block; returns the tensors that got the plain format, since their own cannot be had."""
    mine = _as_observed_for(run, index, observed)
    try:
        run.block(index, mine)
    except HwsimError:
        refused = f"blocks.{index}.mlp.gelu"
        config = run.config
        if refused not in config.tensors:
            raise
        run.config = config.model_copy(update={"tensors": {n: p for n, p in config.tensors.items() if n != refused}})
        run.block(index, mine)
        run.config = config
        return {refused}
    return set()


def _as_observed_for(run: Calibration, index: int, observed: Observed) -> Observed:
    """Every token of LayerNorm's outputs where a column has scales a row, the sampled ones elsewhere."""
    whole, values = run.whole(index), dict(observed.values)
    for norm in NORMS:
        if norm in values and norm not in whole:
            values[norm] = values[norm][:, observed.normed_rows if norm == "norm1" else observed.rows]
    return replace(observed, values=values)


def _counted(refused: set[str], column: Column, index: int) -> list[str]:
    return [name for name in column.chosen if name.startswith(f"blocks.{index}.") and name not in refused]
