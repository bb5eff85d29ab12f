"""``hwsim localise``: what it writes, what its sentences say, and each mistake as one sentence."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwsim import cli
from hwsim.flows.localise import LocaliseOptions, localise
from hwsim.flows.shipped import zoo
from hwsim.network import load_network, save_network
from hwsim.report.localisation import LayerRow, Localisation, ModeFigures, UnitRow, verdicts
from hwsim.report.localisation_page import render_localisation
from tests.random_network import random_network

Hwsim = Callable[..., tuple[int, str, str]]
IMAGES = 2


@pytest.fixture
def hwsim(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Hwsim:
    """Run ``hwsim localise`` in this process: exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hwsim", "localise", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return run


def layer(name: str, own: float, **changes: object) -> LayerRow:
    row = LayerRow(
        layer=name, op="table", format="two_scale 4", sqnr_paper_db=20.0, sqnr_integer_db=18.0, sqnr_own_db=own,
        worst_channel=7, worst_channel_db=3.25, saturation_percent=0.5, flag_percent=12.5, zero_percent=None,
        outlier_percent=None, shifts=None,
    )  # fmt: skip
    return replace(row, **changes)  # type: ignore[arg-type]


def unit(name: str, layers: tuple[str, ...], kl_alone: float, kl_float: float, kl_paper: float) -> UnitRow:
    return UnitRow(
        unit=name,
        layers=layers,
        alone=ModeFigures(top1=82.0, changed=6, kl=kl_alone),
        as_float=ModeFigures(top1=88.0, changed=3, kl=kl_float),
        as_paper=ModeFigures(top1=85.0, changed=4, kl=kl_paper),
    )


@pytest.fixture
def found() -> Localisation:
    gelu = ("blocks.0.mlp.gelu", "blocks.1.mlp.gelu")
    return Localisation(
        network="net", origin="vit, tsptq, 4 bits", source="a/b.npz", images=50, weights="w.safetensors",
        modes={
            "float": ModeFigures(top1=90.0, changed=0, kl=0.0),
            "paper": ModeFigures(top1=84.0, changed=5, kl=0.25),
            "integer": ModeFigures(top1=80.0, changed=8, kl=0.5),
        },
        layers=(layer(gelu[0], 11.0), layer(gelu[1], 9.5), layer("head", float("inf"), flag_percent=None)),
        units=(
            unit("blocks.*.mlp.gelu", gelu, 0.375, 0.125, 0.45), unit("head", ("head",), 0.1, 0.5, 0.3),
            unit(gelu[0], gelu[:1], 0.05, 0.4, 0.5), unit(gelu[1], gelu[1:], 0.25, 0.2, 0.5),
        ),
        flips={"embed": 0, "blocks.1.mlp.add": 7, "head": 1},
        seconds=1.0, versions={"torch": "2"},
    )  # fmt: skip


def test_the_sentences_name_unit_layer_and_place(found: Localisation) -> None:
    as_float, against_paper, flips = verdicts(found)
    assert as_float == (
        "Integer alone in the float network, blocks.*.mlp.gelu costs most: top-1 82.00 %, 6 changed, KL 0.37500; of "
        "its layers blocks.1.mlp.gelu: top-1 82.00 %, 6 changed, KL 0.25000. As float it gives back 75 % of integer "
        "mode's KL: top-1 88.00 %, 3 changed, KL 0.12500."
    )
    assert against_paper == (
        "Integer mode is behind paper mode (KL 0.50000 against 0.25000, top-1 80.00 against 84.00 %); as in paper "
        "mode, head gives back most: KL 0.30000."
    )
    assert flips == "Of 8 images whose class is not float's, it flips at: blocks.1.mlp.add 7, head 1."


def test_no_unit_is_blamed_for_what_none_gives_back(found: Localisation) -> None:
    units = tuple(unit(row.unit, row.layers, row.alone.kl, 0.45, 0.48) for row in found.units)
    as_float, against_paper, _ = verdicts(replace(found, units=units))
    assert "As float it gives back 10 % of" in as_float
    assert as_float.endswith(", so the loss is spread over several units.")
    assert against_paper.endswith("and no single unit is the cause.")
    modes = {**found.modes, "integer": replace(found.modes["paper"], changed=0, top1=None)}
    assert verdicts(replace(found, modes=modes))[1:] == ["Integer mode is no further from float than paper mode."]


