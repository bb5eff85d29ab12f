"""``hwsim compare``: rows are what ``quantize`` and ``run`` find, cells are kept, mistakes are one sentence."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from distributed import LocalCluster, wait

from golden.method import method_config
from hwsim import cli
from hwsim.cost.area import VARIANTS, Size
from hwsim.cost.format_units import SIDES, format_units, variant
from hwsim.errors import HwsimError
from hwsim.flows import workers
from hwsim.flows.compare import compare, plan
from hwsim.flows.compare_cell import weight_bytes
from hwsim.flows.compare_options import CompareOptions, by_model, parse_bits, parse_methods
from hwsim.flows.compare_store import Store
from hwsim.flows.quantize import QuantizeOptions, quantize
from hwsim.flows.run import RunOptions, run
from hwsim.flows.shipped import zoo
from hwsim.network import ARRAYS_NAME, Linear, load_network
from hwsim.report.comparison import Comparison, UnitSize
from tests.random_network import random_network

IMAGES, CALIBRATION = 12, 2
Hwsim = Callable[..., tuple[int, str, str]]
NO_YOSYS = "Yosys is not there"


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Address of a scheduler with one worker, in this process."""
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def hwsim(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], scheduler: str, tmp_path: Path) -> Hwsim:
    """Run ``hwsim compare`` in this process, on few images, without Yosys: exit status, stdout, stderr."""

    def no_yosys() -> str:
        raise HwsimError(NO_YOSYS)

    monkeypatch.setattr("hwsim.flows.compare.yosys_version", no_yosys)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object, on: str | None = scheduler) -> tuple[int, str, str]:
        few = ("--images", IMAGES, "--calib-images", CALIBRATION) + (() if on is None else ("--scheduler", on))
        monkeypatch.setattr(sys, "argv", ["hwsim", "compare", *map(str, (*few, *arguments))])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return call


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["rows"]
    return found


def test_a_row_is_what_quantize_and_run_find(hwsim: Hwsim, tmp_path: Path) -> None:
    with np.load(zoo() / "fashion_mnist" / "test.npz") as archive:
        first = {name: archive[name][:IMAGES] for name in ("images", "labels")}
    np.savez(tmp_path / "first.npz", **first)
    status, out, err = hwsim("--methods", "minmax:rounds=1", "--bits", "6", "--json", "a.json")
    assert status == 0, err
    (row,) = rows(tmp_path / "a.json")
    calib = zoo() / "fashion_mnist" / "calib.npz"
    measured = quantize(
        QuantizeOptions(
            model="fashion_mnist_vit", calib=calib, out=tmp_path / "net", method="minmax", bits=6, images=CALIBRATION,
            parts={"rounds": 1}, data=tmp_path / "first.npz",
        )
    ).measured  # fmt: skip
    for mode in ("float", "paper", "integer"):
        assert row[f"top1_{mode}"] == measured.figures[mode].top1
    assert row["agreement_integer"] == measured.figures["integer"].agreement
    assert row["drop_integer"] == measured.figures["float"].top1 - measured.figures["integer"].top1
    cost = run(RunOptions(network=str(tmp_path / "net"), data=tmp_path / "first.npz", images=8)).cost
    assert row["cost"]["cycles"] == cost.cycles_per_image
    assert row["cost"]["energy_uj"] == cost.per_image_uj(cost.total_aj)
    network = load_network(tmp_path / "net")
    assert row["arrays_mb"] == pytest.approx((tmp_path / "net" / ARRAYS_NAME).stat().st_size / 1e6, abs=1e-9)
    linear = {
        layer.name: network.arrays[f"{layer.name}.weight"].size for layer in network.layers if type(layer) is Linear
    }
    edges = linear.pop("patch_embed") + linear.pop("head")
    assert (
        row["weights_mb"]
        == (edges + sum(linear.values()) * 6 / 8) / 1e6
        == weight_bytes(network, method_config("minmax", 6)) / 1e6
    )
    assert [tuple(unit) for unit in row["units"]] == list(format_units(network))
    assert row["reconstruction_iterations"] is None
    assert row["images"] == IMAGES
    assert f"{row['cost']['cycles']:,}" in out
    assert f"no gates of decoders and encoders: {NO_YOSYS}" in out


def test_finished_cells_are_reused_until_something_else_decides_them(hwsim: Hwsim, tmp_path: Path) -> None:
    def reused(*arguments: object) -> list[bool]:
        status, _, err = hwsim("--methods", "minmax", "--json", "a.json", "--out", "cells", *arguments)
        assert status == 0, err
        return [row["reused"] for row in rows(tmp_path / "a.json")]

    assert reused("--bits", 8) == [False]
    first = rows(tmp_path / "a.json")[0]
    assert reused("--bits", "4,8") == [False, True]
    assert rows(tmp_path / "a.json")[1] == first | {"reused": True}
    _, _, err = hwsim("--methods", "minmax", "--bits", 8, "--out", "cells")
    assert "1 of 1 cells are from earlier calls (cells); --fresh computes them again" in err
    assert reused("--bits", 8, "--fresh") == [False]
    for path in (tmp_path / "cells").glob("*minmax-8*.json"):
        path.write_text(path.read_text()[:-20])
    assert reused("--bits", "8") == [False]


