"""The table of cycles by product: it adds up, SCALE-Sim's total is the published one, and the array is used."""

from __future__ import annotations

import pytest

from benchmarks.layer_cycles import by_kind, measure, report, scale_sim_cycles, total_of
from hwsim.config import load_preset
from hwsim.flows.explore_shapes import shape_network
from tests.random_network import random_network

EDGE, TINY = load_preset("edge"), load_preset("tiny")


def test_deit_tiny_on_edge() -> None:
    rows, whole, cycles = measure(shape_network("deit_tiny_patch16_224"), EDGE)
    total = total_of(rows)
    assert (total.count, total.scale_sim) == (122, 5_953_720)
    assert sum(whole.values()) == cycles
    assert total.spent["array"] == total.ideal == whole["array"]
    others = whole["softmax"] + whole["layernorm"] + whole["program"] + whole["dma"] - total.spent["dma"]
    assert total.cycles + others == cycles
    assert total.use(EDGE) >= 93
    assert cycles < total.scale_sim
    kinds = by_kind(rows)
    assert total_of(kinds) == total
    assert {row.name: row.count for row in kinds}["blocks.*.attn.scores"] == 36


def test_scale_sim_by_hand() -> None:
    assert scale_sim_cycles(197, 64, 197, EDGE) == 13 * 4 * (16 + 16 + 197 - 2) - 1


@pytest.mark.parametrize("row_scales", [False, True])
def test_every_product_of_a_small_network(row_scales: bool, capsys: pytest.CaptureFixture[str]) -> None:
    network = random_network(2, row_scales=row_scales, heads=2, channels=8, hidden=16)
    rows, whole, _ = measure(network, TINY)
    assert sum(row.spent["array"] for row in rows) == whole["array"]
    extra = [row.name for row in rows if row.spent["array"] > row.ideal]
    assert all(row.spent["array"] >= row.ideal for row in rows)
    assert bool(extra) == row_scales  # outliers take steps
    report(network, TINY, every=True)
    assert all(f"| {row.name} |" in capsys.readouterr().out for row in rows[:1])
