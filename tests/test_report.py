"""The report says what was found, in JSON, on a terminal and on a page that stands alone."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console

from hwsim.cost.energy import COMPONENTS
from hwsim.errors import HwsimError
from hwsim.formats import ChannelScaled, Format, Logarithmic, RowUniform, TwoScale, Uniform
from hwsim.images import ImageSet
from hwsim.report.figures import block_window, energy_figure, layers_figure, svg, timeline_figure
from hwsim.report.files import check_outputs, write_json, write_text
from hwsim.report.groups import by_kind, kind
from hwsim.report.network_table import describe_formats
from hwsim.report.page import render_page
from hwsim.report.result import RunReport
from hwsim.report.terminal import print_run
from hwsim.report.words import COMPONENT_LABELS, QUEUE_LABELS, REASON_LABELS
from tests.codebooks import tanq_codebook
from tests.handmade import IMAGES, program, whole_cost


def report(labels: list[int] | None = [0, 1, 1], top1_float: list[int] | None = [0, 1, 0]) -> RunReport:  # noqa: B006
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, 4, 4), dtype=np.uint8)
    cost = whole_cost()
    return RunReport(
        network=program().network,
        config=cost.config,
        overrides=("freq_mhz=<b>",),
        images=ImageSet(
            pixels=pixels,
            labels=None if labels is None else np.array(labels),
            top1_float=None if top1_float is None else np.array(top1_float),
            source="somewhere/test.npz",
        ),
        logits=np.array([[1, 2], [4, 4], [-1, 7]], np.int16),
        cost=cost,
        accumulator_bounds={"embed": 1000},
        wall_seconds=0.5,
        versions={"hwsim": "0"},
    )


def screen(found: RunReport, *, width: int = 110, every_layer: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_run(found, console, every_layer=every_layer)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_accuracy() -> None:
    found = report()
    assert found.top1.tolist() == [1, 0, 1]
    assert found.top1_integer_percent == pytest.approx(100 / 3)
    assert found.top1_float_percent == pytest.approx(200 / 3)
    assert found.agreement_percent == 0
    assert found.machine_macs_per_second == found.cost.macs * IMAGES / 0.5


def test_json_has_the_keys_of_the_issue_and_adds_up() -> None:
    values = json.loads(json.dumps(report().as_dict()))
    assert {
        "network", "preset", "config", "config_hash", "images", "top1_float", "top1_integer", "agreement",
        "cycles_per_image", "latency_ms", "frames_per_second", "utilization", "energy_uj_per_image",
        "energy_uj_by_component", "layers", "wall_seconds", "machine_macs_per_second", "versions",
    } <= set(values)  # fmt: skip
    for layer in values["layers"]:
        assert {"name", "unit", "macs", "cycles", "utilization", "energy_uj", "energy_uj_by_component"} <= set(layer)
        assert sum(layer["cycles_by_reason"].values()) == layer["cycles"]
        assert 0 <= layer["start_cycle"] < layer["end_cycle"] <= values["cycles_per_image"]
        assert layer["busy_cycles"] <= layer["end_cycle"] - layer["start_cycle"]
    assert sum(values["cycles_by_reason"].values()) == values["cycles_per_image"]
    assert values["dram"] == {"latency": 20, "stall": 0, "seed": 0}
    assert values["images"] == IMAGES
    assert sum(layer["cycles"] for layer in values["layers"]) == values["cycles_per_image"]
    energy = values["energy_aj"]
    assert sum(energy["by_component"].values()) == energy["total"]
    assert sum(layer["energy_aj"]["total"] for layer in values["layers"]) == energy["total"]
    assert values["energy_uj_per_image"] == pytest.approx(energy["total"] / IMAGES / 1e12)
    assert values["energy_uj_per_image_low"]["energy_uj"] < values["energy_uj_per_image"]
    assert values["energy_uj_per_image_high"]["energy_uj"] > values["energy_uj_per_image"]


def test_what_is_not_known_is_null() -> None:
    values = report(labels=None, top1_float=None).as_dict()
    assert values["top1_float"] is values["top1_integer"] is values["agreement"] is None
    assert "-" in screen(report(labels=None, top1_float=None))


def test_terminal_names_everything() -> None:
    text = screen(report())
    for word in (
        *COMPONENT_LABELS.values(),
        *REASON_LABELS.values(),
        "(program)",
        "33.33 %",
        "66.67 %",
        "cycles",
        "im2col",
        "softmax",
        "values",
    ):
        assert word in text
    assert f"{report().cost.cycles_per_image:,}" in text


@pytest.mark.parametrize("every_layer", [False, True])
@pytest.mark.parametrize("width", [80, 100, 160])
def test_terminal_fits_the_width(width: int, every_layer: bool) -> None:
    found = report()
    layers = tuple(replace(one, name=f"blocks.{i}.attn.softmax") for i, one in enumerate(found.cost.layers))
    lines = screen(replace(found, cost=replace(found.cost, layers=layers)), width=width, every_layer=every_layer)
    assert max(len(line) for line in lines.splitlines()) <= width
    assert "…" not in lines
    assert ("starts" in lines) == (every_layer and width > 80)
    heading = next(line for line in lines.splitlines() if line.startswith("layer "))
    assert heading.rstrip().endswith("µJ" if every_layer or width == 80 else "share")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("blocks.3.fc1", "blocks.*.fc1"),
        ("blocks.11.attn.qkv", "blocks.*.attn.qkv"),
        ("fc1", "fc1"),
        ("norm2", "norm2"),
        ("block_3_fc1", "block_*_fc1"),
    ],
)
def test_kinds(name: str, expected: str) -> None:
    assert kind(name) == expected


def test_groups_keep_the_sums() -> None:
    cost = whole_cost()
    layers = tuple(replace(layer, name=f"blocks.{i % 2}.{layer.unit}") for i, layer in enumerate(cost.layers, -1))
    groups = by_kind(layers, cost.config)
    assert [group.name for group in groups] == [
        "blocks.1.controller", "blocks.*.pe_array", "blocks.1.layernorm", "blocks.0.softmax",
    ]  # fmt: skip
    assert sum(group.cycles for group in groups) == cost.cycles_per_image
    assert sum(group.energy_aj for group in groups) == cost.total_aj
    assert sum(group.count for group in groups) == len(layers)


def test_page_stands_alone() -> None:
    page = render_page(report())
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "<script" not in page
    assert "freq_mhz=&lt;b&gt;" in page
    assert page.count("<svg") == 3
    assert page.count("data:image/png;base64,") == IMAGES * 2  # each of them once more among the changed ones
    for name in COMPONENTS:
        assert COMPONENT_LABELS[name] in page
    for label in (*REASON_LABELS.values(), *QUEUE_LABELS.values()):
        assert label in page


def test_page_without_labels() -> None:
    page = render_page(report(labels=None, top1_float=None))
    assert 'class="unknown"' in page
    assert "label:" not in page


@pytest.mark.parametrize("draw", [energy_figure, layers_figure, timeline_figure])
def test_figures_are_svg_and_repeat(draw: object) -> None:
    text = svg(draw(report()))  # type: ignore[operator]
    assert ElementTree.fromstring(text).tag.endswith("svg")
    assert svg(draw(report())) == text  # type: ignore[operator]


def test_timeline_shows_a_block_where_layers_repeat() -> None:
    found = report()
    assert block_window(found.cost) is None
    names = {"fc1": "blocks.0.fc1", "scores": "blocks.1.fc1"}
    layers = tuple(replace(layer, name=names.get(layer.name, layer.name)) for layer in found.cost.layers)
    cycles = found.cost.profile.cycles
    renamed = {None if name is None else names.get(name, name): one for name, one in cycles.items()}
    owners = tuple(names.get(str(name), name) for name in found.cost.profile.owners)
    profile = replace(found.cost.profile, cycles=renamed, owners=owners)
    cost = replace(found.cost, layers=layers, profile=profile)
    assert block_window(cost) == (219, 319)  # of the third and the fourth pass
    text = svg(timeline_figure(replace(found, cost=cost)))
    assert "blocks.*.fc1" in text
    assert "im2col" not in text


def test_written_whole_and_beside_nothing(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"key": 1})
    assert json.loads((tmp_path / "a.json").read_text()) == {"key": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_text("old")

    def full_disk(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full_disk)
    with pytest.raises(HwsimError, match="cannot be written: No space left on device"):
        write_text(tmp_path / "a.json", "new")
    assert (tmp_path / "a.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_outputs_are_checked_before(tmp_path: Path) -> None:
    check_outputs(tmp_path / "a.json", None, tmp_path / "b.html")
    assert not list(tmp_path.iterdir())
    with pytest.raises(HwsimError, match="there is no folder"):
        check_outputs(tmp_path / "none" / "a.json")
    with pytest.raises(HwsimError, match="is a folder"):
        check_outputs(tmp_path)
    with pytest.raises(HwsimError, match="named twice"):
        check_outputs(tmp_path / "a", tmp_path / "a")


@pytest.mark.parametrize(
    ("formats", "expected"),
    [
        ([Uniform(bits=8, signed=True)], "int8"),
        ([Uniform(bits=8, signed=False, zero_point=z) for z in (3, 5)], "uint8, z 3..5"),
        ([TwoScale(bits=8, exponent=m, small_signed=True) for m in (4, 2)], "V-2SF 8 bits, m 2..4"),
        ([ChannelScaled(bits=8), Uniform(bits=4, signed=True)], "int8 << s, s 0..3 or int4"),
        (
            [*(Logarithmic(bits=4, base="two", max_shift=shift) for shift in (9, 7)), tanq_codebook(3, 1.2, 12)],
            "log2 4 bits, s 7..9 or codebook 3 bits",
        ),
        ([Logarithmic(bits=6, base="sqrt_two", max_shift=5)], "log-sqrt2 6 bits, s 5"),
        ([RowUniform(bits=4, signed=False, exponent=3, outliers=True)], "uint4 by rows, outliers"),
        ([RowUniform(bits=8, signed=True)], "int8 by rows"),
    ],
)
def test_formats_in_words(formats: list[Format], expected: str) -> None:
    assert describe_formats(formats, channel_shifts=[0, 3, 1]) == expected