def test_csv_has_a_line_a_layer(found: Localisation) -> None:
    lines = list(csv.DictReader(io.StringIO(found.as_csv())))
    assert [line["layer"] for line in lines] == ["blocks.0.mlp.gelu", "blocks.1.mlp.gelu", "head"]
    assert (lines[1]["unit"], lines[1]["unit_as_float_kl"]) == ("blocks.*.mlp.gelu", "0.125")
    assert (lines[1]["layer_as_float_kl"], lines[2]["layer_as_float_kl"]) == ("0.2", "")
    assert (lines[2]["sqnr_own_db"], lines[2]["flips"]) == ("", "1")


def test_page_shows_everything_and_loads_nothing(found: Localisation) -> None:
    page = render_localisation(found)
    for text in (*verdicts(found), "blocks.1.mlp.gelu", "flag 12.50 %", "7: 3.2", "<svg", "w.safetensors"):
        assert text.replace("'", "&#39;") in page
    assert not re.search(r"(src|href)=[\"']http", page)


def test_shipped_network(hwsim: Hwsim, tmp_path: Path) -> None:
    status, out, err = hwsim("--images", IMAGES, "--json", "a.json", "--csv", "a.csv", "--html", "a.html", "--layers")
    assert status == 0, err
    found = json.loads((tmp_path / "a.json").read_text())
    network = load_network(zoo() / "fashion_mnist_vit")
    names = [layer.name for layer in network.layers][1:]
    assert [row["layer"] for row in found["layers"]] == names
    assert found["images"] == IMAGES
    with np.load(zoo() / "fashion_mnist" / "test.npz") as archive:
        right = archive["labels"][:IMAGES] == archive["top1_float_fashion_mnist_vit"][:IMAGES]
    assert found["modes"]["float"]["top1"] == pytest.approx(100 * right.mean())
    assert found["costliest_unit"] in {row["unit"] for row in found["units"]}
    assert all(name in out for name in (*names, "blocks.*.mlp.gelu", "written: a.json, a.csv, a.html"))
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 1 + len(names)
    assert "<svg" in (tmp_path / "a.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "nowhere: no network here (expected network.json and network.safetensors)"),
        (["--data", "nothing"], "nothing: no such file or folder"),
        (["--weights", "nothing.safetensors"], "nothing.safetensors: no weights file here"),
        (["--random-weights", 0], "are not of these float weights, with which they correlate by"),
        (["--pretrained"], "timm has no weights of fashion_mnist_vit"),
        (["--weights", "w", "--random-weights", 0], "needs one of --weights FILE, --pretrained and --random-weights"),
        (["--html", "nowhere/a.html"], "there is no folder nowhere to write it to"),
        (["--csv", "a.json"], "a.json: is named twice"),
    ],
)
def test_mistakes(hwsim: Hwsim, tmp_path: Path, arguments: list[object], sentence: str) -> None:
    status, out, err = hwsim("--images", 1, "--json", "a.json", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("hwsim: ")
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_network_of_unknown_weights(hwsim: Hwsim, tmp_path: Path) -> None:
    network = random_network(3, many_shifts=False, size=28, patch=4, mode="L", classes=10)
    save_network(network, tmp_path / "net")
    status, _, err = hwsim("net", "--data", "fashion_mnist", "--images", 1)
    assert status == 2
    assert (
        err == "hwsim: net: holds no float weights (expected --weights FILE, --pretrained or --random-weights SEED)\n"
    )


def test_progress_is_told(tmp_path: Path) -> None:
    with np.load(zoo() / "fashion_mnist" / "test.npz") as archive:
        np.savez(tmp_path / "two.npz", images=archive["images"][:2])
    told: list[tuple[str, int, int]] = []
    options = LocaliseOptions(data=tmp_path / "two.npz")
    found = localise(options, lambda *what: told.append(what))
    assert found.modes["integer"].top1 is None
    assert {what for what, _, _ in told} >= {"float weights", "every tensor", "if blocks.*.mlp.gelu were float"}
    assert all(0 <= done <= total == 2 for _, done, total in told)
