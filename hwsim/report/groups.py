"""Layers of a kind taken together, so that twelve equal blocks make one line and not twelve."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hwsim.config import AcceleratorConfig
from hwsim.cost.cycles import utilization
from hwsim.cost.estimate import LayerCost

_NUMBER = re.compile(r"(?<![^._])\d+(?![^._])")


@dataclass(frozen=True, kw_only=True)
class LayerGroup:
    """One kind of layer: its sums over the network, for one image; energy for the whole run."""

    name: str
    count: int
    unit: str
    macs: int
    cycles: int
    """Of the program that go to them."""
    busy: int
    """In which their unit works for each of them, added up."""
    start: int
    """First start of one of them."""
    end: int
    """Cycle after the last result of one of them."""
    utilization: float
    energy_aj: int


def kind(name: str) -> str:
    """Replace the numbers in a layer's name: ``blocks.3.fc1`` becomes ``blocks.*.fc1``."""
    return _NUMBER.sub("*", name)


def by_kind(layers: Sequence[LayerCost], config: AcceleratorConfig) -> list[LayerGroup]:
    """Sums by kind of layer, in the order in which the kinds first run."""
    groups: dict[str, list[LayerCost]] = {}
    for layer in layers:
        groups.setdefault(kind(layer.name), []).append(layer)
    return [_sum(name if len(group) > 1 else group[0].name, group, config) for name, group in groups.items()]


def each(layers: Sequence[LayerCost], config: AcceleratorConfig) -> list[LayerGroup]:
    """Every layer for itself, in the same form."""
    return [_sum(layer.name, [layer], config) for layer in layers]


def _sum(name: str, layers: Sequence[LayerCost], config: AcceleratorConfig) -> LayerGroup:
    macs = sum(layer.macs for layer in layers)
    cycles = sum(layer.cycles.total for layer in layers)
    return LayerGroup(
        name=name,
        count=len(layers),
        unit=layers[0].unit,
        macs=macs,
        cycles=cycles,
        busy=sum(layer.cycles.busy for layer in layers),
        start=min(layer.cycles.start for layer in layers),
        end=max(layer.cycles.end for layer in layers),
        utilization=float(utilization(macs, cycles, config)),
        energy_aj=sum(layer.total_aj for layer in layers),
    )