def test_all_that_decides_a_cell_is_in_its_key(tmp_path: Path) -> None:
    options = CompareOptions(methods=("minmax",), bits=("8",), images=4, calib_images=2)
    np.savez(tmp_path / "a.npz", images=np.zeros((4, 28, 28), np.uint8))
    data = (str(tmp_path / "a.npz"),)
    changes: list[dict[str, Any]] = [
        {}, {"bits": ("7",)}, {"methods": ("omse",)}, {"methods": ("minmax:rounds=1",)}, {"seed": 1}, {"images": 3},
        {"calib_images": 3}, {"preset": "tiny"}, {"overrides": ("freq_mhz=1",)}, {"random_weights": 0},
        {"stress": True}, {"data": data}, {"calib": data}, {"crop": 0.9}, {"reconstruct": True},
    ]  # fmt: skip
    keys = [plan(replace(options, **change), Store(tmp_path))[0].key for change in changes]
    assert len(set(keys)) == len(keys)
    same: list[dict[str, Any]] = [{}, {"jobs": 1}, {"scheduler": "tcp://a:1"}, {"out": tmp_path}]
    assert {plan(replace(options, **change), Store(tmp_path))[0].key for change in same} == {keys[0]}


class Stop:
    """A watcher that presses Ctrl-C after the first row."""

    def begin(self, total: int, reused: int, out: Path) -> None:
        self.known = reused

    def stage(self, number: int, what: str) -> None:
        pass

    def row(self, row: Any, number: int) -> None:
        raise KeyboardInterrupt


