"""What a codesign found: the options of each tensor with their prices, the choice, and the picture's points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Budgets:
    """What must not be exceeded; None: anything may be."""

    energy_uj: float | None = None
    """Of an image."""
    cycles: float | None = None
    """Of an image."""
    area_nand2: float | None = None
    """Of the decoders and encoders that the network needs."""
    bits: float | None = None
    """Average of the weights, and of the activations."""

    def without(self, key: str) -> Budgets:
        """The others."""
        return replace(self, **{key: None})

    def given(self) -> dict[str, float]:
        """Those that limit something."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {key: value for key, value in found.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class PricedOption:
    """One format at one width, for one tensor."""

    format: str
    bits: int
    kl: float
    """Estimated, in nats; infinite where the option cannot be had."""
    energy_uj: float
    """Of an image, against the plain network: every tensor uniform at 8 bits."""
    cycles: int
    """Likewise."""
    units: tuple[tuple[str, str], ...]
    """Role and format of the decoders and encoders that it needs."""

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.format} {self.bits}"


@dataclass(frozen=True, kw_only=True)
class TensorOptions:
    """All that one tensor may have."""

    name: str
    elements: int
    is_weight: bool
    options: tuple[PricedOption, ...]


@dataclass(frozen=True, kw_only=True)
class OptionTable:
    """All that a network may have."""

    tensors: tuple[TensorOptions, ...]
    energy_uj: float
    """Of an image on the plain network."""
    cycles: int
    """Likewise."""
    unit_nand2: Mapping[tuple[str, str], float]
    """Gates of each unit; empty where nothing was synthesised."""

    def chosen(self, numbers: Mapping[str, int]) -> dict[str, PricedOption]:
        """Options by the number of each tensor's."""
        return {tensor.name: tensor.options[numbers[tensor.name]] for tensor in self.tensors}

    def totals(self, numbers: Mapping[str, int]) -> Totals:
        """What a choice is estimated to cost."""
        chosen = self.chosen(numbers)
        units = {unit for option in chosen.values() for unit in option.units}
        return Totals(
            kl=sum(option.kl for option in chosen.values()),
            energy_uj=self.energy_uj + sum(option.energy_uj for option in chosen.values()),
            cycles=self.cycles + sum(option.cycles for option in chosen.values()),
            area_nand2=sum(self.unit_nand2[unit] for unit in units) if self.unit_nand2 else None,
            weight_bits=self._average(chosen, is_weight=True),
            activation_bits=self._average(chosen, is_weight=False),
        )

    def _average(self, chosen: Mapping[str, PricedOption], *, is_weight: bool) -> float:
        mine = [tensor for tensor in self.tensors if tensor.is_weight == is_weight]
        return sum(t.elements * chosen[t.name].bits for t in mine) / sum(t.elements for t in mine)


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What a whole network costs."""

    kl: float
    """Estimated sum, in nats."""
    energy_uj: float
    cycles: int
    area_nand2: float | None
    weight_bits: float
    """Average over the elements."""
    activation_bits: float


@dataclass(frozen=True, kw_only=True)
class ChosenTensor:
    """What one tensor got, and why."""

    name: str
    chosen: PricedOption
    elements: int
    runner_up: PricedOption | None
    """The best other format at the same width."""


@dataclass(frozen=True, kw_only=True)
class PaperPoint:
    """A paper's formats at one width, in the same estimate."""

    method: str
    bits: int
    totals: Totals


@dataclass(frozen=True, kw_only=True)
class Codesign:
    """A choice and what it was chosen from."""

    model: str
    preset: str
    images: int
    budgets: Budgets
    tensors: tuple[ChosenTensor, ...]
    estimated: Totals
    energy_uj: float
    """Of an image on the network that was made, counted as ``hwsim run`` does."""
    cycles: int
    front: tuple[Totals, ...]
    """Best choices at other budgets of energy, the other budgets kept."""
    papers: tuple[PaperPoint, ...]
    seconds: float
    versions: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)
