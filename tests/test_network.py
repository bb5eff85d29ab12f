"""Every mistake in a network file is one sentence that names the file, the key, the value and what was expected."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwsim.errors import HwsimError
from hwsim.formats import Logarithmic
from hwsim.network import ARRAYS_NAME, JSON_NAME, Network, load_network, save_network
from tests.random_network import random_network

Json = dict[str, Any]
BLOCK = "blocks.0"


@pytest.fixture
def network() -> Network:
    made = random_network(0, depth=1, patch=4, size=8, mode="L", channels=12, heads=3, classes=4, class_token=True)
    return Network(made.manifest, {name: array.copy() for name, array in made.arrays.items()})


@pytest.fixture
def folder(network: Network, tmp_path: Path) -> Path:
    save_network(network, tmp_path)
    return tmp_path


def refusal(path: Path) -> str:
    with pytest.raises(HwsimError) as caught:
        load_network(path)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def edit(folder: Path, change: Callable[[Json], None]) -> None:
    path = folder / JSON_NAME
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def layer_of(manifest: Json, name: str) -> Json:
    return next(layer for layer in manifest["layers"] if layer["name"] == name)


def test_saved_network_loads_as_it_was(network: Network, folder: Path) -> None:
    for path in (folder, folder / JSON_NAME):
        loaded = load_network(path)
        assert loaded.layers == network.layers
        assert loaded.arrays.keys() == network.arrays.keys()
        assert all((loaded.arrays[name] == array).all() for name, array in network.arrays.items())


# The files


def test_missing_network(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none") == (
        f"{tmp_path / 'none'}: no network here (expected network.json and network.safetensors)"
    )


def test_truncated_json(folder: Path) -> None:
    path = folder / JSON_NAME
    path.write_text(path.read_text()[:-40])
    assert refusal(folder).startswith(f"{path}: not valid JSON (truncated?): ")


def test_json_that_is_not_text(folder: Path) -> None:
    (folder / JSON_NAME).write_bytes(b"\xff\xfe\x00")
    assert refusal(folder).startswith(f"{folder / JSON_NAME}: not valid JSON")


def test_json_that_is_no_object(folder: Path) -> None:
    (folder / JSON_NAME).write_text("[]")
    assert refusal(folder).startswith(f"{folder / JSON_NAME}: input should be ")


def test_missing_arrays_file(folder: Path) -> None:
    (folder / ARRAYS_NAME).unlink()
    assert refusal(folder) == f"{folder / ARRAYS_NAME}: is missing beside network.json"


@pytest.mark.parametrize("size", [0, 4, 200, -1])
def test_truncated_arrays_file(folder: Path, size: int) -> None:
    path = folder / ARRAYS_NAME
    path.write_bytes(path.read_bytes()[:size])
    assert refusal(folder).startswith(f"{path}: sha256 is ")
    assert "expects arrays_sha256" in refusal(folder)


@pytest.mark.parametrize("size", [0, 4, 200, -1])
def test_truncated_arrays_file_whose_hash_was_made_to_fit(folder: Path, size: int) -> None:
    import hashlib

    path = folder / ARRAYS_NAME
    data = path.read_bytes()[:size]
    path.write_bytes(data)
    edit(folder, lambda manifest: manifest.update(arrays_sha256=hashlib.sha256(data).hexdigest()))
    assert refusal(folder).startswith(f"{path}: not a safetensors file: ")


def test_flipped_bit_in_the_arrays_file(folder: Path) -> None:
    path = folder / ARRAYS_NAME
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert "sha256 is" in refusal(folder)


# The manifest's schema


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda m: layer_of(m, "head").update(op="conv"), "conv"),
        (lambda m: layer_of(m, "head").update(stride=2), "stride: is not a known key"),
        (lambda m: m.pop("logits"), "logits: is missing"),
        (lambda m: m.update(format_version=1), "format_version is 1, expected 2: quantise it again"),
        (lambda m: layer_of(m, f"{BLOCK}.mlp.add").update(shift=48), "shift: input should be less than or equal to 47"),
        (lambda m: layer_of(m, f"{BLOCK}.mlp.add").update(mult=1 << 15), "mult: input should be less than 32768"),
        (lambda m: layer_of(m, "norm").update(epsilon=1 << 47), "epsilon: input should be less than 140737488355328"),
        (lambda m: layer_of(m, "norm").update(shift=32), "shift: input should be less than or equal to 31, not 32"),
        (lambda m: m["tensors"]["image"].update(scale=0), "scale: input should be greater than 0, not 0"),
        (lambda m: m["tensors"]["image"].update(shape="8"), "tensors.image.shape"),
        (lambda m: m["tensors"]["image"]["format"].update(kind="log2"), "tensors.image.format"),
        (lambda m: m["tensors"]["image"]["format"].update(zero_point=256), "zero_point must be a code, 0 to 255"),
        (
            lambda m: m["tensors"]["norm.out"]["format"].update(bits=17),
            "bits: input should be less than or equal to 16",
        ),
    ],
)
def test_value_that_the_schema_refuses(folder: Path, change: Callable[[Json], None], part: str) -> None:
    edit(folder, change)
    sentence = refusal(folder)
    assert sentence.startswith(f"{folder / JSON_NAME}: ")
    assert part in sentence


# What fits the schema and not the network


def set_shape(tensor: str, shape: list[int]) -> Callable[[Json], None]:
    return lambda manifest: manifest["tensors"][tensor].update(shape=shape)


def set_format(tensor: str, **fmt: Any) -> Callable[[Json], None]:
    return lambda manifest: manifest["tensors"][tensor].update(format=fmt)


def set_layer(name: str, /, **values: Any) -> Callable[[Json], None]:
    return lambda manifest: layer_of(manifest, name).update(values)


def swap_first_layers(manifest: Json) -> None:
    layers = manifest["layers"]
    layers[0], layers[1] = layers[1], layers[0]


UNIFORM_8 = {"kind": "uniform", "bits": 8, "signed": True, "zero_point": 0}
LEVELS = {"bits": 2, "mantissas": [0, 1, 2, 3], "shifts": [0, 0, 0, 0]}
UNIFORM_16 = {"kind": "uniform", "bits": 16, "signed": True, "zero_point": 0}
ATTENTION = f"{BLOCK}.attn"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (set_shape("image", [8, 8, 3]), "input: tensor image has shape [8, 8, 3], expected [8, 8, 1]"),
        (set_shape("image", [8, 0, 1]), "tensors.image.shape is [8, 0, 1], expected at least one dimension, each"),
        (set_format("image", **UNIFORM_8), "input: tensor image has format kind uniform, bits 8, signed True, zero_po"),
        (lambda m: m["tensors"]["image"].update(scale=float("inf")), "tensors.image.scale is inf, expected a finite"),
        (set_layer("patches", patch=3), "layer patches: patch is 3, expected a divisor of the image's 8 by 8 pixels"),
        (
            set_layer("patches", class_token=False),
            "layer patches: tensor patches.rows has shape [5, 16], expected [4, 1",
        ),
        (
            set_format("patches.rows", **UNIFORM_8),
            "layer patches: tensor patches.rows has format kind uniform, bits 8,",
        ),
        (set_layer("norm", name="patches"), "layer patches names two layers, expected a name that no other layer has"),
        (swap_first_layers, "layer patch_embed: input patches.rows is made by no layer before it, expected a layer th"),
        (
            set_layer("head", input="none"),
            "layer head: tensor none is not in tensors, expected an entry with its shape",
        ),
        (
            set_layer("head", output="norm.out"),
            "layer head: output norm.out is also made by layer norm, expected one m",
        ),
        (set_layer("head", output="more"), "layer head: tensor more is not in tensors"),
        (lambda m: m["tensors"].update(extra=m["tensors"]["image"]), "tensors.extra is made by no layer, expected a"),
        (lambda m: m.update(logits="none"), "logits is 'none', expected the output of a layer"),
        (lambda m: m.update(logits="norm.out"), "logits: tensor norm.out has shape [1, 12], expected [1, 4]"),
        (lambda m: m["classes"].append("more"), "logits: tensor head.out has shape [1, 4], expected [1, 5]"),
        (set_format("head.out", **UNIFORM_8), "logits: tensor head.out has format kind uniform, bits 8, signed True,"),
        (set_shape("head.out", [2, 4]), "layer head: tensor head.out has shape [2, 4], expected [1, 4]"),
        (set_shape("head.out", [4]), "layer head: tensor head.out has shape [4], expected a shape of two dimensions"),
        (set_shape("head.out", [1, 5]), "layer head: array head.weight is int8[4, 12], expected int8[5, 12]"),
        (set_format("norm.out", **UNIFORM_16), "layer head: tensor norm.out has format kind uniform, bits 16, signed"),
        (
            set_layer(f"{ATTENTION}.scores", heads=5),
            f"layer {ATTENTION}.scores: input {ATTENTION}.qkv.out has shape [5",
        ),
        (
            set_format(f"{ATTENTION}.scores.out", **UNIFORM_8),
            f"layer {ATTENTION}.scores: tensor {ATTENTION}.scores.out",
        ),
        (set_shape(f"{ATTENTION}.scores.out", [3, 5, 4]), "has shape [3, 5, 4], expected [3, 5, 5]"),
        (
            set_format(f"{ATTENTION}.qkv.out", **{**UNIFORM_8, "zero_point": 1}),
            "zero_point 1, expected uniform, at most 8 bits, signed, zero point 0",
        ),
        (
            set_format(f"{ATTENTION}.softmax.out", kind="two_scale", bits=8, exponent=10, small_signed=False),
            "exponent 10, small_signed False, expected two_scale, not small_signed, with bits - 1 + exponent at most",
        ),
        (
            set_format(f"{ATTENTION}.softmax.out", kind="two_scale", bits=8, exponent=4, small_signed=True),
            "small_signed True, expected two_scale, not small_signed",
        ),
        (
            set_format(f"{ATTENTION}.values.out", kind="channel_scaled", bits=8),
            "kind channel_scaled, bits 8, expected uni",
        ),
        (
            set_format(f"{BLOCK}.mlp.gelu.out", **UNIFORM_8),
            "expected two_scale, logarithmic, codebook without thresholds, or uniform, unsigned, of at most 8 bits",
        ),
        (
            set_format(f"{BLOCK}.mlp.gelu.out", kind="codebook", **LEVELS, thresholds=[1, 2, 3]),
            "mantissas of 4, shifts of 4, thresholds of 3, expected two_scale, logarithmic, codebook without thr",
        ),
        (
            set_format(f"{BLOCK}.mlp.gelu.out", kind="channel_scaled", bits=8),
            "bits 8, expected two_scale, logarithmic, codebook without thresholds",
        ),
        (
            set_format(f"{ATTENTION}.softmax.out", kind="codebook", **LEVELS),
            "thresholds of 0, expected two_scale, not small_signed, with bits - 1 + exponent at most 16, or uniform",
        ),
        (
            set_format(
                f"{ATTENTION}.softmax.out",
                kind="codebook",
                **{**LEVELS, "mantissas": [-1, 0, 1, 2]},
                thresholds=[1, 2, 3],
            ),
            "thresholds of 3, expected two_scale, not small_signed, with bits - 1 + exponent at most 16, or uniform",
        ),
        (
            set_format("norm.out", kind="logarithmic", bits=8, base="two", max_shift=3),
            "layer norm: tensor norm.out has format kind logarithmic, bits 8, base two, max_shift 3, expected uniform",
        ),
        (
            set_format(f"{BLOCK}.mlp.fc1.out", kind="uniform", bits=5, signed=True),
            f"layer {BLOCK}.mlp.gelu: array {BLOCK}.mlp.gelu.table is uint8[",
        ),
        (set_format(f"{BLOCK}.mlp.add.out", **UNIFORM_8), "zero_point 0, expected channel_scaled"),
        (set_format(f"{BLOCK}.mlp.fc2.out", **UNIFORM_8), "expected uniform, 16 bits, signed, zero point 0"),
        (set_layer("norm", tokens=6), f"layer norm: tokens is 6, expected at most the 5 rows of {BLOCK}.mlp.add.out"),
        (set_layer("norm", tokens=2), "layer norm: tensor norm.out has shape [1, 12], expected [2, 12]"),
    ],
)
def test_key_that_does_not_fit_the_network(folder: Path, change: Callable[[Json], None], sentence: str) -> None:
    edit(folder, change)
    refused = refusal(folder)
    assert refused.startswith(f"{folder / JSON_NAME}: ")
    assert sentence in refused


# The arrays


def replace(name: str, array: np.ndarray) -> Callable[[Network], None]:
    return lambda network: network.arrays.update({name: array})


def poke(name: str, index: Any, value: int) -> Callable[[Network], None]:
    return lambda network: network.arrays[name].__setitem__(index, value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda n: n.arrays.pop("head.weight"),
            "layer head: array head.weight is missing from the arrays file, expected",
        ),
        (
            lambda n: n.arrays.pop("embed.constant"),
            "array embed.constant is missing from the arrays file, expected int16",
        ),
        (
            lambda n: n.arrays.pop("embed.out.shifts"),
            "array embed.out.shifts is missing from the arrays file, expected uin",
        ),
        (
            lambda n: n.arrays.pop("exp2_table"),
            "array exp2_table is missing from the arrays file, expected uint32[256]",
        ),
        (
            lambda n: n.arrays.pop(f"{BLOCK}.mlp.gelu.table"),
            "gelu.table is missing from the arrays file, expected uint8[",
        ),
        (replace("head.bias", np.zeros(4, np.int64)), "layer head: array head.bias is int64[4], expected int32[4]"),
        (replace("head.bias", np.zeros(5, np.int32)), "layer head: array head.bias is int32[5], expected int32[4]"),
        (replace("norm.gamma", np.zeros(12, np.float32)), "array norm.gamma is float32[12], expected int16[12]"),
        (replace("norm.beta", np.zeros(11, np.int32)), "array norm.beta is int32[11], expected int32[12]"),
        (poke("head.shift", 2, 48), "layer head: array head.shift is 48 at index [2], expected values in 0..47"),
        (poke("head.mult", 3, -1), "layer head: array head.mult is -1 at index [3], expected values in 0..32767"),
        (poke("embed.out.shifts", 1, 8), "array embed.out.shifts is 8 at index [1], expected values in 0..7"),
        (poke("exp2_table", 0, 0), "array exp2_table is 0 at index [0], expected values in 32768..65536"),
        (replace("head.scale", np.ones(1)), "array head.scale is used by no layer, expected only arrays that a layer"),
    ],
)
def test_array_that_does_not_fit(
    network: Network, tmp_path: Path, change: Callable[[Network], None], sentence: str
) -> None:
    change(network)
    save_network(network, tmp_path)
    refused = refusal(tmp_path)
    assert refused.startswith(f"{tmp_path / JSON_NAME}: ")
    assert sentence in refused


def test_table_entry_beyond_its_format_is_refused(network: Network, tmp_path: Path) -> None:
    tensors = network.manifest.tensors
    narrow = tensors[f"{BLOCK}.mlp.gelu.out"].model_copy(
        update={"format": tensors[f"{BLOCK}.mlp.gelu.out"].format.model_copy(update={"bits": 7, "zero_point": 0})}
    )
    manifest = network.manifest.model_copy(update={"tensors": tensors | {f"{BLOCK}.mlp.gelu.out": narrow}})
    network.arrays[f"{BLOCK}.mlp.gelu.table"][5] = 128
    save_network(Network(manifest, network.arrays), tmp_path)
    assert "expected values in 0..127" in refusal(tmp_path)


@pytest.mark.parametrize(("code", "is_refused"), [(4, False), (5, True), (254, True), (255, False)])
def test_logarithmic_code_without_a_value_is_refused(
    network: Network, tmp_path: Path, code: int, is_refused: bool
) -> None:
    tensors, name = network.manifest.tensors, f"{BLOCK}.mlp.gelu.out"
    fmt = Logarithmic(bits=8, base="sqrt_two", max_shift=2)
    tensors = tensors | {name: tensors[name].model_copy(update={"format": fmt})}
    network.arrays[f"{BLOCK}.mlp.gelu.table"][:] = fmt.zero_code
    network.arrays[f"{BLOCK}.mlp.gelu.table"][3] = code
    save_network(Network(network.manifest.model_copy(update={"tensors": tensors}), network.arrays), tmp_path)
    if is_refused:
        assert "table holds a code without a value, expected codes up to 4, or 255 for zero" in refusal(tmp_path)
    else:
        assert load_network(tmp_path).tensor(name).format == fmt


@pytest.mark.parametrize("seed", range(30))
def test_random_networks_pass_every_check(seed: int, tmp_path: Path) -> None:
    save_network(random_network(seed), tmp_path)
    load_network(tmp_path)


def test_saving_leaves_no_partial_file(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [JSON_NAME, ARRAYS_NAME]
