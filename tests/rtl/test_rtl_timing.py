"""The cycle formulas among themselves; the benches compare them with the RTL."""

from __future__ import annotations

import pytest

from hwsim.config import load_preset
from hwsim.units import timing

EDGE = load_preset("edge")


@pytest.mark.parametrize("depth", [1, 31, 32, 33, 96])
@pytest.mark.parametrize(("rows", "columns", "copies"), [(1, 1, 1), (16, 16, 1), (50, 96, 1), (17, 33, 3)])
def test_gemm_is_its_tiles_between_decoder_and_requantizer(rows: int, columns: int, depth: int, copies: int) -> None:
    tiles = copies * -(-rows // 16) * -(-columns // 16)
    array = timing.pe_array_cycles([depth] * tiles, EDGE)
    assert timing.gemm_cycles(rows, columns, depth, copies, EDGE) == 1 + array + 4


def test_a_tile_costs_its_depth_or_its_drain() -> None:
    assert timing.drain_cycles(EDGE) == 32
    assert timing.pe_array_cycles([100, 100], EDGE) - timing.pe_array_cycles([100], EDGE) == 100
    assert timing.pe_array_cycles([100, 5], EDGE) - timing.pe_array_cycles([100], EDGE) == 32


def test_rows_of_layernorm_overlap() -> None:
    one = timing.layernorm_cycles(1, 96, EDGE)
    assert one == 12 + 4 + 25 + 18 + 1 + 12 + 6
    assert timing.layernorm_cycles(50, 96, EDGE) < 25 * one


@pytest.mark.parametrize("beats", [1, 2, 12, 24, 25, 26, 27, 48, 128])
def test_the_root_or_the_beats_set_the_pace_of_layernorm(beats: int) -> None:
    channels = beats * EDGE.layernorm_lanes
    hundred, thousand = (timing.layernorm_cycles(rows, channels, EDGE) for rows in (100, 1000))
    assert thousand - hundred == 900 * max(beats, timing.isqrt_cycles(2) - timing.isqrt_cycles(1))


def test_large_products_take_no_time() -> None:
    assert timing.gemm_cycles(10**6, 10**6, 768, 1000, EDGE) > 10**14


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: timing.gemm_cycles(0, 1, 1, 1, EDGE), "rows must be 1 or more, not 0"),
        (lambda: timing.pe_array_cycles([], EDGE), "tiles must be 1 or more, not 0"),
        (lambda: timing.pe_array_cycles([3, 0], EDGE), "depth must be 1 or more, not 0"),
        (lambda: timing.layernorm_cycles(1, 1025, EDGE), "channels must be 1 to 1024, not 1025"),
        (lambda: timing.isqrt_cycles(0), "items must be 1 or more, not 0"),
    ],
)
def test_impossible_sizes_are_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=message):
        call()
