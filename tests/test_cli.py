"""Each command does what it says; each mistake is one sentence on stderr, exit status 2, no traceback, no half file."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hwsim import cli
from hwsim.compiler.executable import compile_executable
from hwsim.config import load_preset
from hwsim.flows.interrupt import deferred_interrupt
from hwsim.interpreter import run_program
from hwsim.network import load_network, save_network
from hwsim.timing.dram import DramModel
from hwsim.timing.schedule import schedule
from tests.random_network import random_images, random_network

COMMAND = [sys.executable, "-c", "from hwsim.cli import main; main()"]
COUNT = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds a network ``net`` for 28x28 grey images of 10 classes and images for it, ``images.npz``."""
    folder = tmp_path_factory.mktemp("cli")
    network = random_network(3, many_shifts=False, size=28, patch=4, mode="L", classes=10)
    save_network(network, folder / "net")
    labels = np.arange(COUNT) % 10
    np.savez(folder / "images.npz", images=random_images(network, COUNT, 0)[..., 0], labels=labels, top1_float=labels)
    return folder


@pytest.fixture
def hwsim(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command in this process: exit status, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hwsim", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return run


Hwsim = Callable[..., tuple[int, str, str]]


def test_run_writes_the_result(folder: Path, hwsim: Hwsim, tmp_path: Path) -> None:
    status, out, err = hwsim(
        "run", folder / "net", "--data", folder / "images.npz", "--preset", "tiny",
        "--json", tmp_path / "a.json", "--html", tmp_path / "a.html",
    )  # fmt: skip
    assert status == 0, err
    values = json.loads((tmp_path / "a.json").read_text())
    assert values["images"] == COUNT
    assert values["preset"] == "tiny"
    assert values["top1_float"] == 100
    assert values["agreement"] == values["top1_integer"]
    assert values["macs_per_image"] == sum(layer["macs"] for layer in values["layers"])
    energy = values["energy_aj"]
    assert sum(energy["by_component"].values()) == energy["total"]
    assert sum(layer["energy_aj"]["total"] for layer in values["layers"]) == energy["total"]
    assert f"{values['cycles_per_image']:,}" in out
    assert (tmp_path / "a.html").read_text().startswith("<!DOCTYPE html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.json"]


def test_run_repeats_itself(folder: Path, hwsim: Hwsim, tmp_path: Path) -> None:
    results = []
    for name in ("a.json", "b.json"):
        hwsim("run", folder / "net", "--data", folder / "images.npz", "--json", tmp_path / name)
        values = json.loads((tmp_path / name).read_text())
        results.append({key: value for key, value in values.items() if key not in CHANGES_EACH_TIME})
    assert results[0] == results[1]


CHANGES_EACH_TIME = ("wall_seconds", "machine_macs_per_second")


def test_images_and_set(folder: Path, hwsim: Hwsim, tmp_path: Path) -> None:
    arguments = ("run", folder / "net", "--data", folder / "images.npz", "--images", 2, "--json", tmp_path / "a.json")
    assert hwsim(*arguments, "--set", "freq_mhz=100", "--set", "pe_style=two_accumulator")[0] == 0
    values = json.loads((tmp_path / "a.json").read_text())
    assert values["images"] == 2
    assert values["overrides"] == ["freq_mhz=100", "pe_style=two_accumulator"]
    assert values["latency_ms"] == pytest.approx(values["cycles_per_image"] / 100e3)
    assert values["energy_uj_by_component"]["shift"] == 0


def test_cycles_are_those_of_the_program(folder: Path, hwsim: Hwsim, tmp_path: Path) -> None:
    hwsim("run", folder / "net", "--data", folder / "images.npz", "--preset", "tiny", "--json", tmp_path / "a.json")
    values = json.loads((tmp_path / "a.json").read_text())
    config = load_preset("tiny")
    timeline = schedule(compile_executable(load_network(folder / "net"), config).program, config, DramModel(latency=20))
    assert values["cycles_per_image"] == timeline.cycles == sum(layer["cycles"] for layer in values["layers"])
    assert values["busy_cycles"] == timeline.busy_cycles
    assert sum(values["cycles_by_reason"].values()) == timeline.cycles


def test_cycles_with_outliers_are_those_of_the_first_image(hwsim: Hwsim, tmp_path: Path) -> None:
    network = random_network(3, many_shifts=False, row_scales=True, size=28, patch=4, mode="L", channels=24, heads=2)
    save_network(network, tmp_path / "net")
    images, out = random_images(network, 3, 1), tmp_path / "a.json"
    found = []
    for name, chosen in (("all", images), ("first", images[:1]), ("other", images[1:])):
        np.savez(tmp_path / f"{name}.npz", images=chosen[..., 0])
        data = ("--data", tmp_path / f"{name}.npz", "--preset", "tiny")
        status, _, err = hwsim("run", tmp_path / "net", *data, "--json", out)
        assert status == 0, err
        found.append(json.loads(out.read_text())["cycles_per_image"])
    config = load_preset("tiny")
    executable = compile_executable(network, config)
    assert any(one["outliers"] for one in executable.program)
    steps = run_program(executable.with_image(images[0]), config).tile_steps
    memory = DramModel(latency=20)
    assert found[:2] == [schedule(executable.program, config, memory, steps).cycles] * 2
    assert found[0] > schedule(executable.program, config, memory).cycles
    assert found[2] != found[0]


def test_layers_shows_each(folder: Path, hwsim: Hwsim) -> None:
    arguments = ("run", folder / "net", "--data", folder / "images.npz", "--images", 1)
    every = len(hwsim(*arguments, "--layers")[1].splitlines())
    assert every >= len(hwsim(*arguments)[1].splitlines())


def test_from_another_folder_as_a_process(folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "run", "net", "--data", "images.npz", "--json", tmp_path / "a.json"],
        cwd=folder, capture_output=True, text=True, check=False, env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "a.json").read_text())["images"] == COUNT


