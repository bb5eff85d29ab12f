"""``hwsim quantize --method codesign`` on a tiny network: what it writes, prices, keeps, and each mistake."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from golden.from_timm import Model
from golden.tensor_parts import tensor_names
from hwsim import cli
from hwsim.config import load_preset
from hwsim.flows import codesign as flow
from hwsim.flows.codesign_table import Source, build_table, network_cost, stages
from hwsim.network import load_network
from hwsim.report.codesign import OptionTable

IMAGES = 8
Hwsim = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def source(tiny_model: Model, tiny_images: torch.Tensor) -> Source:
    return Source(
        model=tiny_model, images=tiny_images[:IMAGES], pixels=tiny_images[: flow.COUNTED_IMAGES].numpy(),
        config=load_preset("edge"), seed=0, parts={},
    )  # fmt: skip


@pytest.fixture(scope="module")
def reports() -> list[str]:
    return []


@pytest.fixture(scope="module")
def table(source: Source, reports: list[str]) -> OptionTable:
    return build_table(source, reports.append)


@pytest.fixture
def hwsim(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    tiny_model: Model,
    tiny_images: torch.Tensor,
    table: OptionTable,
) -> Hwsim:
    """Run the command on the tiny network, with its table at hand."""
    monkeypatch.setattr("golden.from_timm.load_model", lambda *_arguments: tiny_model)
    monkeypatch.setattr(flow, "build_table", lambda *_arguments: table)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    np.savez("calib.npz", images=tiny_images[:IMAGES].numpy(), labels=np.zeros(IMAGES, int))

    def run(*arguments: object) -> tuple[int, str, str]:
        given = ("quantize", "--model", "tiny", "--calib", "calib.npz", "--images", IMAGES, "--out", "net", *arguments)
        monkeypatch.setattr(sys, "argv", ["hwsim", *map(str, given)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return run


def some_uj(table: OptionTable) -> float:
    """A budget of energy that is halfway between the least and what 8 bits take."""
    least = sum(min(option.energy_uj for option in tensor.options if option.kl < 1e9) for tensor in table.tensors)
    return table.energy_uj + least / 2


def test_prices_are_against_the_plain_network(table: OptionTable) -> None:
    for tensor in table.tensors:
        plain = tensor.options[5]
        assert plain.label == "uniform 8"
        assert (plain.energy_uj, plain.cycles) == (0.0, 0)


def test_more_outliers_cost_cycles_and_fewer_codes_less_energy(table: OptionTable) -> None:
    by_name = {tensor.name: {option.label: option for option in tensor.options} for tensor in table.tensors}
    norm, gelu = by_name["blocks.0.norm1"], by_name["blocks.0.mlp.gelu"]
    assert norm["rows, outliers 8"].energy_uj > norm["rows 8"].energy_uj > 0
    assert gelu["uniform 3"].energy_uj < 0
    assert ("row decoder", "two-scale") in gelu["two-scale 4"].units
    assert ("softmax encoder", "two-scale") in by_name["blocks.1.attn.softmax"]["two-scale 5"].units


def test_the_table_says_how_far_it_is(table: OptionTable, reports: list[str], tiny_model: Model) -> None:
    assert [tensor.name for tensor in table.tensors] == tensor_names(tiny_model.vit)
    assert len(reports) == stages(tiny_model)


def test_the_choice_is_made_and_written(hwsim: Hwsim, tiny_images: torch.Tensor, table: OptionTable) -> None:
    limit = some_uj(table)
    budgets = ("--bits", 5, "--budget-energy", limit)
    status, out, err = hwsim("--method", "codesign", *budgets, "--json", "c.json", "--html", "c.html")
    assert status == 0, err
    found: dict[str, Any] = json.loads(Path("c.json").read_text())
    network = load_network("net")
    cost = network_cost(network, load_preset("edge"), tiny_images[: flow.COUNTED_IMAGES].numpy())
    assert found["energy_uj"] == cost.per_image_uj(cost.total_aj) <= limit
    assert found["cycles"] == cost.cycles_per_image
    assert found["estimated"]["energy_uj"] == pytest.approx(found["energy_uj"], rel=0.02)
    assert max(found["estimated"]["weight_bits"], found["estimated"]["activation_bits"]) <= 5
    for tensor in found["tensors"]:
        if not tensor["name"].endswith(".weight"):
            assert network.tensor(tensor["name"]).format.bits == tensor["chosen"]["bits"]
    assert network.manifest.origin.method == "codesign"
    for text in (out, Path("c.html").read_text()):
        assert "blocks.*.mlp.gelu" in text
        assert "adfq 4" in text
    front = [point["kl"] for point in found["front"]]
    assert len(front) > 3
    assert front == sorted(front, reverse=True)


def test_a_kept_table_is_used_again(hwsim: Hwsim, monkeypatch: pytest.MonkeyPatch, table: OptionTable) -> None:
    made = []
    monkeypatch.setattr(flow, "build_table", lambda *_arguments: made.append(1) or table)
    for bits, set_part in ((7, "rounds=2"), (6, "rounds=2"), (6, "rounds=1")):
        status, _, err = hwsim("--method", "codesign", "--bits", bits, "--set", set_part)
        assert status == 0, err
    assert len(made) == 2


def test_what_is_kept_is_the_table(hwsim: Hwsim, table: OptionTable) -> None:
    assert hwsim("--method", "codesign", "--bits", 6)[0] == 0
    kept = json.loads(next(Path("build/codesign").glob("tiny-*.json")).read_text())["found"]
    assert flow._table(kept) == table


def test_too_much_is_taken_off_the_budget(hwsim: Hwsim, monkeypatch: pytest.MonkeyPatch, table: OptionTable) -> None:
    limit = some_uj(table)
    status, _, err = hwsim("--method", "codesign", "--budget-energy", limit, "--json", "first.json")
    assert status == 0, err
    true_cost, asked = flow.network_cost, []

    def dearer(network: Any, config: Any, pixels: Any) -> Any:
        cost = true_cost(network, config, pixels)
        monkeypatch.setattr(flow, "network_cost", true_cost)
        asked.append(cost)
        return type("Cost", (), {
            "per_image_uj": lambda _self, _aj: limit + 0.01, "total_aj": 0, "cycles_per_image": cost.cycles_per_image,
        })()  # fmt: skip

    monkeypatch.setattr(flow, "network_cost", dearer)
    status, _, err = hwsim("--method", "codesign", "--budget-energy", limit, "--json", "second.json")
    assert status == 0, err
    first, second = (json.loads(Path(name).read_text()) for name in ("first.json", "second.json"))
    assert asked
    less = limit - max(1.2 * 0.01, 1e-3 * limit)
    assert second["estimated"]["energy_uj"] <= less + 1e-9 < first["estimated"]["energy_uj"] <= limit


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--method", "codesign"), "--method codesign needs a budget: --budget-energy, --budget-cycles, --budget-area"),
        (("--method", "codesign", "--budget-energy", "-1"), "--budget-energy must be above 0, not -1"),
        (
            ("--method", "codesign", "--budget-cycles", "9"),
            "--budget-cycles 9: no choice of formats meets it, expected",
        ),
        (("--method", "codesign", "--bits", "2"), "bits: input should be greater than or equal to 3"),
        (("--method", "codesign", "--bits", "4", "--preset", "none"), "preset"),
        (("--method", "tsptq", "--budget-energy", "9"), "--html: go with --method codesign"),
        (("--method", "codesign", "--bits", "4", "--html", "no/c.html"), "there is no folder no to write it to"),
    ],
)
def test_each_mistake_is_one_sentence(hwsim: Hwsim, arguments: tuple[str, ...], sentence: str) -> None:
    status, out, err = hwsim(*arguments)
    assert status == 2
    assert sentence in err
    assert err.count("\n") == 1
    assert out.strip() == ""
    assert not list(Path("net").glob("*.json"))


def test_without_scipy(hwsim: Hwsim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    status, _, err = hwsim("--method", "codesign", "--bits", "4")
    assert status == 2
    assert "codesign needs SciPy" in err
    assert err.endswith("pip install 'hwsim[golden]'\n")
    assert err.count("\n") == 1
