"""``hwsim quantize --method codesign``: for each tensor the format and width with the least error within the budgets.

Errors and prices of all options are found once and kept; another budget then takes seconds, and a calibration.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.config import load_preset
from hwsim.errors import HwsimError
from hwsim.flows.codesign_select import OPTION_OF, select
from hwsim.flows.codesign_table import Source, build_table, network_cost
from hwsim.flows.store import ResultStore, code, key_of
from hwsim.flows.versions import versions
from hwsim.flows.workers import needs
from hwsim.report.codesign import (
    Budgets,
    ChosenTensor,
    Codesign,
    OptionTable,
    PaperPoint,
    PricedOption,
    TensorOptions,
    Totals,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from golden.from_timm import Model
    from golden.method import MethodConfig
    from golden.pipeline import Quantised

METHOD = "codesign"
COUNTED_IMAGES = 4
"""Operands are counted on so many of the calibration images."""
PAPERS = ("tsptq", "adfq", "dopq", "repq", "minmax")
PAPER_BITS = (8, 6, 4)
FRONT_POINTS = 12
VERSIONS = ("hwsim", "torch", "timm", "numpy", "scipy")
ROUNDS_MAX = 4
EXCESS, MARGIN = 1.2, 1e-3
"""What is taken off a budget that a network exceeds: more than it had too much, and no less than this share."""


@dataclass(frozen=True, kw_only=True)
class CodesignOptions:
    """What a codesign may spend, on which accelerator."""

    budgets: Budgets = field(default_factory=Budgets)
    preset: str = "edge"
    tables: Path = Path("build/codesign")
    """Folder in which errors and prices are kept."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A network, its calibration images, and what all its tensors have in common."""

    model: Model
    images: Tensor
    """uint8[n, H, W, C]"""
    seed: int
    parts: Mapping[str, Any]
    options: CodesignOptions
    device: torch.device
    """Where options are calibrated; networks are priced on the CPU."""


Make = Callable[["MethodConfig"], "Quantised"]
"""Calibrates and exports a network with these choices."""


def check(options: CodesignOptions) -> None:
    """Check what can be checked before work begins.

    Raises
    ------
    HwsimError
        If there is no budget, one is not above zero, the preset is not usable, or SciPy is missing.
    """
    given = options.budgets.given()
    if not given:
        raise HwsimError(f"--method codesign needs a budget: {', '.join(OPTION_OF.values())}")
    for key, value in given.items():
        if not value > 0:
            raise HwsimError(f"{OPTION_OF[key]} must be above 0, not {value:g}")
    try:
        import scipy.optimize  # noqa: F401
    except ImportError as error:
        raise needs("--method codesign", "SciPy", error, "golden") from error
    load_preset(options.preset, [])
    ResultStore(options.tables, "codesign table").prepare()


def option_table(request: Request, report: Callable[[str], None]) -> OptionTable:
    """Errors and prices, from an earlier call where nothing that decides them has changed."""
    from golden.reconstruct.checkpoint import fingerprint

    config = load_preset(request.options.preset, [])
    decided_by = {
        "model": request.model.name,
        "weights and images": fingerprint(request.model.vit, request.images),
        "config": config.model_dump(mode="json"),
        "seed": request.seed,
        "parts": dict(request.parts),
        "code": code(),
    }
    store, key = ResultStore(request.options.tables, "codesign table"), key_of(decided_by)
    kept = store.read_values(request.model.name, key)
    if kept is None:
        from golden.device import move

        source = Source(
            model=replace(request.model, vit=move(request.model.vit, request.device)),
            images=request.images.to(request.device),
            pixels=np.ascontiguousarray(request.images[:COUNTED_IMAGES].cpu().numpy()),
            config=config,
            seed=request.seed,
            parts=request.parts,
        )
        table = build_table(source, report)
        store.write_values(request.model.name, key, decided_by, _without_unit_prices(table))
    else:
        table = _table(kept)
    if request.options.budgets.area_nand2 is not None:
        report("synthesising decoders and encoders")
        table = replace(table, unit_nand2=_unit_prices(table, config))
    return table


