"""Bench of ``hws_pe``: every register against a model of it, with controls that change at random in every cycle."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

from tests.rtl.stream import configuration, pack

CONFIG = configuration()
ACC_BITS = CONFIG.accumulator_bits
MASK = (1 << ACC_BITS) - 1
CYCLES = 4000


@dataclass
class Model:
    """Registers of a PE; a sum is ``[fine, coarse]``, and style ``shift`` uses fine only."""

    product: int = 0
    shift: int = 0
    sums: tuple[int, int] = (0, 0)
    shadow: tuple[int, int] = (0, 0)

    def next_sums(self, first: bool) -> tuple[int, int]:
        fine, coarse = (0, 0) if first else self.sums
        if CONFIG.pe_style == "shift":
            return (fine + (self.product << self.shift)) & MASK, 0
        if self.shift:
            return fine, (coarse + self.product) & MASK
        return (fine + self.product) & MASK, coarse

    def step(self, control: dict[str, int], operands: dict[str, int], neighbour: tuple[int, int]) -> None:
        sums = self.next_sums(bool(control["first_i"]))
        if control["capture_i"]:
            self.shadow = sums
        elif control["drain_i"]:
            self.shadow = neighbour
        if control["accumulate_i"]:
            self.sums = sums
        if control["multiply_i"]:
            self.product, self.shift = operands["mantissa_i"] * operands["weight_i"], operands["shift_i"]


def shadow_word(sums: tuple[int, int]) -> int:
    return pack(sums[:1] if CONFIG.pe_style == "shift" else sums, ACC_BITS)


@cocotb.test()
async def registers(dut: Any) -> None:
    rng = random.Random(9)
    model = Model()
    mantissa_top, weight_top = 1 << (CONFIG.mantissa_bits - 1), 1 << (CONFIG.weight_bits - 1)
    cocotb.start_soon(Clock(dut.clk_i, 10, "ns").start(start_high=False))
    for cycle in range(CYCLES):
        # the first three cycles load the registers that have no reset
        known = cycle >= 3
        control = {
            "multiply_i": rng.random() < 0.8 or not known,
            "accumulate_i": rng.random() < 0.8 or not known,
            "first_i": rng.random() < 0.1 or not known,
            "capture_i": rng.random() < 0.1 or not known,
            "drain_i": rng.random() < 0.3,
        }
        operands = {
            "mantissa_i": rng.choice([rng.randrange(-mantissa_top, mantissa_top), -mantissa_top, mantissa_top - 1]),
            "weight_i": rng.choice([rng.randrange(-weight_top, weight_top), -weight_top, weight_top - 1]),
            "shift_i": rng.choice([0, rng.randrange(1 << CONFIG.term_shift_bits)]),
        }
        neighbour = (rng.getrandbits(ACC_BITS), rng.getrandbits(ACC_BITS))
        await RisingEdge(dut.clk_i)
        for name, value in control.items():
            getattr(dut, name).value = int(value)
        dut.mantissa_i.value = pack([operands["mantissa_i"]], CONFIG.mantissa_bits)
        dut.weight_i.value = pack([operands["weight_i"]], CONFIG.weight_bits)
        dut.shift_i.value = operands["shift_i"]
        dut.shadow_i.value = shadow_word(neighbour)
        await FallingEdge(dut.clk_i)
        if known:
            assert dut.shadow_o.value.to_unsigned() == shadow_word(model.shadow), f"cycle {cycle}"
        model.step(control, operands, neighbour)
