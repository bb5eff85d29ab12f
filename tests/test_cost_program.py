"""Cycles of real programs: every cycle goes to one layer, and to what the array waits for in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from hwsim.compiler import compile_network
from hwsim.compiler.executable import Executable, compile_executable
from hwsim.compiler.program import Program
from hwsim.config import load_preset
from hwsim.cost.cycles import Profile, merged, profile
from hwsim.cost.traffic import Traffic
from hwsim.cost.waits import Span, spans
from hwsim.flows.verify import VerifyOptions
from hwsim.interpreter import run_program
from hwsim.isa import LOAD_TARGETS, Instruction, mask
from hwsim.network import Network
from hwsim.timing.dram import LATENCY_CYCLES, DramModel
from hwsim.timing.schedule import BOOT, schedule
from tests.random_network import WHOLE, random_images, random_network, vit_network

TINY, EDGE = load_preset("tiny"), load_preset("edge")
MEMORY = DramModel(latency=LATENCY_CYCLES)


def load(target: str, **fields: int) -> Instruction:
    return Instruction("load", {"target": LOAD_TARGETS.index(target), **fields})


def networks() -> list[tuple[str, Network]]:
    found = [(f"random {seed}", random_network(seed)) for seed in range(6)]
    found += [(f"rows {seed}", random_network(seed, row_scales=True, wide_stream=seed % 2 == 1)) for seed in range(4)]
    return [*found, ("whole", vit_network(WHOLE, np.random.default_rng(0)))]


@pytest.mark.parametrize("preset", ["tiny", "edge"])
@pytest.mark.parametrize("network", [pytest.param(one, id=name) for name, one in networks()])
def test_every_cycle_goes_to_one_layer(network: Network, preset: str) -> None:
    config = load_preset(preset)
    program, executable = compile_network(network, config), compile_executable(network, config)
    result = run_program(executable.with_image(random_images(network, 1, 0)[0]), config)
    steps = result.tile_steps
    timeline = schedule(executable.program, config, MEMORY, steps)
    found = spans(executable.program, timeline, config, steps)
    assert found[0].first == 0
    assert found[-1].end == timeline.cycles
    assert all(one.end == after.first and one.first < one.end for one, after in pairwise(found))
    array = sum(span.end - span.first for span in found if span.reason == "array")
    assert array == sum(int(tiles.sum()) for tiles in steps.values())
    times = profile(executable, program, steps)
    assert times.timeline == timeline
    assert set(times.cycles) == {None, *(one.name for one in program.passes)} == set(times.traffic)
    assert sum(layer.total for layer in times.cycles.values()) == timeline.cycles
    assert all(layer.busy < layer.end - layer.start for layer in times.cycles.values())
    for unit in ("softmax", "layernorm"):  # one instruction at a time
        layers = [times.cycles[one.name] for one in program.passes if one.unit == unit]
        assert sum(layer.busy for layer in layers) == timeline.busy_cycles[unit]
    for one in program.passes:
        assert times.cycles[one.name].spent["array"] == sum(
            int(tiles.sum()) for index, tiles in steps.items() if times.owners[index] == one.name
        )
    check_owners(times, program, executable)
    check_all_bytes(executable, list(times.traffic.values()))


def check_owners(times: Profile, program: Program, executable: Executable) -> None:
    """Every element of every layer's result is made by instructions of that layer."""
    made: Counter[str | None] = Counter()
    for owner, one in zip(times.owners, executable.program, strict=True):
        made[owner] += one["rows"] * (one["columns"] + one["channels"]) if one.operation not in ("load", "store") else 0
    assert {one.name: made[one.name] for one in program.passes} == {
        one.name: one.rows * one.channels for one in program.passes
    }


def check_all_bytes(executable: Executable, found: list[Traffic]) -> None:
    config = executable.config
    loads = sum(one["beats"] for one in executable.program if one.operation == "load")
    assert sum(one.dram_read_bits for one in found) == 8 * (
        loads * config.beat_bytes + config.segment_instructions * 64
    )
    assert sum(one.dram_write_bits for one in found) >= 16 * len(executable.network.manifest.classes)


def test_a_gap_goes_to_what_it_waits_for() -> None:
    """Weights, a product, softmax of it, a product of the probabilities: its gap is drain, then softmax."""
    program = [
        load("weights", beats=8, steps=4, post=mask("array")),
        Instruction("gemm", {"rows": 4, "columns": 4, "steps": 40, "wait": mask("dma"), "post": mask("softmax")}),
        Instruction("softmax", {"rows": 4, "columns": 4, "wait": mask("array"), "post": mask("array")}),
        Instruction("gemm", {"rows": 4, "columns": 4, "steps": 3, "wait": mask("softmax"), "post": mask("dma")}),
        Instruction("store", {"beats": 2, "wait": mask("array")}),
        Instruction("end", {}),
    ]
    timeline = schedule(program, TINY, MEMORY)
    boot, weights, first, softmax, second, store = timeline.events
    found = [tuple(span) for span in spans(program, timeline, TINY, {})]
    assert found == [
        (0, weights.start + 1, BOOT, "program"),
        (weights.start + 1, first.start + 1, 0, "dma"),
        (first.start + 1, first.start + 41, 1, "array"),
        (first.start + 41, softmax.start + 1, 1, "drain"),
        (softmax.start + 1, second.start + 1, 2, "softmax"),
        (second.start + 1, second.start + 4, 3, "array"),
        (second.start + 4, store.start + 1, 3, "drain"),
        (store.start + 1, timeline.cycles, 4, "dma"),
    ]
    assert boot.done < weights.start
    assert softmax.start == first.done + 1