def codesign(request: Request, make: Make, report: Callable[[str], None]) -> tuple[Quantised, Codesign]:
    """Choose, make the network, and choose again with less where its real cost is above a budget.

    Parameters
    ----------
    report : called with a few words before each stage, at most as often as ``codesign_table.stages`` says and once

    Raises
    ------
    HwsimError
        If no choice meets the budgets (it says the smallest that can be met), or the compiler refuses the network.
    """
    from golden.codesign.space import assignment

    begin, budgets = time.perf_counter(), request.options.budgets
    table = option_table(request, report)
    config, pixels = load_preset(request.options.preset, []), request.images[:COUNTED_IMAGES].cpu().numpy()
    tightened = budgets
    for _ in range(ROUNDS_MAX):
        numbers = select(table, tightened)
        totals = table.totals(numbers)
        bits = round((totals.weight_bits + totals.activation_bits) / 2)
        made = make(assignment(numbers, request.seed, request.parts, bits))
        cost = network_cost(made.network, config, np.ascontiguousarray(pixels))
        energy_uj, cycles = cost.per_image_uj(cost.total_aj), cost.cycles_per_image
        tighter = _tightened(tightened, budgets, energy_uj, cycles)
        if tighter is None:
            break
        tightened = tighter
    else:
        raise HwsimError(
            f"{request.model.name}: {ROUNDS_MAX} networks were each above a budget, the last with {energy_uj:.2f} µJ "
            f"and {cycles:,} cycles an image; expected budgets that leave more room"
        )
    found = Codesign(
        model=request.model.name,
        preset=request.options.preset,
        images=len(request.images),
        budgets=budgets,
        tensors=tuple(_chosen(tensor, numbers[tensor.name]) for tensor in table.tensors),
        estimated=totals,
        energy_uj=energy_uj,
        cycles=cycles,
        front=front(table, budgets),
        papers=paper_points(table),
        seconds=time.perf_counter() - begin,
        versions=versions(*VERSIONS),
    )
    return made, found


def _tightened(now: Budgets, asked: Budgets, energy_uj: float, cycles: int) -> Budgets | None:
    """Budgets less what the network has too much; None where it has not."""
    changed = {}
    for key, found in (("energy_uj", energy_uj), ("cycles", float(cycles))):
        limit, tried = getattr(asked, key), getattr(now, key)
        if limit is not None and found > limit:
            changed[key] = tried - max(EXCESS * (found - limit), MARGIN * limit)
    return replace(now, **changed) if changed else None


def _chosen(tensor: TensorOptions, number: int) -> ChosenTensor:
    mine = tensor.options[number]
    others = [o for o in tensor.options if o.bits == mine.bits and o.format != mine.format and np.isfinite(o.kl)]
    return ChosenTensor(
        name=tensor.name, chosen=mine, elements=tensor.elements,
        runner_up=min(others, key=lambda option: option.kl, default=None),
    )  # fmt: skip


def front(table: OptionTable, budgets: Budgets) -> tuple[Totals, ...]:
    """Best choices between the least energy and that of 8 bits everywhere, the other budgets kept."""
    free = budgets.without("energy_uj")
    dearest = table.totals(select(table, free)).energy_uj
    least = table.energy_uj + sum(
        min(option.energy_uj for option in tensor.options if np.isfinite(option.kl)) for tensor in table.tensors
    )
    found = []
    for energy_uj in np.linspace(least, dearest, FRONT_POINTS):
        try:
            found.append(table.totals(select(table, replace(budgets, energy_uj=float(energy_uj)))))
        except HwsimError:  # the other budgets need more than this
            continue
    return tuple(found)


def paper_points(table: OptionTable) -> tuple[PaperPoint, ...]:
    """The papers' formats at their widths, where every tensor can have them."""
    from golden.codesign.space import option_of
    from golden.method import method_config

    found = []
    for method in PAPERS:
        for bits in PAPER_BITS:
            config = method_config(method, bits)
            numbers = {tensor.name: option_of(tensor.name, config) for tensor in table.tensors}
            totals = table.totals(numbers)
            if np.isfinite(totals.kl):
                found.append(PaperPoint(method=method, bits=bits, totals=totals))
    return tuple(found)


def _unit_prices(table: OptionTable, config: Any) -> dict[tuple[str, str], float]:
    """Gates of each decoder and encoder; synthesis takes a minute once and is kept afterwards."""
    from hwsim.cost.area import price
    from hwsim.cost.format_units import variant
    from hwsim.cost.synthesis import synthesise

    units = {unit for tensor in table.tensors for option in tensor.options for unit in option.units}
    return {
        unit: price(variant(*unit), config, lambda job, of: synthesise(of, job)).size.nand2 for unit in sorted(units)
    }


def _without_unit_prices(table: OptionTable) -> dict[str, Any]:
    return {key: value for key, value in asdict(table).items() if key != "unit_nand2"}


def _table(kept: Mapping[str, Any]) -> OptionTable:
    tensors = [
        TensorOptions(**{**tensor, "options": tuple(_option(option) for option in tensor["options"])})
        for tensor in kept["tensors"]
    ]
    return OptionTable(**{**kept, "tensors": tuple(tensors), "unit_nand2": {}})


def _option(values: Mapping[str, Any]) -> PricedOption:
    return PricedOption(**{**values, "units": tuple((role, format_) for role, format_ in values["units"])})
