"""Cycles of loads and stores, exactly those of ``rtl/hws_dma.sv`` behind ``rtl/sim/hws_dram_model.sv``.

Bursts end at multiples of their length, so that the first one may be shorter, as the last one may. With the instruction
started in cycle s, a burst k, D bursts at most under way, and the memory's delays d:

    load    offered(k) = max(s + 2, taken(k - 1) + 1, last beat of burst k - D taken + 1)
            a beat is taken when it is offered and the one before it has no piece left: one cycle a piece
            done       = last beat taken + its pieces + 1
            packed weights: a beat is two pieces, but the last one where an odd number of words of weights is left
    store   offered(k) = max(s + 2, taken(k - 1) + 1, response of burst k - D + 1)
            request(n) = max(s + 3, request(n - 1) + 1, beat n - 4 taken + 1)
            a beat is offered 3 cycles after its request, in order, not before the address of its burst is offered
            done       = last response + 1
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from hwsim.config import AcceleratorConfig
from hwsim.isa import LOAD_TARGETS, Instruction
from hwsim.timing.dram import SALT_AR, SALT_AW, SALT_B, SALT_LATENCY, SALT_R, SALT_W, DramModel, delay

DMA_ADDRESS = 2
"""Start to the first address on AXI; an instruction that the DMA refuses is done in this cycle."""
DMA_REQUEST = 3
"""Start to the first read of the activation buffer."""
DMA_GATHER = 3
"""Request to the beat's offer: the buffer's two stages and the place of the beat among the waiting ones."""
DMA_PLACES = 4
"""Beats between the activation buffer and AXI."""

_WHOLE, _CODES, _TABLE, _PACKED = range(4)
"""Pieces of a beat: one; of codes, by rows and blocks; of the table, one a byte; of packed weights, one a half."""


@dataclass
class DmaState:
    """The memory, and what has gone through it since reset."""

    dram: DramModel
    read_bursts: int = 0
    read_beats: int = 0
    write_bursts: int = 0
    write_beats: int = 0


def dma_done(instruction: Instruction, start: int, state: DmaState, config: AcceleratorConfig) -> int:
    """Cycle in which a legal load or store that starts in cycle ``start`` is done; counts it in ``state``."""
    beats, dram = instruction["beats"], state.dram
    place = place_in_burst(instruction, config)
    bursts = -(-(place + beats) // config.burst_beats)
    memory = np.array([dram.latency, dram.stall, dram.seed], np.int64)
    sizes = np.array([beats, config.burst_beats, config.dma_outstanding, place], np.int64)
    if instruction.operation == "store":
        counts = np.array([state.write_bursts, state.write_beats], np.int64)
        state.write_bursts += bursts
        state.write_beats += beats
        return start + int(_store_cycles(sizes, memory, counts))
    counts = np.array([state.read_bursts, state.read_beats], np.int64)
    state.read_bursts += bursts
    state.read_beats += beats
    names = ("bytes", "run_bytes", "runs", "lines", "first_channel")
    sink_words = instruction["steps"] * config.step_beats
    shape = np.array(
        [config.beat_bytes, config.word_bytes, sink_words, *(instruction[name] for name in names)], np.int64
    )
    return start + int(_load_cycles(sizes, memory, counts, _piece_kind(instruction), shape))


def place_in_burst(instruction: Instruction, config: AcceleratorConfig) -> int:
    """Place of a load's or store's first beat, were its burst a whole one."""
    return instruction["address"] // config.beat_bytes % config.burst_beats


def _piece_kind(instruction: Instruction) -> int:
    target = LOAD_TARGETS[instruction["target"]]
    if instruction["packed"]:
        return _PACKED
    return {"codes": _CODES, "table": _TABLE}.get(target, _WHOLE)


@njit("int64(int64[:], int64[:], int64[:], int64, int64[:])", cache=True)
def _load_cycles(sizes: np.ndarray, memory: np.ndarray, counts: np.ndarray, kind: int, shape: np.ndarray) -> int:
    """Cycles from the start to the end of a load.

    Parameters
    ----------
    sizes : beats, beats of a burst, bursts under way, place of the first beat in a whole burst
    memory : latency, stall, seed
    counts : bursts and beats read before
    shape : bytes of a beat and of a word, words of packed weights, then bytes, run_bytes, runs, lines, first_channel
    """
    beats, burst_beats, under_way, place = sizes
    latency, stall, seed = memory
    burst, beat = counts
    beat_bytes, word_bytes, weights_left, bytes_left, run_bytes, runs, lines, first_channel = shape
    run_left, runs_left, lines_left, line_channel, channel = run_bytes, runs, lines, first_channel, first_channel
    ended = np.zeros(under_way, np.int64)  # cycle in which burst k mod under_way was taken to the end
    address, free, before, pieces = DMA_ADDRESS - 1, 0, 0, 1
    for k in range(-(-(place + beats) // burst_beats)):
        offered = address + 1
        if k >= under_way:
            offered = max(offered, ended[k % under_way] + 1)
        address = offered + delay(seed, stall, SALT_AR, burst + k)
        due = address + 1 + latency + delay(seed, stall, SALT_LATENCY, burst + k)
        for n in range(max(0, k * burst_beats - place), min(beats, (k + 1) * burst_beats - place)):
            offered_beat = max(due, before + 1) + delay(seed, stall, SALT_R, beat + n)
            before = max(offered_beat, free)
            pieces = 1
            if kind == _TABLE:
                pieces = beat_bytes
            elif kind == _PACKED:
                pieces = 2 if weights_left > 1 else 1
                weights_left -= pieces
            elif kind == _CODES:
                pieces, room = 0, beat_bytes
                while pieces == 0 or (room > 0 and bytes_left > 0):
                    pieces += 1
                    length = min(room, run_left, word_bytes - channel % word_bytes, bytes_left)
                    room -= length
                    bytes_left -= length
                    run_left -= length
                    channel += length
                    if run_left == 0:
                        run_left = run_bytes
                        runs_left -= 1
                        if runs_left == 0:
                            runs_left = runs
                            lines_left -= 1
                            line_channel += run_bytes
                            if lines_left == 0:
                                lines_left, line_channel = lines, first_channel
                        channel = line_channel
            free = before + pieces
        ended[k % under_way] = before
    return free + 1


@njit("int64(int64[:], int64[:], int64[:])", cache=True)
def _store_cycles(sizes: np.ndarray, memory: np.ndarray, counts: np.ndarray) -> int:
    """Cycles from the start to the end of a store; parameters as of ``_load_cycles``."""
    beats, burst_beats, under_way, place = sizes
    latency, stall, seed = memory
    burst, beat = counts
    answered = np.zeros(under_way, np.int64)
    taken = np.zeros(DMA_PLACES, np.int64)
    address, request, before, response = DMA_ADDRESS - 1, DMA_REQUEST - 1, 0, 0
    for k in range(-(-(place + beats) // burst_beats)):
        offered = address + 1
        if k >= under_way:
            offered = max(offered, answered[k % under_way] + 1)
        address = offered + delay(seed, stall, SALT_AW, burst + k)
        for n in range(max(0, k * burst_beats - place), min(beats, (k + 1) * burst_beats - place)):
            request += 1
            if n >= DMA_PLACES:
                request = max(request, taken[n % DMA_PLACES] + 1)
            offered_beat = max(request + DMA_GATHER, before + 1, offered)
            before = max(offered_beat, address + 1) + delay(seed, stall, SALT_W, beat + n)
            taken[n % DMA_PLACES] = before
        due = before + 1 + latency + delay(seed, stall, SALT_B, burst + k)
        response = max(due, response + 1)
        answered[k % under_way] = response
    return response + 1