def test_info(folder: Path, hwsim: Hwsim) -> None:
    status, out, err = hwsim("info", folder / "net")
    assert status == 0, err
    assert re.search(r"[\d,]+ weights", out)
    assert "V-2SF" in out
    assert "<< s" in out
    assert "bits (most:" in out
    assert len(hwsim("info", folder / "net", "--layers")[1]) >= len(out)


def test_version(hwsim: Hwsim) -> None:
    status, out, _ = hwsim("--version")
    assert status == 0
    assert re.match(r"hwsim (\d+\.\d+|not installed)", out)


@pytest.mark.parametrize("command", ["run", "quantize", "info"])
def test_help(hwsim: Hwsim, command: str) -> None:
    status, out, _ = hwsim(command, "--help")
    assert status == 0
    assert f"hwsim {command}" in out


def test_help_needs_neither_torch_nor_matplotlib() -> None:
    code = (
        "import sys\nfrom hwsim.cli import main\nsys.argv = ['hwsim', 'quantize', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'timm', 'golden', 'matplotlib', 'numba')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, cwd=root()).returncode == 0


def empty_network(folder: Path) -> list[object]:
    return ["run", folder / "nowhere"]


def run_with(*arguments: object) -> Callable[[Path], list[object]]:
    return lambda folder: ["run", folder / "net", "--data", folder / "images.npz", *arguments]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (empty_network, "nowhere: no network here"),
        (lambda folder: ["info", folder], "no network here"),
        (lambda folder: ["run", folder / "net"], "hwsim ships no images for network"),
        (lambda folder: ["run", folder / "net", "--data", folder / "none.npz"], "none.npz: no such file or folder"),
        (lambda folder: ["run", folder / "net", "--data", folder / "net/network.json"], "not '.json'"),
        (lambda folder: ["run", folder / "net", "--data", folder / "net"], "no images here"),
        (run_with("--preset", "huge"), "preset must be one of tiny, edge, large, not 'huge'"),
        (run_with("--set", "speed=9"), "'speed' is not a key of a preset"),
        (run_with("--set", "freq_mhz"), "--set takes key=value"),
        (run_with("--set", "drain_lanes=3"), "drain_lanes must divide array_columns (16), not 3"),
        (run_with("--set", "array_rows=12"), "array_rows is 12, expected a power of two"),
        (run_with("--set", "energy_table=horowitz_7nm"), "energy_table must be one of aladdin_40nm, cacti_45nm_lop"),
        (run_with("--set", "activation_buffer_bytes=64"), "activation_buffer_bytes is 64, expected two or more times"),
        (run_with("--set", "weight_bits=4"), "expected weights of weight_bits = 4 signed bits"),
        (run_with("--json", "none/a.json"), "none/a.json: there is no folder none"),
        (run_with("--html", "."), "is a folder"),
        (run_with("--json", "a.out", "--html", "a.out"), "a.out: is named twice"),
    ],
)
def test_mistakes_are_one_sentence(
    folder: Path, hwsim: Hwsim, arguments: Callable[[Path], list[object]], sentence: str
) -> None:
    status, out, err = hwsim(*arguments(folder))
    assert status == 2
    assert sentence in err
    assert err.startswith("hwsim: ")
    assert err.count("\n") == 1
    assert not out


