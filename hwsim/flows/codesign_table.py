"""Price every option of every tensor: networks of whole columns, compiled and run as ``hwsim run`` does.

    price(option) = what the passes that the tensor enters cost in its column - what they cost in the plain network

A tensor enters the passes that read its codes and, where it has an encoder of its own, the one that makes them. All
cycles of a pass are those that ``hwsim/cost/waits.py`` gives to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler import compile_network
from hwsim.compiler.executable import compile_executable
from hwsim.config import AcceleratorConfig
from hwsim.cost.cycles import profile
from hwsim.cost.energy import Component
from hwsim.cost.estimate import AJ_PER_UJ, Cost, estimate
from hwsim.cost.format_units import units_by_layer
from hwsim.errors import HwsimError
from hwsim.flows.run import tile_steps
from hwsim.machine import Machine
from hwsim.network import AttentionScores, AttentionValues, Layer, LayerNorm, Linear, Network, Rearrange, Softmax
from hwsim.report.codesign import OptionTable, PricedOption, TensorOptions

if TYPE_CHECKING:
    from torch import Tensor

    from golden.codesign.space import Column, Option
    from golden.from_timm import Model
    from golden.parameters import Calibrated

WEIGHT = ".weight"
MEMORIES: tuple[Component, ...] = ("weight_buffer", "dram")
"""What the width of a weight decides."""
NORM_KINDS = ("norm", "norm1", "norm2")
Units = tuple[tuple[str, str], ...]
PLAIN_COLUMN = 5
"""Column in which every tensor is uniform at 8 bits."""


@dataclass(frozen=True, kw_only=True)
class TensorCost:
    """Of an image."""

    energy_uj: float
    cycles: int
    units: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class NetworkCost:
    """A network's, by the tensor that decides it and in all."""

    tensors: Mapping[str, TensorCost]
    energy_uj: float
    cycles: int


def network_cost(network: Network, config: AcceleratorConfig, pixels: NDArray[Any]) -> Cost:
    """Cycles and energy on so many images (uint8[n, H, W, C]), as ``hwsim run`` counts them.

    Raises
    ------
    HwsimError
        If the compiler refuses the network.
    """
    program = compile_network(network, config)
    executable = compile_executable(network, config)
    times = profile(executable, program, tile_steps(executable, pixels[0]))
    return estimate(program, times, Machine(program).run(pixels).operand_counts, len(pixels))


def costs_by_tensor(network: Network, config: AcceleratorConfig, pixels: NDArray[Any]) -> NetworkCost:
    """Cost of the passes that each tensor enters."""
    cost = network_cost(network, config, pixels)
    units = units_by_layer(network)
    by_name = {layer.name: layer for layer in network.layers}
    moved = {layer.output: layer.input for layer in network.layers if isinstance(layer, Rearrange)}
    found: dict[str, TensorCost] = {}
    for row in cost.layers:
        for read, own_units in _tensors([by_name[name] for name in row.layers], units):
            tensor = moved.get(read, read)
            before = found.get(tensor, TensorCost(energy_uj=0.0, cycles=0, units=()))
            energy_aj = sum(row.energy_aj[name] for name in MEMORIES) if tensor.endswith(WEIGHT) else row.total_aj
            found[tensor] = TensorCost(
                energy_uj=before.energy_uj + energy_aj / (AJ_PER_UJ * len(pixels)),
                cycles=before.cycles + row.cycles.total,
                units=tuple(dict.fromkeys((*before.units, *own_units))),
            )
    return NetworkCost(tensors=found, energy_uj=cost.per_image_uj(cost.total_aj), cycles=cost.cycles_per_image)


def _tensors(layers: list[Layer], units: Mapping[str, Units]) -> list[tuple[str, Units]]:
    """Tensors that decide what a pass costs, with the units that each needs there."""
    found: list[tuple[str, Units]] = []
    for layer in layers:
        own = units.get(layer.name, ())
        match layer:
            case Linear():
                found += [(layer.input, own), (f"{layer.name}.weight", ())]
            case AttentionScores():
                found.append((layer.input, own))
            case AttentionValues():
                found.append((layer.probabilities, own))
            case Softmax() | LayerNorm():
                found.append((layer.output, own))
            case _:
                pass
    return found


