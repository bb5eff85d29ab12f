"""What the accelerator costs in gates: a tree of its units, and the price of each number format's decoder and encoder.

Gates and registers are Yosys' generic cells. ``nand2`` weighs them into one number, which is our decision: a gate's
CMOS transistors as Yosys' ``stat -tech cmos`` counts them, divided by the 4 of a NAND2; a flip-flop is 6 NAND2, its
reset or set 1 more (asynchronous) or an AND (synchronous), its enable a multiplexer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hwsim.config import AcceleratorConfig
from hwsim.cost.synthesis import RAM, Job, Netlist, base_name, total
from hwsim.errors import HwsimError

TOP = "hws_top"
NAND2_TRANSISTORS = 4
GATE_TRANSISTORS = {
    "$_NOT_": 2, "$_NAND_": 4, "$_NOR_": 4, "$_AND_": 6, "$_OR_": 6, "$_ANDNOT_": 6, "$_ORNOT_": 6,
    "$_XOR_": 12, "$_XNOR_": 12, "$_MUX_": 12,
}  # fmt: skip
"""Of Yosys' ``stat -tech cmos``."""
FLIP_FLOP_NAND2 = 6.0
RESET_NAND2 = {"": 0.0, "asynchronous": 1.0, "synchronous": GATE_TRANSISTORS["$_AND_"] / NAND2_TRANSISTORS}
ENABLE_NAND2 = GATE_TRANSISTORS["$_MUX_"] / NAND2_TRANSISTORS
_FLIP_FLOP = re.compile(r"\$_(S?)DFF(CE|E)?_[PN]([PN][01])?([PN])?_")


def nand2_area(kind: str) -> float:
    """Area of one of Yosys' cells, in NAND2 gates.

    Raises
    ------
    HwsimError
        For a cell without a weight; the accelerator has no latches.
    """
    if kind in GATE_TRANSISTORS:
        return GATE_TRANSISTORS[kind] / NAND2_TRANSISTORS
    match = _FLIP_FLOP.fullmatch(kind)
    if match is None:
        raise HwsimError(f"synthesis left the cell {kind}, which has no weight (expected gates and flip-flops)")
    synchronous, enable, reset, _ = match.groups()
    style = "" if not reset else "synchronous" if synchronous else "asynchronous"
    return FLIP_FLOP_NAND2 + RESET_NAND2[style] + (ENABLE_NAND2 if enable else 0.0)


@dataclass(frozen=True, kw_only=True)
class Size:
    """What something costs."""

    gates: int = 0
    registers: int = 0
    """Flip-flops, one bit each."""
    nand2: float = 0.0
    """Gates and registers in NAND2 gates; memories are not in it."""
    memory_bits: int = 0
    """Of memory macros."""

    @classmethod
    def of(cls, cells: Mapping[str, int], memory_bits: int = 0) -> Size:
        """Size of cells, counted by their type."""
        registers = sum(number for kind, number in cells.items() if _FLIP_FLOP.fullmatch(kind))
        return cls(
            gates=sum(cells.values()) - registers,
            registers=registers,
            nand2=sum(nand2_area(kind) * number for kind, number in cells.items()),
            memory_bits=memory_bits,
        )

    def __add__(self, other: Size) -> Size:
        return Size(
            gates=self.gates + other.gates,
            registers=self.registers + other.registers,
            nand2=self.nand2 + other.nand2,
            memory_bits=self.memory_bits + other.memory_bits,
        )

    def __mul__(self, count: int) -> Size:
        return Size(
            gates=self.gates * count,
            registers=self.registers * count,
            nand2=self.nand2 * count,
            memory_bits=self.memory_bits * count,
        )


@dataclass(kw_only=True)
class Unit:
    """Every instance of a Verilog module below one other, whatever its parameters, with all that is below them."""

    name: str
    count: int = 0
    size: Size = Size()
    below: dict[str, Unit] = field(default_factory=dict)

    def walk(self, depth: int = 0) -> list[tuple[int, Unit]]:
        """Depth and unit, from the top down, the larger one first."""
        lines = [(depth, self)]
        for unit in sorted(self.below.values(), key=lambda unit: (-unit.size.nand2, unit.name)):
            lines += unit.walk(depth + 1)
        return lines


def units(netlist: Netlist) -> Unit:
    """Tree of the units; memory macros are in the sizes, not in the tree."""
    top = Unit(name=base_name(netlist.top))
    sizes = {name: Size.of(*total(netlist, name)) for name in netlist.modules}

    def add(unit: Unit, elaborated: str, count: int) -> None:
        unit.count += count
        unit.size += sizes[elaborated] * count
        for child, instances in netlist.modules[elaborated].below.items():
            name = base_name(child)
            if name != RAM:
                add(unit.below.setdefault(name, Unit(name=name)), child, count * instances)

    add(top, netlist.top, 1)
    return top


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A unit in the state in which it serves one format only; ``parts`` are summed."""

    role: str
    format: str
    source: str
    """Papers that use the format."""
    lanes: str | None
    """Key of the preset with the number of lanes."""
    parts: tuple[tuple[Job, bool], ...]
    """What is synthesised, and whether there is one a lane."""
    pe_style: str | None = None
    """None: the preset's."""


def _variant(role: str, format_: str, source: str, lanes: str | None, module: str, **tied: int) -> Variant:
    job = Job(top=module, tied=tuple(tied.items()), flat=True)
    return Variant(role=role, format=format_, source=source, lanes=lanes, parts=((job, False),))


