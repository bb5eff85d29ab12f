"""What a run found: predictions and costs, and the JSON that holds them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.config import AcceleratorConfig
from hwsim.cost.energy import COMPONENTS, EnergyByComponent
from hwsim.cost.estimate import Cost, EnergyBound, LayerCost
from hwsim.images import ImageSet
from hwsim.network import Network


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """Result of running a network on images."""

    network: Network
    config: AcceleratorConfig
    overrides: tuple[str, ...]
    """What ``--set`` changed in the preset."""
    images: ImageSet
    logits: NDArray[np.int16]
    """int16[n, classes]"""
    cost: Cost
    accumulator_bounds: dict[str, int]
    """Proved largest magnitude in the accumulators, by layer."""
    wall_seconds: float
    """Time that the machine took for all images, compiling its kernels not included."""
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def top1(self) -> NDArray[np.int64]:
        """int64[n], the class with the largest logit; the first one of equals."""
        top1: NDArray[np.int64] = self.logits.argmax(axis=1)
        return top1

    @property
    def top1_integer_percent(self) -> float | None:
        """Images whose class is right, None without labels."""
        return _percent_equal(self.top1, self.images.labels)

    @property
    def top1_float_percent(self) -> float | None:
        """The same of the float model, from the predictions stored beside the images."""
        return _percent_equal(self.images.top1_float, self.images.labels)

    @property
    def agreement_percent(self) -> float | None:
        """Images to which hardware and float model give the same class."""
        return _percent_equal(self.top1, self.images.top1_float)

    @property
    def machine_macs_per_second(self) -> float:
        """Multiply-accumulates that the simulator performs in a second."""
        return self.cost.macs * len(self.images) / self.wall_seconds

    def as_dict(self) -> dict[str, Any]:
        """Everything that ``result.json`` holds."""
        cost = self.cost
        return {
            "network": self.network.name,
            "network_sha256": self.network.manifest.arrays_sha256,
            "origin": self.network.manifest.origin.model_dump(exclude_none=True),
            "preset": self.config.name,
            "overrides": list(self.overrides),
            "config": self.config.model_dump(),
            "config_hash": self.config.hash,
            "data": Path(self.images.source).name,
            "images": len(self.images),
            "top1_float": self.top1_float_percent,
            "top1_integer": self.top1_integer_percent,
            "agreement": self.agreement_percent,
            "macs_per_image": cost.macs,
            "cycles_per_image": cost.cycles_per_image,
            "latency_ms": cost.latency_ms,
            "frames_per_second": cost.frames_per_second,
            "utilization": cost.utilization,
            "array_utilization": cost.array_utilization,
            "cycles_by_reason": cost.spent,
            "busy_cycles": cost.profile.timeline.busy_cycles,
            "dram": asdict(cost.profile.dram),
            "multiplications": cost.multiplications,
            "energy_table": cost.table.name,
            "energy_uj_per_image": cost.per_image_uj(cost.total_aj),
            "energy_uj_per_image_low": _bound(cost, cost.low),
            "energy_uj_per_image_high": _bound(cost, cost.high),
            "energy_uj_by_component": _microjoules(cost, cost.energy_aj),
            "energy_aj": {"total": cost.total_aj, "by_component": cost.energy_aj},
            "layers": [_layer(cost, layer) for layer in cost.layers],
            "wall_seconds": self.wall_seconds,
            "machine_macs_per_second": self.machine_macs_per_second,
            "versions": self.versions,
        }


def _percent_equal(one: NDArray[np.int64] | None, other: NDArray[np.int64] | None) -> float | None:
    if one is None or other is None:
        return None
    return 100.0 * int(np.count_nonzero(one == other)) / len(one)


def _bound(cost: Cost, bound: EnergyBound) -> dict[str, Any]:
    return {"energy_uj": cost.per_image_uj(bound.energy_aj), "table": bound.table, "dram": bound.dram}


def _layer(cost: Cost, layer: LayerCost) -> dict[str, Any]:
    return {
        "name": layer.name,
        "layers": list(layer.layers),
        "unit": layer.unit,
        "macs": layer.macs,
        "start_cycle": layer.cycles.start,
        "end_cycle": layer.cycles.end,
        "busy_cycles": layer.cycles.busy,
        "cycles": layer.cycles.total,
        "cycles_by_reason": layer.cycles.spent,
        "utilization": layer.utilization,
        "multiplications": layer.multiplications,
        "energy_uj": cost.per_image_uj(layer.total_aj),
        "energy_uj_by_component": _microjoules(cost, layer.energy_aj),
        "energy_aj": {"total": layer.total_aj, "by_component": layer.energy_aj},
    }


def _microjoules(cost: Cost, energy_aj: EnergyByComponent) -> dict[str, float]:
    return {name: cost.per_image_uj(energy_aj[name]) for name in COMPONENTS}