@dataclass(frozen=True, kw_only=True)
class Source:
    """What the table is made from."""

    model: Model
    images: Tensor
    """uint8[n, H, W, C], to calibrate with"""
    pixels: NDArray[np.uint8]
    """Of them those on which operands are counted"""
    config: AcceleratorConfig
    seed: int
    parts: Mapping[str, Any]
    """Of the method, for all tensors."""


def build_table(source: Source, report: Callable[[str], None]) -> OptionTable:
    """Calibrate, estimate and price every option.

    Parameters
    ----------
    report : called with a few words before each stage, as often as ``stages`` says

    Raises
    ------
    HwsimError
        If an activation is not a finite number, or the compiler refuses the plain network.
    """
    from golden.codesign.space import columns, options_of
    from golden.codesign.tabulate import tabulate
    from golden.tensor_parts import tensor_names

    names = tensor_names(source.model.vit)
    chosen = columns(names, source.seed, source.parts)
    found = tabulate(source.model.vit, source.images, chosen, names, report)
    report("pricing the plain network")
    network = _network(source, found.columns[PLAIN_COLUMN], chosen[PLAIN_COLUMN])
    plain = costs_by_tensor(network, source.config, source.pixels)
    costs: dict[tuple[str, int], TensorCost] = {}
    for number, column in enumerate(chosen):
        report(f"pricing column {number + 1} of {len(chosen)}")
        costs |= _column_costs(source, column, found.columns[number], found.columns[PLAIN_COLUMN])
    return OptionTable(
        tensors=tuple(
            TensorOptions(
                name=name,
                elements=_elements(network, name),
                is_weight=name.endswith(WEIGHT),
                options=tuple(
                    _priced(option, kl, costs.get((name, number)), plain.tensors[name])
                    for number, (option, kl) in enumerate(zip(options_of(name), found.errors[name], strict=True))
                ),
            )
            for name in names
        ),
        energy_uj=plain.energy_uj,
        cycles=plain.cycles,
        unit_nand2={},
    )


def stages(model: Model) -> int:
    """Reports of ``build_table``."""
    from golden.codesign.space import columns
    from golden.tensor_parts import tensor_names

    return len(model.vit.blocks) + 3 + len(columns(tensor_names(model.vit), 0, {}))


def _column_costs(
    source: Source, column: Column, calibrated: Calibrated, plain: Calibrated
) -> dict[tuple[str, int], TensorCost]:
    """Costs by tensor and number of the option; without LayerNorm's outputs where theirs do not fit the hardware."""
    from golden.tensor_parts import kind_of

    try:
        found = costs_by_tensor(_network(source, calibrated, column), source.config, source.pixels)
        priced = set(column.chosen)
    except HwsimError:
        norms = {name for name in column.chosen if kind_of(name) in NORM_KINDS}
        if not norms:
            return {}
        try:
            network = _network(source, _with_plain_norms(calibrated, plain), column)
            found = costs_by_tensor(network, source.config, source.pixels)
        except HwsimError:
            return {}
        priced = set(column.chosen) - norms
    return {(name, column.chosen[name]): found.tensors[name] for name in priced}


def _with_plain_norms(calibrated: Calibrated, plain: Calibrated) -> Calibrated:
    """A column with LayerNorms, the layers that read them and all weights of the plain network, which has no folds."""
    from golden.tensor_parts import kind_of

    norms = {name: found for name, found in plain.activations.items() if kind_of(name) in NORM_KINDS}
    return replace(
        calibrated, vit=plain.vit, weights=plain.weights, activations={**calibrated.activations, **norms}, folds={}
    )


def _network(source: Source, calibrated: Calibrated, column: Column) -> Network:
    from golden.pipeline import network_of

    return network_of(source.model, calibrated, column.config, len(source.images), {})


def _elements(network: Network, name: str) -> int:
    """Numbers of a tensor."""
    if name.endswith(WEIGHT):
        return int(network.arrays[name].size)
    return math.prod(network.tensor(name).shape)


def _priced(option: Option, kl: float, cost: TensorCost | None, plain: TensorCost) -> PricedOption:
    """An option with its price; without one it cannot be had."""
    return PricedOption(
        format=option.format,
        bits=option.bits,
        kl=kl if cost is not None else math.inf,
        energy_uj=0.0 if cost is None else cost.energy_uj - plain.energy_uj,
        cycles=0 if cost is None else cost.cycles - plain.cycles,
        units=() if cost is None else cost.units,
    )
