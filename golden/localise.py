"""Where accuracy goes between the float network and the integer one, layer by layer and unit by unit.

    unit u alone:     u in integer mode, all others in float mode
    unit u as float:  u in float mode, all others in integer mode        (paper: u in paper mode)

A unit is an operator with its weights, its arithmetic and the format of its result (``golden.localise_operators``), in
every block or in one. What the network would do if that one unit were float is run, not estimated: its neighbours stay
integer and read its unrounded result. Alone a unit is judged without the others' errors, which at few bits are so large
that taking one of many away says little. The image's class flips at the first residual tensor after which the integer
prefix, continued in float, no longer gives float's class.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from golden.integer import OUTLIERS, IntegerModel
from golden.localise_operators import Mode, Operators, Terms
from golden.localise_parameters import recover
from golden.localise_statistics import LayerFigures, TensorStatistics, rows_read
from golden.measure import Figures, Images, compare
from golden.reconstruct.branch import Branch
from golden.vit import Vit, forward
from hwsim.network import Im2col, Network, Residual

TOKENS_IN_A_BATCH = 1600
"""Images a batch are this divided by the tokens of one: every tensor of a batch is held."""
AT_THE_END = "head"
"""Where a class flips that the whole residual stream still gives."""

VARIANTS = (
    ("alone", Mode.INTEGER, Mode.FLOAT),
    ("float", Mode.FLOAT, Mode.INTEGER),
    ("paper", Mode.PAPER, Mode.INTEGER),
)
"""What is run of each unit: a name, its mode, that of all others."""

Report = Callable[[str, int, int], None]
Traces = dict[Mode, Terms]


@dataclass(frozen=True, kw_only=True)
class Unit:
    """Layers that change their mode together."""

    name: str
    """``blocks.*.mlp.gelu`` for that operator in every block, ``blocks.3.mlp.gelu`` for one."""
    layers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class UnitFigures:
    """What the whole network would do if one unit were in another mode."""

    unit: Unit
    alone: Figures
    """Only this unit is integer."""
    as_float: Figures
    as_paper: Figures


@dataclass(frozen=True, kw_only=True)
class Localised:
    """Everything that was found, on ``images`` images."""

    images: int
    figures: dict[str, Figures]
    """By mode: float, paper, integer."""
    layers: list[LayerFigures]
    """In the order in which they run, without im2col."""
    units: list[UnitFigures]
    """In network order: each operator in all blocks, then single layers, those of the unit that costs most or all."""
    flips: dict[str, int]
    """Images whose integer class is not float's, by the residual tensor (or the head) at which it flips."""


def localise(
    network: Network, vit: Vit, images: Images, labels: Tensor | None, report: Report, *, per_block: bool = False
) -> Localised:
    """Run everything.

    Parameters
    ----------
    network : integer network
    vit : float network that it was made from
    images : uint8[n, H, W, C], a tensor or whatever splits into tensors as it is read
    labels : int64[n] or None
    report : called with what is done, how many images are done and how many there are
    per_block : every layer alone too, which takes some times longer, and not only those of the unit that costs most

    Raises
    ------
    HwsimError
        If the float network is not the one that the integer network was made from.
    """
    run = _Localisation(network, vit)
    kinds, singles = units(network)
    run.all_of(images, kinds, report, statistics=True)
    worst = max(kinds, key=lambda unit: run.figures(f"alone {unit.name}", labels).kl)
    chosen = singles if per_block else [unit for unit in singles if unit.layers[0] in worst.layers]
    if chosen:
        run.all_of(images, chosen, report, statistics=False)
    return run.found([*kinds, *chosen], labels)


