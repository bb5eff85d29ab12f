"""Parts of the plan: order of column tiles, chunks, segments, places of buffers, and what the order achieves."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from hwsim.compiler.emit import segment_bounds
from hwsim.compiler.executable import compile_executable
from hwsim.compiler.plan import row_chunks, tile_order
from hwsim.config import load_preset
from hwsim.network import load_network
from hwsim.timing.dram import DramModel
from hwsim.timing.gemm import gemm_tiles
from hwsim.timing.schedule import schedule
from hwsim.units.timing import drain_cycles
from tests.random_network import DEIT_TINY, random_network, vit_network

SHIPPED = "hwsim/zoo/fashion_mnist_vit"


@pytest.mark.parametrize("tiles", [1, 2, 3, 7])
@pytest.mark.parametrize("first_tiles", [0, 1, 2])
@pytest.mark.parametrize("last_tiles", [0, 1, 2])
def test_every_row_of_every_tile_is_computed_once_with_two_tiles_of_weights(
    tiles: int, first_tiles: int, last_tiles: int
) -> None:
    chunks = [(0, 8), (8, 16), (16, 19)]
    order = tile_order(tiles, chunks, first_tiles, last_tiles)
    seen = np.zeros((tiles, 19), int)
    for tile, (row, row_end) in order:
        seen[tile, row:row_end] += 1
    assert (seen == 1).all()
    visits = [tile for tile, _ in order]
    for tile in range(2, tiles):  # the load of tile i + 2 follows the last use of tile i
        assert visits.index(tile) > len(visits) - 1 - visits[::-1].index(tile - 2)


@pytest.mark.parametrize(("rows", "tiles_max", "expected"), [
    (1, 4, [(0, 1)]), (4, 4, [(0, 4)]), (5, 4, [(0, 4), (4, 5)]), (16, 4, [(0, 8), (8, 16)]),
    (19, 1, [(0, 4), (4, 8), (8, 12), (12, 16), (16, 19)]), (40, 2, [(r, r + 8) for r in range(0, 40, 8)]),
])  # fmt: skip
def test_chunks_are_whole_row_tiles(rows: int, tiles_max: int, expected: list[tuple[int, int]]) -> None:
    assert row_chunks(rows, tiles_max, load_preset("tiny")) == expected


@pytest.mark.parametrize(("count", "expected"), [
    (1, [0, 1]), (16, [0, 16]), (17, [0, 15, 17]), (31, [0, 15, 31]), (32, [0, 15, 30, 32]),
])  # fmt: skip
def test_a_segment_has_one_place_for_the_load_of_the_next(count: int, expected: list[int]) -> None:
    assert segment_bounds(count, load_preset("tiny")) == expected


@pytest.mark.parametrize("preset", ["tiny", "edge", "large"])
def test_tensors_that_live_at_the_same_time_share_no_word(preset: str) -> None:
    config = load_preset(preset)
    for network in (random_network(3), load_network(SHIPPED)):
        allocations = compile_executable(network, config).allocations
        for one, other in combinations(allocations, 2):
            together = (
                one.first_instruction <= other.last_instruction and other.first_instruction <= one.last_instruction
            )
            apart = one.first_word + one.words <= other.first_word or other.first_word + other.words <= one.first_word
            assert apart or not together, (one.name, other.name)
        bank_words = config.buffer_words // config.activation_banks
        for one in allocations:
            assert one.first_word % config.word_bytes == 0
            assert one.first_word + one.words <= config.buffer_words
            words = range(one.first_word, one.first_word + one.words)
            assert set(one.banks) == {word // bank_words for word in words}


def test_softmax_layernorm_and_loads_work_beside_the_array() -> None:
    config = load_preset("edge")
    program = compile_executable(vit_network(DEIT_TINY, np.random.default_rng(0)), config).program
    array_cycles = sum(
        gemm_tiles(one["rows"], one["columns"], config) * max(one["steps"], drain_cycles(config))
        for one in program
        if one.operation == "gemm"
    )
    timeline = schedule(program, config, DramModel(latency=20))
    assert array_cycles > 0.985 * timeline.cycles
    assert sum(timeline.busy_cycles.values()) > 1.15 * timeline.cycles
