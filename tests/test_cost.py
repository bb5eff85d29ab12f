"""Cycles by hand, energy that adds up exactly, tables that name their sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from hwsim.compiler.program import OperandCounts
from hwsim.config import load_preset
from hwsim.cost.datapath import Datapath
from hwsim.cost.energy import COMPONENTS, pass_energy
from hwsim.cost.energy_table import energy_table_names, load_energy_table
from hwsim.cost.estimate import estimate
from hwsim.errors import HwsimError
from hwsim.formats import Logarithmic, RowUniform, Uniform
from hwsim.network import Network
from tests.codebooks import tanq_codebook
from tests.handmade import (
    EIGHT,
    IMAGES,
    ONE_COPY,
    TRAFFIC,
    TWO_SCALE,
    every_pass,
    gemm,
    profile,
    program,
    whole_cost,
)

TINY = load_preset("tiny")


def test_totals_are_those_of_the_layers() -> None:
    cost = whole_cost()
    assert cost.cycles_per_image == sum(layer.cycles.total for layer in cost.layers) == 620
    assert cost.spent == {"array": 320, "drain": 60, "dma": 30, "softmax": 100, "layernorm": 90, "program": 20}
    assert cost.macs == 210 * 6
    assert sum(cost.multiplications.values()) == cost.macs * IMAGES
    assert cost.layers[3].multiplications == {"zero": 30 * 6, "small": 50 * 6, "large": 25 * 6}
    assert cost.utilization == 210 * 6 / (16 * 620)
    assert cost.array_utilization == 210 * 6 / (16 * 400)
    assert cost.layers[3].utilization == 210 / (16 * 100)
    assert cost.latency_ms == pytest.approx(620 / 200e3)
    assert cost.frames_per_second == pytest.approx(200e6 / 620)


@pytest.mark.parametrize("table", energy_table_names())
@pytest.mark.parametrize("preset", ["tiny", "edge", "large"])
def test_energy_adds_up_exactly(preset: str, table: str) -> None:
    cost = whole_cost(preset, [f"energy_table={table}"])
    assert sum(cost.energy_aj.values()) == cost.total_aj
    assert sum(layer.total_aj for layer in cost.layers) == cost.total_aj
    for component in COMPONENTS:
        assert sum(layer.energy_aj[component] for layer in cost.layers) == cost.energy_aj[component]
    assert all(isinstance(value, int) for layer in cost.layers for value in layer.energy_aj.values())
    assert cost.low.energy_aj <= cost.total_aj <= cost.high.energy_aj


def test_every_component_that_can_cost_does() -> None:
    energy = whole_cost().energy_aj
    assert [name for name, value in energy.items() if value == 0] == ["multiply_zero"]


def test_energy_of_a_gemm_by_hand() -> None:
    table = load_energy_table("horowitz_45nm")
    energy = pass_energy(gemm("fc1", ("fc1", "gelu")), program(), TRAFFIC, ONE_COPY, IMAGES, table)
    multiply_aj = 224_479  # 9 x 8 bits: 0.0029948 pJ * 72 + 0.0010417 pJ * 8.5
    assert energy["multiply_zero"] == 0
    assert energy["multiply_small"] == 50 * 6 * multiply_aj
    assert energy["multiply_large"] == 25 * 6 * multiply_aj
    assert energy["accumulate"] == 75 * 6 * 100_000  # 32 bits: 0.1 pJ
    assert energy["shift"] == 75 * 6 * 158_880  # 0.1986 pJ * 4 of 5 stages
    assert energy["pe_registers"] == 75 * 6 * (9 + 8 + 4 + 32) * 9_000
    assert energy["decode"] == 105 * 2 * table.shift_aj(9 + 4, 1)  # each operand passes two column tiles
    assert energy["table"] == IMAGES * 30 * 8 * table.sram_read_bit_aj(1024)
    assert energy["weight_buffer"] == IMAGES * (777 + 333) * 156_250  # 10 pJ for 64 bits at 8 KB
    assert energy["dram"] == IMAGES * 4017 * 30_468_750
    assert energy["softmax"] == energy["layernorm"] == energy["residual"] == 0


@pytest.mark.parametrize("name", ["norm", "fc1"])
def test_rows_with_scales_of_their_own_cost_more(name: str) -> None:
    table = load_energy_table("horowitz_45nm")
    plain = program(*every_pass())
    rows = plain.network.manifest.model_copy(deep=True)
    tensor = {"norm": "normed", "fc1": "gelu"}[name]
    rows.tensors[tensor] = rows.tensors[tensor].model_copy(update={"format": RowUniform(bits=8, signed=True)})
    scaled = replace(plain, network=Network(rows, {}))
    one = next(summary for summary in plain.passes if summary.name == name)
    counts = ONE_COPY if one.gemm else None
    before, after = (pass_energy(one, made, TRAFFIC, counts, IMAGES, table) for made in (plain, scaled))
    path = Datapath(config=TINY, table=table)
    if name == "norm":
        assert after["layernorm"] - before["layernorm"] == IMAGES * 30 * path.encode_row() > 0
        assert {key for key in COMPONENTS if after[key] != before[key]} == {"layernorm"}
    else:
        assert after["requantize"] - before["requantize"] == IMAGES * 30 * path.scale_row() > 0
        assert after["decode"] == 105 * 2 * table.add_aj(9)
        more = rows.tensors[tensor].model_copy(update={"format": RowUniform(bits=8, signed=True, outliers=True)})
        rows.tensors[tensor] = more
        outliers = OperandCounts(zero=30, small=50, large=60)
        counted = pass_energy(one, scaled, TRAFFIC, outliers, IMAGES, table)
        assert counted["accumulate"] == 110 * 6 * 100_000


def test_a_zero_operand_saves_the_processing_element_and_nothing_else() -> None:
    table = load_energy_table("horowitz_45nm")
    one = gemm("fc1", ("fc1", "gelu"))
    before = pass_energy(one, program(), TRAFFIC, OperandCounts(zero=0, small=80, large=25), IMAGES, table)
    after = pass_energy(one, program(), TRAFFIC, OperandCounts(zero=10, small=70, large=25), IMAGES, table)
    saved = {name for name in COMPONENTS if after[name] < before[name]}
    assert saved == {"multiply_small", "shift", "accumulate", "pe_registers"}
    assert all(after[name] == before[name] for name in COMPONENTS if name not in saved)


def test_two_accumulators_shift_at_the_drain_only() -> None:
    shift = whole_cost().energy_aj
    two = whole_cost(overrides=["pe_style=two_accumulator"]).energy_aj
    assert shift["shift"] > two["shift"] == 0
    assert two["requantize"] > shift["requantize"]


def test_decoders_cost_what_they_do() -> None:
    path = Datapath(config=TINY, table=load_energy_table("horowitz_45nm"))
    assert path.decode(EIGHT) == 0
    assert path.decode(Uniform(bits=8, signed=False, zero_point=3)) == path.table.add_aj(9)
    assert path.decode(TWO_SCALE) == path.table.shift_aj(13, 1) > 0
    assert path.decode(Logarithmic(bits=4, base="two", max_shift=9)) == path.table.add_aj(4) > 0
    assert path.decode(tanq_codebook(4, 1.4, 12)) == 13 * path.table.sram_read_bit_aj(256 * 13 // 8) > 0


def test_counts_must_fit_the_product() -> None:
    one = program(gemm("fc1", ("fc1",)))
    with pytest.raises(ValueError, match="fc1"):
        estimate(one, profile(one), {}, IMAGES)
    for zero in (1, 104):  # more than all of them is for rows with outliers only
        with pytest.raises(ValueError, match="105"):
            estimate(one, profile(one), {"fc1": OperandCounts(zero=zero, small=1, large=1)}, IMAGES)


@pytest.mark.parametrize("name", energy_table_names())
def test_tables_are_sane(name: str) -> None:
    table = load_energy_table(name)
    assert table.name == name
    sizes = [256, 1024, 8192, 20_000, 65_536, 524_288, 1 << 20, 1 << 22]
    for energy in ([table.sram_read_bit_aj(s) for s in sizes], [table.sram_write_bit_aj(s) for s in sizes]):
        assert energy == sorted(energy)
    assert table.dram_bit_aj("low") <= table.dram_bit_aj("typical") <= table.dram_bit_aj("high")
    assert table.dram_bit_aj("low") > table.sram_read_bit_aj(1 << 20)


def test_horowitz_figures_come_back() -> None:
    table = load_energy_table("horowitz_45nm")
    assert table.multiply_aj(8, 8) == 200_000
    assert table.multiply_aj(32, 32) == 3_100_000
    assert table.add_aj(32) == 100_000
    assert [64 * table.sram_read_bit_aj(kb * 1024) for kb in (8, 32, 1024)] == [10_000_000, 20_000_000, 100_000_000]
    assert 64 * table.dram_bit_aj("low") == 1_300_000_000
    assert table.sram_read_bit_aj(16 * 1024) == round(1e6 * 10 * 2**0.5 / 64)  # halfway on log-log axes


def edited_table(folder: Path, edit: Callable[[dict[str, object]], object]) -> str:
    source = Path(__file__).parents[1] / "hwsim/cost/tables/horowitz_45nm.yaml"
    values = yaml.safe_load(source.read_text())
    edit(values)
    (folder / "mine.yaml").write_text(yaml.safe_dump(values))
    return str(folder / "mine.yaml")


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    mine = edited_table(tmp_path, lambda values: values.update(name="mine", adder=values["adder"] | {"pj": 0.2}))
    assert load_energy_table(mine).add_aj(32) == 200_000
    assert whole_cost(overrides=[f"energy_table={mine}"]).table.name == "mine"


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda values: values.pop("sram"), "sram: is missing"),
        (lambda values: values.update(leakage=1), "leakage: is not a known key"),
        (lambda values: values["adder"].update(pj=-1), "adder.pj"),
        (lambda values: values["adder"].pop("source"), "adder.source: is missing"),
        (lambda values: values["adder"].update(label="guess"), "adder.label"),
        (lambda values: values["adder"].update(pj="cheap"), "adder.pj"),
        (lambda values: values["sram"]["points"].reverse(), "sram: points must have rising bytes"),
        (lambda values: values["multiplier"]["points"].reverse(), "multiplier: points must have rising bits"),
        (lambda values: values["dram_bit"].update(low_pj=99), "dram_bit: low_pj, typical_pj and high_pj must rise"),
    ],
)
def test_mistakes_in_a_table(tmp_path: Path, edit: Callable[[dict[str, object]], object], sentence: str) -> None:
    with pytest.raises(HwsimError) as caught:
        load_energy_table(edited_table(tmp_path, edit))
    assert sentence in str(caught.value)
    assert "mine.yaml" in str(caught.value)


@pytest.mark.parametrize("name", ["horowitz_7nm", "", "nowhere.yaml"])
def test_no_such_table(name: str) -> None:
    with pytest.raises(HwsimError, match="energy_table"):
        load_energy_table(name)