def _layernorm(format_: str, source: str, **tied: int) -> Variant:
    ports = tuple(tied.items())
    load = Job(top="hws_layernorm_load", tied=ports)  # not flat: the channels' shifters are in the module itself
    lane = Job(top="hws_layernorm_lane")
    role, lanes = "LayerNorm, input to output", "layernorm_lanes"
    return Variant(role=role, format=format_, source=source, lanes=lanes, parts=((load, False), (lane, True)))


def _row_operand(format_: str, *modules: str) -> Variant:
    parts = tuple((Job(top=module, flat=True), False) for module in modules)
    return Variant(role="row operand", format=format_, source=_ROWS, lanes=None, parts=parts)


def _pe_array(style: str) -> Variant:
    array = ((Job(top="hws_pe_array"), False),)
    return Variant(role="PE array", format=style, source="", lanes=None, parts=array, pe_style=style)


def _pe(style: str) -> Variant:
    single = ((Job(top="hws_pe"), False),)
    return Variant(role="one PE", format=style, source="", lanes=None, parts=single, pe_style=style)


_DECODER, _ENCODER, _RESIDUAL = "row decoder", "softmax encoder", "residual adder"
_TWO_SCALE, _TAN, _LOG2, _SQRT2 = "TSPTQ-ViT (V-2SF)", "DopQ-ViT (TanQ)", "FQ-ViT", "RepQ-ViT, ADFQ-ViT"
_CHANNEL_SCALED = "TSPTQ-ViT (O-2SF), FQ-ViT"
_ROW, _ROWS = "row encoder", "ADFQ-ViT"
VARIANTS = (
    _variant(_DECODER, "uniform", "", "array_rows", "hws_decoder_uniform"),
    _variant(_DECODER, "two-scale", _TWO_SCALE, "array_rows", "hws_decoder_two_scale"),
    _variant(_DECODER, "log2", _LOG2, "array_rows", "hws_decoder_log", sqrt_i=0),
    _variant(_DECODER, "log-sqrt2", _SQRT2, "array_rows", "hws_decoder_log", sqrt_i=1),
    _variant(_DECODER, "codebook", _TAN, "array_rows", "hws_decoder_codebook"),
    _variant(_DECODER, "all, selected", "", "array_rows", "hws_row_decoder"),
    _variant(_ENCODER, "uniform", "", "softmax_lanes", "hws_encoder_two_scale", uniform_i=1),
    _variant(_ENCODER, "two-scale", _TWO_SCALE, "softmax_lanes", "hws_encoder_two_scale", uniform_i=0),
    _variant(_ENCODER, "log2", _LOG2, "softmax_lanes", "hws_encoder_log", sqrt_i=0),
    _variant(_ENCODER, "log-sqrt2", _SQRT2, "softmax_lanes", "hws_encoder_log", sqrt_i=1),
    _variant(_ENCODER, "codebook", _TAN, "softmax_lanes", "hws_encoder_codebook"),
    _variant(_ENCODER, "as built, selected", "", "softmax_lanes", "hws_softmax_encoder"),
    _variant(_ROW, "row scales", _ROWS, "layernorm_lanes", "hws_encoder_row", encode_i=1, outliers_i=0),
    _variant(_ROW, "row scales, outliers", _ROWS, "layernorm_lanes", "hws_encoder_row", encode_i=1, outliers_i=1),
    _row_operand("row scales", "hws_row_multipliers"),
    _row_operand("outliers", "hws_outlier_map", "hws_outlier_list"),
    _variant("table encoder", "any 8-bit", "", "drain_lanes", "hws_table"),
    _variant(_RESIDUAL, "one scale", "", "drain_lanes", "hws_residual", in_old_shift_i=0, in_new_shift_i=0),
    _variant(_RESIDUAL, "shift a channel", _CHANNEL_SCALED, "drain_lanes", "hws_residual"),
    _variant(
        _RESIDUAL, "one scale, 16 bits", "", "drain_lanes", "hws_residual", constant_i=1, guard_i=0, in_new_shift_i=0
    ),
    _layernorm("one scale", "", shifts_i=0, wide_i=0),
    _layernorm("shift a channel", _CHANNEL_SCALED, wide_i=0),
    _layernorm("one scale, 16 bits", "", wide_i=1),
    _layernorm("as built, selected", ""),
    _pe("shift"),
    _pe("two_accumulator"),
    _pe_array("shift"),
    _pe_array("two_accumulator"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Price:
    """What a format costs in one place."""

    role: str
    format: str
    source: str
    lanes: int
    modules: tuple[str, ...]
    tied: dict[str, int]
    size: Size


def price(
    variant: Variant, config: AcceleratorConfig, synthesised: Callable[[Job, AcceleratorConfig], Netlist]
) -> Price:
    """Add up the parts of a variant."""
    lanes = 1 if variant.lanes is None else int(getattr(config, variant.lanes))
    if variant.pe_style is not None:
        config = config.model_copy(update={"pe_style": variant.pe_style})
    size = Size()
    for job, each_lane in variant.parts:
        cells, bits = total(synthesised(job, config))
        size += Size.of(Counter(cells), bits) * (lanes if each_lane else 1)
    return Price(
        role=variant.role,
        format=variant.format,
        source=variant.source,
        lanes=lanes,
        modules=tuple(job.top for job, _ in variant.parts),
        tied=dict(variant.parts[0][0].tied),
        size=size,
    )


@dataclass(frozen=True, kw_only=True)
class Area:
    """Everything that was counted."""

    config: AcceleratorConfig
    overrides: tuple[str, ...]
    top: Unit
    prices: list[Price]
    versions: dict[str, str]