class Go(Stop):
    """A watcher that notes what workers do."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def stage(self, number: int, what: str) -> None:
        self.stages.append(what)

    def row(self, row: Any, number: int) -> None:
        pass


def test_interrupt_keeps_what_is_finished(hwsim: Hwsim, scheduler: str, tmp_path: Path) -> None:
    options = CompareOptions(
        methods=("minmax",), bits=("8,7",), images=2, calib_images=2, scheduler=scheduler, out=tmp_path / "cells"
    )
    with pytest.raises(HwsimError, match="interrupted with 1 of 2 cells finished; the same command goes on from them"):
        compare(options, Stop())
    assert len(list((tmp_path / "cells").glob("*.json"))) == 1
    watcher = Go()
    found = compare(options, watcher)
    assert watcher.known == 1
    assert sorted(row.reused for row in found.rows) == [False, True]
    assert {"loading", "measured 2 of 2 images", "counting cycles and energy"} <= set(watcher.stages)


def test_a_failing_cell_stops_no_other(hwsim: Hwsim, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from golden import pipeline

    sound = pipeline.quantise

    def fragile(model: Any, images: Any, config: Any, *rest: Any) -> Any:
        if config.method == "omse":
            raise ValueError("a\nfault <b>. And more")
        if config.method == "percentile":
            raise HwsimError("percentile: no")
        return sound(model, images, config, *rest)

    monkeypatch.setattr(pipeline, "quantise", fragile)
    files = ("--json", "a.json", "--csv", "a.csv", "--html", "a.html")
    status, out, err = hwsim("--methods", "omse,minmax,percentile", "--bits", "8", *files)
    assert status == 0, err
    assert [row["failure"] for row in rows(tmp_path / "a.json")] == ["ValueError: a fault <b>", None, "percentile: no"]
    assert "fashion_mnist_vit percentile 8 bits failed: percentile: no" in out
    lines = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert [line["failure"] for line in lines] == ["ValueError: a fault <b>", "", "percentile: no"]
    assert float(lines[1]["energy_uj"]) == rows(tmp_path / "a.json")[1]["cost"]["energy_uj"]
    page = (tmp_path / "a.html").read_text()
    assert "ValueError: a fault &lt;b&gt;" in page
    assert "<svg" in page
    assert "src=" not in page.replace("xlink:href", "")
    status, _, _ = hwsim("--methods", "omse", "--bits", "8,4")
    assert status == 1
    assert len(list((tmp_path / "build" / "compare").glob("*.json"))) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--methods", "minmax,magic"), "method must be tsptq, adfq, dopq, .* or repq, not 'magic'"),
        (("--methods", "softmax=log2,minmax"), "'softmax=log2' has no method before it"),
        (("--methods", "codesign"), "codesign chooses within a budget, expected hwsim quantize --method codesign"),
        (("--methods", "minmax:softmax"), "'minmax:softmax' has a part without a value"),
        (("--methods", "minmax:softmax=cubic"), "method minmax: softmax: input should be .*, not 'cubic'"),
        (("--methods", ","), "--methods: names nothing"),
        (("--bits", "9"), "bits: input should be less than or equal to 8, not 9"),
        (("--bits", "8,x"), "--bits must be whole numbers, separated by commas, not 'x'"),
        (("--bits", ","), "--bits: names nothing"),
        (("--models", "resnet18"), "not 'resnet18'"),
        (("--models", "deit_tiny_patch16_224"), "--data: hwsim ships no images for deit_tiny_patch16_224"),
        (("--models", "fashion_mnist_vit,deit_tiny_patch16_224", "--weights", "w"), "say whose"),
        (("--weights", "w.safetensors"), "w.safetensors"),
        (("--data", "nothing.npz"), "nothing.npz: no such file or folder"),
        (("--calib", "nothing.npz"), "nothing.npz: no such file or folder"),
        (("--calib-images", 1000), "has 128 images, but 1000 were asked for|asks for 1000 to calibrate with"),
        (("--crop", 2), "--crop must be above 0 and at most 1, not 2.0"),
        (("--jobs", 2), "--jobs and --scheduler: expected one of them"),
        (("--preset", "huge"), "preset must be one of tiny, edge, large, not 'huge'"),
        (("--out", "file"), "file: cannot be a folder for the cells: File exists"),
        (("--json", "none/a.json"), "none/a.json: there is no folder none"),
        (("--csv", "a.out", "--html", "a.out"), "a.out: is named twice"),
    ],
)
def test_mistakes_are_one_sentence(hwsim: Hwsim, tmp_path: Path, arguments: tuple[object, ...], sentence: str) -> None:
    (tmp_path / "file").touch()
    status, out, err = hwsim("--methods", "minmax", *arguments) if "--methods" not in arguments else hwsim(*arguments)
    assert status == 2
    assert err.startswith("hwsim: ")
    assert err.count("\n") == 1
    with pytest.raises(AssertionError, match=sentence):
        raise AssertionError(err)
    assert not out
    assert not list(tmp_path.rglob("*.json"))


def test_schedulers_that_cannot_work(hwsim: Hwsim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "CONNECT_SECONDS", 0.5)
    for address in ("tcp://127.0.0.1:1", "nonsense"):
        status, _, err = hwsim("--methods", "minmax", on=address)
        assert status == 2
        assert f"hwsim: --scheduler {address}: no Dask scheduler answers (expected an address such as tcp://" in err
    with LocalCluster(n_workers=0, processes=False, protocol="tcp", dashboard_address="127.0.0.1:0") as empty:
        status, _, err = hwsim("--methods", "minmax", on=empty.scheduler_address)
    assert status == 2
    assert "has no workers (start some with: dask worker tcp://127.0.0.1" in err


@pytest.mark.parametrize(("missing", "needed"), [("distributed", "Dask"), ("golden.from_timm", "PyTorch and timm")])
def test_without_the_extra(hwsim: Hwsim, monkeypatch: pytest.MonkeyPatch, missing: str, needed: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    status, _, err = hwsim("--methods", "minmax")
    assert status == 2
    assert err == f"hwsim: compare needs {needed} ({missing} is missing): pip install 'hwsim[golden]'\n"


def test_a_machine_that_differs_from_integer_mode_fails_its_cell(
    hwsim: Hwsim, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from golden.integer import IntegerModel

    sound = IntegerModel.__call__

    def wrong(self: IntegerModel, images: Any) -> Any:
        logits = sound(self, images).clone()
        logits[-1, 3] += 1
        return logits

    monkeypatch.setattr(IntegerModel, "__call__", wrong)
    status, out, _ = hwsim("--methods", "minmax", "--bits", "8", "--json", "a.json")
    assert status == 1, out
    failure = rows(tmp_path / "a.json")[0]["failure"]
    assert failure.endswith("1 of 80 logits of the machine differ from integer mode on 8 images, expected none")


def test_worker_processes(hwsim: Hwsim, tmp_path: Path) -> None:
    status, _, err = hwsim("--methods", "minmax", "--bits", 8, "--jobs", 1, "--json", "a.json", on=None)
    assert status == 0, err
    assert rows(tmp_path / "a.json")[0]["failure"] is None
    assert err.splitlines() == [line for line in err.splitlines() if line.startswith("fashion_mnist_vit minmax 8 bits")]


def test_a_worker_that_dies_is_a_failure_of_its_cell() -> None:
    with workers.local_workers(1) as client:
        future = client.submit(os._exit, 1)
        wait(future)
        assert workers._result(future) == {"failure": "its worker process died (out of memory?)"}
        assert client.submit(abs, -1).result() == 1
        kept = client.submit(os.getenv, "MALLOC_TRIM_THRESHOLD_").result()
        assert int(kept) >= 1 << 30, "a worker that gives memory back at every free is slow"


def test_help_needs_neither_torch_nor_dask() -> None:
    code = (
        "import sys\nfrom hwsim.cli import main\nsys.argv = ['hwsim', 'compare', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'dask', 'distributed', 'golden', 'numba')))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, cwd=Path(__file__).parents[1])
    assert done.returncode == 0


def test_lists_of_the_command_line() -> None:
    found = parse_methods(["tsptq,dopq:softmax=tanq_c,outlier_threshold=null, rounds=1 ,adfq", "repq:full_grid=true"])
    assert [(one.method, one.parts) for one in found] == [
        ("tsptq", {}),
        ("dopq", {"softmax": "tanq_c", "outlier_threshold": None, "rounds": 1}),
        ("adfq", {}),
        ("repq", {"full_grid": True}),
    ]
    assert [one.label for one in parse_methods(["minmax:b=1,a=2,minmax,minmax:a=2,b=1"])] == [
        "minmax:a=2,b=1",
        "minmax",
    ]
    assert parse_bits(["8,6", "6,4"]) == [8, 6, 4]
    two = ["a", "b"]
    assert by_model(["a=x", "b=y"], two, "--weights", shared=False) == {"a": Path("x"), "b": Path("y")}
    assert by_model(["k=v.npz"], two, "--data", shared=True) == {"a": Path("k=v.npz"), "b": Path("k=v.npz")}
    with pytest.raises(HwsimError, match="--data: gives a both x and y"):
        by_model(["x", "a=y"], two, "--data", shared=True)


def test_every_unit_of_a_network_has_a_price() -> None:
    for seed in range(6):
        for rows_have_scales in (False, True):
            network = random_network(seed, row_scales=rows_have_scales)
            units = format_units(network)
            assert all(variant(*unit) in VARIANTS for unit in units)
            assert ("row encoder" in {role for role, _ in units}) == rows_have_scales
            assert {role for role, _ in units} <= set(SIDES)
    with pytest.raises(HwsimError, match="no unit of the Verilog is a row decoder for the format cubic"):
        variant("row decoder", "cubic")


def test_gates_are_the_sum_over_the_units(hwsim: Hwsim, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def priced(one: Any, *_: Any) -> Any:
        return SimpleNamespace(size=Size(gates=len(one.format), registers=1, nand2=len(one.role), memory_bits=1024))

    monkeypatch.setattr("hwsim.flows.compare.yosys_version", lambda: "1")
    monkeypatch.setattr("hwsim.flows.compare.price", priced)
    status, out, err = hwsim("--methods", "minmax", "--bits", 8, "--json", "a.json")
    assert status == 0, err
    (row,) = rows(tmp_path / "a.json")
    assert {tuple(unit) for unit in row["units"]} == {
        ("row decoder", "uniform"), ("softmax encoder", "uniform"), ("table encoder", "any 8-bit"),
        ("residual adder", "one scale, 16 bits"),
    }  # fmt: skip
    assert row["decoder_nand2"] == len("row decoder")
    assert row["encoder_nand2"] == len("softmax encoder") + len("table encoder") + len("residual adder")
    assert row["encoder_memory_bits"] == 3 * 1024
    assert f"{row['encoder_nand2']}+3k" in out


def test_images_without_labels(hwsim: Hwsim, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8))
    status, out, err = hwsim(
        "--methods", "minmax", "--bits", 8, "--data", "a.npz", "--html", "a.html", "--json", "a.json"
    )
    assert status == 0, err
    (row,) = rows(tmp_path / "a.json")
    assert row["top1_integer"] is row["drop_integer"] is None
    assert f"agreement {row['agreement_integer']:.2f} %" in err
    assert "Measured on 3 of a.npz" in out
    assert "best agreement at 8 bits" in (tmp_path / "a.html").read_text()


def test_a_sum_needs_synthesis() -> None:
    unit = UnitSize(side="decoder", nand2=2.0, gates=1, registers=1, memory_bits=0)
    empty = Comparison(
        rows=(), preset="edge", overrides=(), data="", calibration="", seed=0, stressed=False, units={}, no_units="",
        versions={},
    )  # fmt: skip
    found: Any = SimpleNamespace(units=(("row decoder", "uniform"),))
    assert empty.size(found, "decoder") is None
    full = replace(empty, units={("row decoder", "uniform"): unit})
    assert full.size(found, "decoder") == unit
    assert full.size(found, "encoder") == UnitSize(side="encoder", nand2=0, gates=0, registers=0, memory_bits=0)
