"""Presets state every key; a missing, unknown or impossible one is named in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest

from hwsim.config import AcceleratorConfig, build_config, load_preset, parse_preset, preset_names
from hwsim.errors import HwsimError


def values(preset: str = "edge") -> dict[str, Any]:
    return parse_preset((files("hwsim") / "presets" / f"{preset}.yaml").read_text(), preset)


@pytest.mark.parametrize("name", preset_names())
def test_presets_load_and_state_every_key(name: str) -> None:
    assert load_preset(name).name == name
    assert set(values(name)) == set(AcceleratorConfig.model_fields)


def test_hash_changes_with_any_key() -> None:
    edge = load_preset("edge")
    assert edge.hash == load_preset("edge").hash
    assert edge.hash != load_preset("edge", ["freq_mhz=401"]).hash


def test_set_changes_one_key() -> None:
    config = load_preset("tiny", ["pe_style=two_accumulator", "array_rows=8"])
    assert (config.pe_style, config.array_rows) == ("two_accumulator", 8)
    assert config.array_columns == 4


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda v: v.pop("freq_mhz"), "edge.yaml: freq_mhz: is missing"),
        (lambda v: v.update(frequency=3), "frequency: is not a known key"),
        (lambda v: v.update(array_rows=0), "array_rows: input should be greater than or equal to 1, not 0"),
        (lambda v: v.update(array_rows=16.0), "array_rows: input should be a valid integer, not 16.0"),
        (lambda v: v.update(array_rows="16"), "array_rows: input should be a valid integer, not '16'"),
        (lambda v: v.update(pe_style="fast"), "pe_style: input should be 'shift' or 'two_accumulator', not 'fast'"),
        (lambda v: v.update(drain_lanes=3), "drain_lanes must divide array_columns (16), not 3"),
        (lambda v: v.update(dram_bits_per_cycle=9), "dram_bits_per_cycle must be whole bytes, not 9"),
    ],
)
def test_mistakes_in_a_preset(edit: Callable[[dict[str, Any]], object], sentence: str) -> None:
    wrong = values()
    edit(wrong)
    with pytest.raises(HwsimError) as caught:
        build_config(wrong, "edge.yaml")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_mistake_is_named_at_once() -> None:
    wrong = values() | {"colour": "red", "freq_mhz": -1}
    del wrong["weight_bits"]
    with pytest.raises(HwsimError) as caught:
        build_config(wrong, "edge.yaml")
    assert all(key in str(caught.value) for key in ("colour", "freq_mhz", "weight_bits"))


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["freq_mhz"], "--set takes key=value, not 'freq_mhz'"),
        (["speed=9"], "--set: 'speed' is not a key of a preset"),
        (["freq_mhz=fast"], "freq_mhz: input should be a valid integer, not 'fast'"),
        (["freq_mhz="], "freq_mhz"),
        (["freq_mhz=[1"], "not valid YAML"),
        (["array_columns=12"], "drain_lanes must divide array_columns (12), not 8"),
    ],
)
def test_mistakes_in_set(overrides: list[str], sentence: str) -> None:
    with pytest.raises(HwsimError) as caught:
        load_preset("edge", overrides)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_such_preset() -> None:
    with pytest.raises(HwsimError, match="preset must be one of tiny, edge, large, not 'huge'"):
        load_preset("huge")


@pytest.mark.parametrize("text", ["- a\n- b\n", "", "just text", "a: [1"])
def test_not_a_preset(text: str) -> None:
    with pytest.raises(HwsimError, match=r"mine\.yaml"):
        parse_preset(text, "mine.yaml")
