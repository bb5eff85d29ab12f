"""``hwsim explore``: points are what ``run`` finds, a bad point is a row, mistakes are one sentence."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import LocalCluster

from hwsim import cli
from hwsim.compiler.executable import compile_executable
from hwsim.config import load_preset
from hwsim.cost.area_estimate import estimate_area, fitted
from hwsim.errors import HwsimError
from hwsim.flows.explore import explore
from hwsim.flows.explore_memo import Memo
from hwsim.flows.explore_options import ExploreOptions, parse_grid, settings_of
from hwsim.flows.explore_point import Evaluator
from hwsim.flows.explore_shapes import random_pixels, shape_network
from hwsim.flows.run import RunOptions, run
from hwsim.flows.shipped import network_path
from hwsim.interpreter import run_program
from hwsim.network import load_network, save_network
from hwsim.report.exploration import Figures, Point, pareto
from hwsim.timing.dram import DramModel
from hwsim.timing.schedule import schedule
from tests.random_network import random_images, random_network

IMAGES = 2
Hwsim = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Address of a scheduler with one worker, in this process."""
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small network."""
    folder = tmp_path_factory.mktemp("networks") / "small"
    network = random_network(3, size=4, patch=2)
    save_network(network, folder)
    pixels = random_images(network, IMAGES, 0)
    np.savez(folder / "images.npz", images=pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    return folder


@pytest.fixture
def hwsim(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], scheduler: str, small: Path, tmp_path: Path
) -> Hwsim:
    """Run ``hwsim explore`` on the small network in this process: exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        where = [] if "--jobs" in arguments else ["--scheduler", scheduler]
        what = [] if "--networks" in arguments else ["--networks", small]
        images = [] if {"--images", "--data"} & set(arguments) else ["--images", IMAGES, "--data", small / "images.npz"]
        monkeypatch.setattr(sys, "argv", ["hwsim", "explore", *map(str, (*where, *what, *images, *arguments))])
        try:
            cli.main()
            status = 0
        except SystemExit as ended:
            status = int(ended.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return call


def points(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["points"]
    return found


def test_a_point_is_what_run_finds(hwsim: Hwsim, small: Path, tmp_path: Path) -> None:
    grid = ("--vary", "array_rows=4,16", "--vary", "drain_lanes=2,4", "--vary", "freq_mhz=100,300")
    fixed = ("--set", "layernorm_lanes=4", "--set", "energy_table=cacti_45nm_lop")
    status, out, err = hwsim(*grid, *fixed, "--json", "a.json", "--all")
    assert status == 0, err
    found = points(tmp_path / "a.json")
    keys = ("array_rows", "drain_lanes", "freq_mhz")
    expected = [(rows, lanes, clock) for rows in (4, 16) for lanes in (2, 4) for clock in (100, 300)]
    assert [tuple(point["settings"][key] for key in keys) for point in found] == expected
    for point in found[::3]:
        overrides = (*fixed[1::2], *(f"{key}={value}" for key, value in point["settings"].items()))
        cost = run(RunOptions(network=str(small), data=small / "images.npz", overrides=overrides)).cost
        assert point["figures"]["cycles"] == cost.cycles_per_image
        assert point["figures"]["latency_ms"] == cost.latency_ms
        assert point["figures"]["energy_uj"] == cost.per_image_uj(cost.total_aj)
        assert f"{cost.cycles_per_image:,}" in out
    assert {point["top1"] for point in found} == {None}


def test_a_bad_point_is_a_row_and_a_second_call_computes_nothing(
    hwsim: Hwsim, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    grid = ("--vary", "activation_buffer_bytes=64,65536", "--vary", "drain_lanes=3,8", "--out", "points")
    files = ("--json", "a.json", "--csv", "a.csv", "--html", "a.html")
    status, out, err = hwsim(*grid, *files)
    assert status == 0, err
    first = points(tmp_path / "a.json")
    assert [point["figures"] is None for point in first] == [True, True, True, False]
    assert "drain_lanes must divide array_columns (16), not 3" in first[0]["failure"]
    assert "activation_buffer_bytes" in first[1]["failure"]
    assert "activation_buffer_bytes=64 drain_lanes=8 failed: " in out
    lines = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert [line["pareto"] for line in lines] == ["0", "0", "0", "1"]
    assert float(lines[3]["energy_uj"]) == first[3]["figures"]["energy_uj"]
    page = (tmp_path / "a.html").read_text()
    assert page.endswith("</html>")
    assert "<svg" in page
    assert "src=" not in page.replace("xlink:href", "")
    monkeypatch.setattr("hwsim.flows.explore.compute", None)
    assert hwsim(*grid, *files)[0] == 0
    assert points(tmp_path / "a.json") == [point | {"reused": True} for point in first]
    assert hwsim("--vary", "drain_lanes=3", "--out", "points", "--set", "activation_buffer_bytes=64")[0] == 1
    assert hwsim("--vary", "drain_lanes=8", "--out", "points", "--set", "activation_buffer_bytes=65536")[0] == 0


def test_points_are_computed_again_where_something_else_decides_them(hwsim: Hwsim, tmp_path: Path) -> None:
    def reused(*arguments: object) -> list[bool]:
        status, _, err = hwsim("--json", "a.json", "--out", "points", *arguments)
        assert status == 0, err
        return [point["reused"] for point in points(tmp_path / "a.json")]

    assert reused("--vary", "freq_mhz=100") == [False]
    assert reused("--vary", "freq_mhz=200,100") == [False, True]
    assert reused("--vary", "freq_mhz=100", "--set", "softmax_lanes=4") == [False]
    assert reused("--vary", "freq_mhz=100", "--images", 0) == [False]
    assert points(tmp_path / "a.json")[0]["figures"]["energy_uj"] is None
    assert reused("--vary", "freq_mhz=100", "--fresh") == [False]
    for path in (tmp_path / "points").glob("*.json"):
        path.write_text(path.read_text()[:-30])
    assert reused("--vary", "freq_mhz=100") == [False]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--vary", "array_row=8"), "--vary: 'array_row' is not a key of a preset; the keys are array_rows, "),
        (("--vary", "array_rows"), "--vary takes key=a,b,c, not 'array_rows'"),
        (("--vary", "array_rows="), "--vary array_rows: names nothing"),
        (("--vary", "array_rows=8,many"), "--vary array_rows=many: input should be a valid integer, not 'many'"),
        (("--vary", "array_rows=8,0"), "--vary array_rows=0: input should be greater than or equal to 1, not 0"),
        (("--vary", "pe_style=round"), "--vary pe_style=round: input should be 'shift' or 'two_accumulator'"),
        (("--vary", "energy_table=free"), "energy_table must be one of "),
        (("--vary", "freq_mhz=1", "--vary", "freq_mhz=2"), "--vary: freq_mhz is given twice"),
        (("--vary", "freq_mhz=1", "--set", "freq_mhz=2"), "--vary: freq_mhz is given twice"),
        (("--vary", "freq_mhz=1", "--preset", "huge"), "preset must be one of tiny, edge, large, not 'huge'"),
        (
            ("--vary", "freq_mhz=1", "--networks", "resnet"),
            "--networks: there is no network 'resnet' (expected a folder",
        ),
        (("--vary", "freq_mhz=1", "--data", "no.npz"), "no.npz: no such file or folder"),
        (("--vary", "freq_mhz=1", "--networks", "deit_tiny_patch16_224", "--data", "a"), "has random weights"),
        (("--vary", "freq_mhz=1", "--json", "none/a.json"), "none/a.json: there is no folder none"),
        (("--vary", "freq_mhz=1", "--csv", "a", "--html", "a"), "a: is named twice"),
        (("--vary", "freq_mhz=1", "--out", "file"), "file: cannot be a folder for the points: File exists"),
    ],
)
def test_mistakes_are_one_sentence(hwsim: Hwsim, tmp_path: Path, arguments: tuple[object, ...], sentence: str) -> None:
    (tmp_path / "file").touch()
    status, out, err = hwsim(*arguments)
    assert status == 2
    assert err.startswith("hwsim: ")
    assert err.count("\n") == 1
    assert sentence in err
    assert not out
    assert not list(tmp_path.rglob("*.json"))


def test_options_that_contradict_each_other(scheduler: str) -> None:
    with pytest.raises(HwsimError, match="--jobs and --scheduler: expected one of them"):
        explore(ExploreOptions(vary=("freq_mhz=1",), jobs=1, scheduler=scheduler))
    with pytest.raises(HwsimError, match="asks for 1,000,000 points, expected at most 100,000"):
        parse_grid(
            [f"{key}={','.join(map(str, range(1, 101)))}" for key in ("array_rows", "array_columns", "freq_mhz")], []
        )


def test_interrupt_keeps_what_is_finished(scheduler: str, small: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    options = ExploreOptions(
        vary=("freq_mhz=1,2,3,4,5",), networks=(str(small),), images=0, scheduler=scheduler, out=tmp_path / "points"
    )
    with pytest.raises(HwsimError, match="interrupted with 1 of 5 points finished; the same command goes on"):
        explore(options, stop)
    assert len(list((tmp_path / "points").glob("*.json"))) == 1
    assert sum(point.reused for point in explore(options).points) == 1


def test_without_dask(hwsim: Hwsim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    status, _, err = hwsim("--vary", "freq_mhz=1")
    assert status == 2
    assert err == "hwsim: explore needs Dask (distributed is missing): pip install 'hwsim[explore]'\n"


def test_rows_with_outliers_need_an_image() -> None:
    networks = (random_network(seed, row_scales=True) for seed in range(50))
    network = next(one for one in networks if any(layer.op == "layernorm" and layer.threshold for layer in one.layers))
    config = load_preset("edge", ["array_rows=4"])
    with pytest.raises(HwsimError, match="its cycles need an image"):
        Evaluator(network, None).figures(config)
    pixels = random_images(network, 1, 0)
    evaluator = Evaluator(network, pixels)
    executable = compile_executable(network, config)
    steps = run_program(executable.with_image(pixels[0]), config).tile_steps
    assert evaluator.figures(config).cycles == schedule(executable.program, config, DramModel(latency=20), steps).cycles


def test_what_plays_no_part_is_not_computed_again() -> None:
    evaluator = Evaluator(load_network(network_path(None)), None)
    base = load_preset("tiny")
    figures = [
        evaluator.figures(base.model_copy(update=change))
        for change in ({}, {"freq_mhz": 100}, {"pe_style": "two_accumulator"}, {"energy_table": "aladdin_40nm"},
                       {"queue_depth": 2}, {"dma_outstanding": 1}, {"weight_buffer_bytes": 16384})
    ]  # fmt: skip
    assert evaluator.compiled.computed == 1
    assert figures[1] == replace(figures[0], latency_ms=2 * figures[0].latency_ms)
    assert figures[3] == figures[0]
    assert figures[4].cycles > figures[0].cycles


def test_a_memo_keeps_refusals_and_tells_configurations_apart() -> None:
    calls = []

    def area(config: Any) -> int:
        calls.append(1)
        if config.array_rows == 8:
            raise HwsimError("no")
        return int(config.array_rows * (config.array_columns if config.array_rows < 8 else 1))

    memo = Memo(area)
    edge = load_preset("edge")
    for rows, columns, expected in ((4, 4, 16), (16, 4, 16), (16, 8, 16), (4, 8, 32), (4, 4, 16)):
        assert (
            memo(edge.model_copy(update={"array_rows": rows, "array_columns": columns, "freq_mhz": columns}))
            == expected
        )
    for _ in range(2):
        with pytest.raises(HwsimError, match="no"):
            memo(edge.model_copy(update={"array_rows": 8}))
    assert memo.computed == len(calls) == 4


def test_no_marked_point_is_dominated_and_every_other_one_is() -> None:
    rng = np.random.default_rng(0)
    triples = rng.integers(1, 9, (200, 3))
    found = [
        Point(
            network="ab"[index % 2], settings={}, top1=None, failure=None, reused=False,
            figures=Figures(
                cycles=1, latency_ms=x, energy_uj=float(y), gates_nand2=1.0, memory_bits=1, area_nand2=float(z)
            ),
        )
        for index, (x, y, z) in enumerate(triples)
    ]  # fmt: skip
    marks = pareto(found)
    for index, mark in enumerate(marks):
        rivals = triples[index % 2 :: 2]
        dominated = any((rival <= triples[index]).all() and (rival < triples[index]).any() for rival in rivals)
        assert mark is not dominated
    assert 0 < sum(marks) < len(marks)


def test_the_shape_of_deit_tiny_takes_the_cycles_of_deit_tiny() -> None:
    network = shape_network("deit_tiny_patch16_224")
    figures = Evaluator(network, random_pixels(network, 1)).figures(load_preset("edge"))
    assert figures.cycles == 5_253_567


def test_the_area_estimate_is_what_was_synthesised() -> None:
    for one in fitted():
        found = estimate_area(load_preset(one["preset"], one["overrides"]))
        assert found.memory_bits == one["memory_bits"]
        assert found.gates_nand2 == pytest.approx(one["gates_nand2"], abs=1)
    edge, double = load_preset("edge"), load_preset("edge", ["pe_style=two_accumulator"])
    more = [estimate_area(config).gates_nand2 or 0.0 for config in (edge, double)]
    assert more[1] - more[0] == pytest.approx(788436 - 594670.5, rel=0.001)  # two PE arrays, each synthesised
    wide = estimate_area(load_preset("edge", ["mantissa_bits=13"]))
    assert wide.unknown == ("mantissa_bits",)
    assert wide.gates_nand2 is wide.area_nand2 is None


def test_grid() -> None:
    grid = parse_grid(["array_rows=8,16,8", "pe_style=shift, two_accumulator"], [])
    assert grid == {"array_rows": [8, 16], "pe_style": ["shift", "two_accumulator"]}
    assert settings_of(grid)[1] == {"array_rows": 8, "pe_style": "two_accumulator"}
    with pytest.raises(HwsimError, match="--vary: names nothing"):
        parse_grid([], [])
