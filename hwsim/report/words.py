"""Names and definitions that the terminal table and the HTML page share, and how they print numbers."""

from __future__ import annotations

from hwsim.cost.energy import Component
from hwsim.cost.waits import Reason

COMPONENT_LABELS: dict[Component, str] = {
    "multiply_zero": "multipliers, zero operand",
    "multiply_small": "multipliers, small region",
    "multiply_large": "multipliers, large region",
    "shift": "shifters",
    "accumulate": "accumulate adders",
    "pe_registers": "PE registers",
    "decode": "row decoders",
    "requantize": "requantiser",
    "table": "table (GELU)",
    "softmax": "softmax unit",
    "layernorm": "LayerNorm unit",
    "residual": "residual adder",
    "activation_buffer": "activation buffer",
    "weight_buffer": "weight buffer",
    "dram": "DRAM",
}

UNIT_LABELS = {"pe_array": "PE array", "softmax": "softmax", "layernorm": "LayerNorm", "controller": "controller"}
QUEUE_LABELS = {"array": "PE array", "softmax": "softmax", "layernorm": "LayerNorm", "dma": "DMA"}
REASON_LABELS: dict[Reason, str] = {
    "array": "array multiplies",
    "drain": "array waits for its drain",
    "dma": "array waits for the DMA",
    "softmax": "array waits for softmax",
    "layernorm": "array waits for LayerNorm",
    "program": "array waits for the program",
}

DEFINITIONS: dict[str, str] = {
    "top-1, float": "Share of these images to which the float model, before quantisation, gives the right class; from "
    "its predictions stored beside the images.",
    "top-1, integer hardware": "The same for the class with the largest of the bit-accurate machine's integer logits.",
    "agreement": "Share of these images to which the float model and the integer hardware give the same class.",
    "cycles": "Clock cycles for one image (the first, where rows have outliers), from the program's start to its end: "
    "the schedule of the compiled program, which `hwsim verify` compares with the Verilog's cycle by cycle. Each "
    "cycle goes to one layer: those in which the array multiplies to the layer of the product, those in which it "
    "waits to the layer whose result, data or drain it waits for. So the layers' cycles add up to the image's.",
    "busy": "Cycles in which the layer's unit has an instruction of it between start and result. Units work at the "
    "same time, so these overlap.",
    "(program)": "The program itself: its loads from DRAM, and cycles in which the array waits for an instruction.",
    "latency, frames/s": "Cycles divided by the preset's clock, and the inverse: images run one after another.",
    "utilisation": "Wanted multiply-accumulates / (array rows x array columns x cycles). Of a layer: over the cycles "
    "that go to it. While at products: over the cycles that go to products, from the first operand of one to that "
    "of the next, less the time in which the array waits for softmax, LayerNorm or the program.",
    "operands zero/small/large": "Multiplications by the row operand that they take: its mantissa is zero, its shift "
    "is zero (the fine region, and every uniform code), or neither (the coarse region of a two-scale code).",
    "energy": "Action counts times the energy table, for one image. A zero operand is gated: it saves "
    "multiplication, shift, addition and PE registers, not its reading and decoding (our decision). DRAM is counted in "
    "whole beats and buffers in whole words read and bytes written, as the program moves them: a code of up to 8 bits "
    "takes a byte. Wires, clock tree, control and leakage are not counted.",
    "energy band": "Lowest and highest energy over the shipped tables, each at both ends of its DRAM figures. "
    "Compare configurations under one table; the absolute value is known no better than the band.",
    "machine speed": "Multiply-accumulates of the network that the simulator performs in a second of wall time, its "
    "kernels already compiled.",
}


def percent(value: float | None) -> str:
    """Print percents, with a dash for what is not known."""
    return "-" if value is None else f"{value:.2f} %"


def microjoules(value: float) -> str:
    """Print an energy in microjoules with three digits, from a thousandth up."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.{1 if value >= 10 else 2 if value >= 1 else 3}f}" if value else "0"


def share(part: float, whole: float) -> str:
    """Print a share in percent."""
    return f"{100 * part / whole:.1f} %" if whole else "-"