def test_images_of_another_size(folder: Path, hwsim: Hwsim, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 32, 32), np.uint8))
    status, _, err = hwsim("run", folder / "net", "--data", tmp_path / "a.npz", "--json", tmp_path / "a.json")
    assert status == 2
    assert "images must be [n, 28, 28] for this network, not [2, 32, 32]" in err
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize(
    "arguments", [["run", "--colour"], ["walk"], ["run", "--images", "0"], ["run", "--images", "x"]]
)
def test_usage_mistakes(hwsim: Hwsim, arguments: list[str]) -> None:
    status, _, err = hwsim(*arguments)
    assert status == 2
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (("--method", "magic"), "or repq, not 'magic'"),
        (("--bits", 99), "bits: input should be less than or equal to 8, not 99"),
        (("--images", 0), "images must be 1 or more, not 0"),
    ],
)
def test_quantize_mistakes(hwsim: Hwsim, tmp_path: Path, option: tuple[object, ...], sentence: str) -> None:
    needed = ("--model", "m", "--weights", tmp_path / "w", "--calib", tmp_path, "--out", tmp_path / "out")
    status, _, err = hwsim("quantize", *needed, *option)
    assert status == 2
    assert sentence in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("missing", ["torch", "timm"])
def test_quantize_without_the_extra(tmp_path: Path, missing: str) -> None:
    # a process of its own: torch cannot be imported a second time in this one
    arguments = ["quantize", "--model", "m", "--weights", "w", "--calib", ".", "--out", "out"]
    code = (
        f"import sys\nsys.modules[{missing!r}] = None\nsys.argv = ['hwsim', *{arguments}]\n"
        "from hwsim.cli import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment()
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"({missing} is missing): pip install 'hwsim[golden]'" in done.stderr


def test_interrupted_in_a_long_run(folder: Path, tmp_path: Path) -> None:
    """Ctrl-C while images run: one sentence, status 2, and neither output nor a part of it."""
    pixels = np.random.default_rng(0).integers(0, 256, (20_000, 28, 28), dtype=np.uint8)
    np.savez(tmp_path / "many.npz", images=pixels)
    out = tmp_path / "out"
    out.mkdir()
    process = subprocess.Popen(
        [*COMMAND, "--verbose", "run", folder / "net", "--data", tmp_path / "many.npz", "--json", out / "a.json"],
        cwd=root(), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=environment(),
    )  # fmt: skip
    assert process.stderr is not None
    seen = ""
    while "running" not in seen:  # the log line after everything is loaded and compiled
        line = process.stderr.readline()
        assert line, f"ended before it ran: {seen}"
        seen += line
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 2, stderr
    assert "interrupted" in stderr
    assert "Traceback" not in stderr
    assert not stdout
    assert not list(out.iterdir())


def test_interrupt_waits_for_a_safe_point_and_a_second_one_does_not() -> None:
    before = signal.getsignal(signal.SIGINT)
    reached: list[object] = []

    def work(*, interrupts: int) -> None:
        with deferred_interrupt() as check:
            check()
            for number in range(interrupts):
                signal.raise_signal(signal.SIGINT)
                reached.append(number)
            check()
            reached.append("the end")

    for interrupts in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            work(interrupts=interrupts)
    assert reached == [0, 0]
    work(interrupts=0)
    assert reached[-1] == "the end"
    assert signal.getsignal(signal.SIGINT) is before


def root() -> Path:
    return Path(__file__).resolve().parent.parent


def environment() -> dict[str, str]:
    """Environment in which a process in any folder finds this hwsim, installed or not."""
    import os

    return os.environ | {"PYTHONPATH": str(root())}
