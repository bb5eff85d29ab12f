"""The memory behind the DMA: latency and stalls, exactly those of ``rtl/sim/hws_dram_model.sv``.

A delay depends on how many bursts or beats there were since reset and never on time, so cycles can be computed
without simulating the memory:

    AR, AW     burst n is taken d(AR, n), d(AW, n) cycles after it was offered
    R          first beat of burst n is due 1 + latency + d(latency, n) cycles after its address was taken
    R          beat n is offered d(R, n) cycles after it was due and the one before it was taken
    W          beat n is taken d(W, n) cycles after it was offered and the address of its burst was taken
    B          response n is due 1 + latency + d(B, n) cycles after the last beat of its burst was taken
"""

from __future__ import annotations

from dataclasses import dataclass

from numba import njit

from hwsim.errors import HwsimError

LATENCY_MAX = (1 << 16) - 1
STALL_MAX = (1 << 8) - 1
SEED_MAX = (1 << 32) - 1
LATENCY_CYCLES = 20
"""Latency that ``hwsim run`` and ``hwsim verify`` assume where none is named, whatever the preset (our decision): 50 ns
at 400 MHz, a row activation and a read of a mobile DRAM."""

SALT_AR, SALT_LATENCY, SALT_R, SALT_AW, SALT_W, SALT_B = range(1, 7)


@dataclass(frozen=True, kw_only=True)
class DramModel:
    """How fast DRAM answers."""

    latency: int = 0
    """Cycles between an address and its first beat, beyond the one that any memory takes."""
    stall: int = 0
    """A beat or burst is delayed with probability ``stall / 256``, by 1 to 7 cycles."""
    seed: int = 0

    def __post_init__(self) -> None:
        limits = {"latency": LATENCY_MAX, "stall": STALL_MAX, "seed": SEED_MAX}
        for name, largest in limits.items():
            value = getattr(self, name)
            if not 0 <= value <= largest:
                raise HwsimError(f"DRAM model: {name} is {value}, expected 0 to {largest}")


@njit("int64(int64, int64, int64, int64)", cache=True)
def delay(seed: int, stall: int, salt: int, number: int) -> int:
    """Cycles by which burst or beat ``number`` of a channel is delayed: 0, or 1 to 7."""
    if stall == 0:
        return 0
    mask = (1 << 32) - 1
    x = seed ^ (salt * 0x85EBCA6B & mask) ^ ((number & mask) * 0x9E3779B9 & mask)
    x = (x ^ x >> 16) * 0x7FEB352D & mask
    x = (x ^ x >> 15) * 0x846CA68B & mask
    x = x ^ x >> 16
    return 1 + ((x >> 8 & 255) * 7 >> 8) if x & 255 < stall else 0