def units(network: Network) -> tuple[list[Unit], list[Unit]]:
    """Operators of the same name in all blocks, and every layer that is in a block, alone."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for layer in network.layers:
        if not isinstance(layer, Im2col):
            kinds[kind(layer.name)].append(layer.name)
    singles = [Unit(name=name, layers=(name,)) for of, names in kinds.items() if "*" in of for name in names]
    return [Unit(name=of, layers=tuple(names)) for of, names in kinds.items()], singles


def kind(layer: str) -> str:
    """``blocks.3.mlp.gelu`` to ``blocks.*.mlp.gelu``."""
    return re.sub(r"\.\d+\.", ".*.", layer)


class _Localisation:
    def __init__(self, network: Network, vit: Vit) -> None:
        self.network, self.vit, self.layers = network, vit, network.layers
        self.model = IntegerModel(network)
        self.operators = Operators(network, recover(network, vit))
        rows = rows_read(network)
        self.statistics = {
            layer.output: TensorStatistics(network, layer.output, layer.op, rows[layer.output])
            for layer in self.layers
            if not isinstance(layer, Im2col)
        }
        self.logits: dict[str, list[Tensor]] = defaultdict(list)
        self.flips = {layer.output: 0 for layer in self.layers if isinstance(layer, Residual)} | {AT_THE_END: 0}

    @torch.inference_mode()
    def all_of(self, images: Images, of: Sequence[Unit], report: Report, *, statistics: bool) -> None:
        """Measure units on all images; with ``statistics`` the three modes and every tensor too."""
        done = 0
        for pixels in images.split(max(1, TOKENS_IN_A_BATCH // self.vit.tokens)):
            report("every tensor" if statistics else of[0].name, done, len(images))
            traces = self._measured(pixels) if statistics else self._traces(pixels)
            for index, unit in enumerate(of):
                report(f"if {unit.name} were float", done + len(pixels) * index // len(of), len(images))
                for key, mode, others in VARIANTS:
                    self._logits(f"{key} {unit.name}", self._with(unit, mode, others, traces[others]))
            done += len(pixels)

    def figures(self, key: str, labels: Tensor | None) -> Figures:
        """Of all images so far; key : a mode, or a mode and a unit."""
        return compare(torch.cat(self.logits[key]), torch.cat(self.logits["float"]), labels)

    def found(self, of: Sequence[Unit], labels: Tensor | None) -> Localised:
        """Figures of all batches."""
        return Localised(
            images=sum(map(len, self.logits["float"])),
            figures={mode.value: self.figures(mode.value, labels) for mode in (Mode.FLOAT, Mode.PAPER, Mode.INTEGER)},
            layers=[one.figures() for one in self.statistics.values()],
            units=[
                UnitFigures(
                    unit=unit,
                    alone=self.figures(f"alone {unit.name}", labels),
                    as_float=self.figures(f"float {unit.name}", labels),
                    as_paper=self.figures(f"paper {unit.name}", labels),
                )
                for unit in of
            ],
            flips=self.flips,
        )

    def _measured(self, pixels: Tensor) -> Traces:
        """The three modes and all statistics of a batch, uint8[B, H, W, C]; its tensors in integer and float mode."""
        reference = forward(self.vit, pixels)
        self.logits["float"].append(reference.double())
        traces = self._trace(pixels)
        changed = self._logits("integer", traces[Mode.INTEGER]).argmax(1) != reference.argmax(1)
        if bool(changed.any()):
            self._flips(traces[Mode.INTEGER], changed, reference.argmax(1))
        return traces

    def _traces(self, pixels: Tensor) -> Traces:
        """Every tensor's terms in integer and in float mode."""
        traces: Traces = {mode: {self.network.manifest.input: pixels.double()} for mode in (Mode.INTEGER, Mode.FLOAT)}
        for mode, terms in traces.items():
            for layer in self.layers:
                terms[layer.output] = self.operators.run(layer, terms, mode)
        return traces

    def _trace(self, pixels: Tensor) -> Traces:
        """All modes side by side, with statistics of every tensor."""
        name = self.network.manifest.input
        codes: Terms = {name: pixels.to(torch.int64)}
        terms: Traces = {mode: {name: pixels.double()} for mode in Mode}
        for layer in self.layers:
            codes[layer.output] = self.model.run_layer(layer, codes)
            own = self.operators.run(layer, terms[Mode.FLOAT], Mode.INTEGER)
            for mode in Mode:
                terms[mode][layer.output] = self.operators.run(layer, terms[mode], mode)
            if layer.output in self.statistics:
                found = self.statistics[layer.output]
                values = [self.operators.value(layer.output, terms[mode][layer.output]) for mode in Mode]
                by_mode = dict(zip(Mode, values, strict=True))
                found.add(
                    by_mode[Mode.FLOAT], by_mode[Mode.PAPER], by_mode[Mode.INTEGER],
                    self.operators.value(layer.output, own),
                )  # fmt: skip
                found.add_codes(codes[layer.output], codes.get(layer.output + OUTLIERS))
            for unread in self.model.last_use.get(layer.name, ()):
                for tensors in (codes, terms[Mode.PAPER]):
                    tensors.pop(unread, None)
                codes.pop(unread + OUTLIERS, None)
        logits = self.network.manifest.logits
        assert torch.equal(terms[Mode.INTEGER][logits], codes[logits].double()), "the units left integer mode"
        self._logits("paper", terms[Mode.PAPER])
        return terms

    def _with(self, unit: Unit, mode: Mode, others: Mode, before: Terms) -> Terms:
        """Tensors with one unit in a mode of its own; what runs before it is as it was."""
        first = next(index for index, layer in enumerate(self.layers) if layer.name in unit.layers)
        tensors = dict(before)
        for layer in self.layers[first:]:
            chosen = mode if layer.name in unit.layers else others
            tensors[layer.output] = self.operators.run(layer, tensors, chosen)
            for unread in self.model.last_use.get(layer.name, ()):
                del tensors[unread]
        return tensors

    def _logits(self, key: str, tensors: Terms) -> Tensor:
        """Keep the logits of a batch, float64[B, classes]."""
        name = self.network.manifest.logits
        found = self.operators.value(name, tensors[name]).flatten(1)
        self.logits[key].append(found)
        return found

    def _flips(self, integer: Terms, changed: Tensor, expected: Tensor) -> None:
        """Where the class of each image flips for which ``changed``, bool[B], is set."""
        left, wanted = changed.nonzero()[:, 0], expected
        for layer in self.layers:
            if isinstance(layer, Residual) and len(left):
                stream = self.operators.value(layer.output, integer[layer.output][left]).float()
                wrong = rest(self.vit, layer, stream).argmax(1) != wanted[left]
                self.flips[layer.output] += int(wrong.sum())
                left = left[~wrong]
        self.flips[AT_THE_END] += len(left)


def rest(vit: Vit, layer: Residual, x: Tensor) -> Tensor:
    """Residual tensor after an adder, float32[B, T, D], to the logits, all in float."""
    place = re.fullmatch(r"blocks\.(\d+)\.(attn|mlp)\.add", layer.name)
    # the embedding stands where a block before the first would end
    branch = Branch(-1, "mlp") if place is None else Branch(int(place[1]), "attn" if place[2] == "attn" else "mlp")
    return branch.rest(vit, x)