def test_a_product_without_a_fence_does_not_wait_for_the_drain_before_it() -> None:
    """Its weights come while the product before it drains: the gap is the DMA's, with a fence the drain's."""
    shape = {"rows": 4, "columns": 4, "steps": 80}
    for fence, holder in ((0, (1, "dma")), (1, (2, "drain"))):
        program = [
            load("weights", beats=8, steps=4, post=mask("array")),
            load("weights", beats=64, steps=4, bank=1, post=mask("array")),
            Instruction("gemm", shape | {"wait": mask("dma")}),
            Instruction("gemm", shape | {"bank": 1, "wait": mask("dma"), "fence": fence}),
            Instruction("end", {}),
        ]
        timeline = schedule(program, TINY, MEMORY)
        _, _, weights, first, second = timeline.events
        assert first.operands_end < weights.done < first.done
        assert second.start == (first.done if fence else weights.done) + 1
        gap = [span for span in spans(program, timeline, TINY, {}) if first.operands_end < span.first <= second.start]
        assert [(span.instruction, span.reason) for span in gap] == [holder]


def test_a_third_product_waits_for_the_first_ones_drain() -> None:
    program = [*[Instruction("gemm", {"rows": 1, "columns": 1, "steps": 1})] * 3, Instruction("end", {})]
    timeline = schedule(program, TINY, MEMORY)
    _, first, second, third = timeline.events
    assert third.start == first.done + 1 == second.operands_end + 1
    assert Span(third.start, third.start + 1, 0, "drain") in spans(program, timeline, TINY, {})


def test_a_short_product_waits_for_the_drain_inside() -> None:
    """Tiles of 3 steps drain in 8 cycles: 2 tiles take 3 + 8 cycles, 5 of them waiting."""
    program = [Instruction("gemm", {"rows": 8, "columns": 4, "steps": 3}), Instruction("end", {})]
    timeline = schedule(program, TINY, MEMORY)
    spent: Counter[str] = Counter()
    for span in spans(program, timeline, TINY, {}):
        spent[span.reason] += span.end - span.first
    tail = timeline.cycles - timeline.events[-1].operands_end - 1
    assert (spent["array"], spent["drain"]) == (6, 5 + tail)


def test_dispatch_waits_for_its_segment_or_for_room() -> None:
    """The second segment comes late: the product that it holds waits for the program."""
    size = TINY.segment_instructions
    gemm = Instruction("gemm", {"rows": 1, "columns": 1, "steps": 1})
    loads = [load("program", beats=8 * size, bank=1)]
    program = [*loads, *[gemm] * size, Instruction("end", {})]
    slow = DramModel(latency=500)
    timeline = schedule(program, TINY, slow)
    found = [span for span in spans(program, timeline, TINY, {}) if span.instruction == 0]
    assert [span.reason for span in found] == ["program"]
    assert found[0].end == timeline.events[-1].start + 1  # the last product is the first of its segment
    full = [load("weights", beats=64, steps=4)] * (TINY.queue_depth + 2)
    program = [*full, gemm, Instruction("end", {})]
    timeline = schedule(program, TINY, slow)
    before = [span for span in spans(program, timeline, TINY, {}) if span.end <= timeline.events[-1].start + 1]
    assert [(span.instruction, span.reason) for span in before] == [(BOOT, "program"), (0, "dma")]


def test_merged() -> None:
    assert merged([(0, 3), (3, 5), (7, 9), (8, 8), (20, 21)]) == [(0, 5), (7, 9), (20, 21)]
    assert merged([(0, 3), (5, 6), (9, 10)], gap=2) == [(0, 6), (9, 10)]


def test_run_and_verify_assume_the_same_memory() -> None:
    import inspect

    from hwsim.cli import verify_command

    assert VerifyOptions().latency == inspect.signature(verify_command).parameters["latency"].default == LATENCY_CYCLES
    network = random_network(1)
    program, executable = compile_network(network, TINY), compile_executable(network, TINY)
    assert profile(executable, program).timeline == profile(executable, program, dram=MEMORY).timeline
    slower = profile(executable, program, dram=replace(MEMORY, latency=LATENCY_CYCLES + 1))
    assert slower.timeline.cycles > profile(executable, program).timeline.cycles
