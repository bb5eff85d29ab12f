"""Names and definitions that the terminal table and the HTML page share, and how they print numbers."""

from __future__ import annotations

from hwsim.cost.energy import Component

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

UNIT_LABELS = {"pe_array": "PE array", "softmax": "softmax", "layernorm": "LayerNorm"}

DEFINITIONS: dict[str, str] = {
    "top-1, float": "Share of these images to which the float model, before quantisation, gives the right class; from "
    "its predictions stored beside the images.",
    "top-1, integer hardware": "The same for the class with the largest of the bit-accurate machine's integer logits.",
    "agreement": "Share of these images to which the float model and the integer hardware give the same class.",
    "cycles": "Clock cycles for one image, from the unit formulas that the RTL benches assert. One instruction runs "
    "after another; inside one, the DMA works beside the unit and the longer of the two counts.",
    "latency, frames/s": "Cycles divided by the preset's clock, and the inverse: images run one after another.",
    "utilisation": "Wanted multiply-accumulates / (array rows x array columns x cycles).",
    "operands zero/small/large": "Multiplications by the row operand that they take: its mantissa is zero, its shift "
    "is zero (the fine region, and every uniform code), or neither (the coarse region of a two-scale code).",
    "energy": "Action counts times the energy table, for one image. A zero operand is gated: it saves "
    "multiplication, shift, addition and PE registers, not its reading and decoding (our decision). Wires, clock "
    "tree, control and leakage are not counted.",
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
