"""Layers of a Swin in a network: what moves rows, windows with a bias, the mean of tokens; what the check refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from golden.method import method_config
from golden.pipeline import quantise
from hwsim.compiler import compile_network
from hwsim.config import load_preset
from hwsim.errors import HwsimError
from hwsim.formats import RowUniform, Uniform
from hwsim.network import Network, Rearrange
from hwsim.network_check import check_network
from hwsim.rearrange import row_index
from tests.tiny_swin import tiny_swin_images, tiny_swin_model

SOURCE = Path("network.json")
WINDOW, UNWINDOW, MERGE = "blocks.1.attn.window", "blocks.1.attn.unwindow", "blocks.2.merge.patches"
SCORES, VALUES = "blocks.1.attn.scores", "blocks.1.attn.values"


@pytest.fixture(scope="module")
def network() -> Network:
    """Streams of 8 bits with a shift a channel."""
    return quantise(tiny_swin_model(), tiny_swin_images(4), method_config("fqvit", 8), lambda _: None).network


def with_layer(network: Network, name: str, **values: object) -> Network:
    layers = [one.model_copy(update=values) if one.name == name else one for one in network.layers]
    return Network(network.manifest.model_copy(update={"layers": layers}), network.arrays)


def with_tensor(network: Network, name: str, **values: object) -> Network:
    tensors = network.manifest.tensors | {name: network.tensor(name).model_copy(update=values)}
    return Network(network.manifest.model_copy(update={"tensors": tensors}), network.arrays)


def with_array(network: Network, name: str, array: np.ndarray) -> Network:
    return Network(network.manifest, network.arrays | {name: array})


def swapped(network: Network, name: str) -> Network:
    array = network.arrays[name].copy()
    array[0] = (array[0] + 1) % 4
    return with_array(network, name, array)


CHANGES: list[tuple[Callable[[Network], Network], str]] = [
    (
        lambda n: with_layer(n, WINDOW, size=3),
        f"layer {WINDOW}: size is 3, expected a side that divides a grid of 8 x 8",
    ),
    (lambda n: with_layer(n, MERGE, size=4), f"layer {MERGE}: size is 4, expected 2 to merge"),
    (lambda n: with_layer(n, WINDOW, shift=4), f"layer {WINDOW}: shift is 4, expected less than size"),
    (lambda n: with_layer(n, MERGE, shift=1), f"layer {MERGE}: shift is 1, expected less than size, and 0 to merge"),
    (lambda n: with_layer(n, WINDOW, height=4), "has 64 rows, expected a row for each token of a grid of 4 x 8"),
    (lambda n: with_layer(n, MERGE, kind="window"), f"tensor {MERGE} has shape [16, 64], expected [64, 16]"),
    (lambda n: with_tensor(n, WINDOW, scale=2.0), f"tensor {WINDOW} has another format or scale, expected those of"),
    (
        lambda n: with_tensor(n, UNWINDOW, format=Uniform(bits=7, signed=False)),
        f"tensor {UNWINDOW} has another format or scale, expected those of {VALUES}",
    ),
    (
        lambda n: with_tensor(n, VALUES, format=RowUniform(bits=8, signed=False)),
        "expected uniform",
    ),
    (lambda n: swapped(n, f"{MERGE}.shifts"), f"array {MERGE}.shifts has other shifts, expected those of blocks.1"),
    (lambda n: with_layer(n, SCORES, windows=3), f"layer {SCORES}: windows is 3, expected a number that divides 64"),
    (lambda n: with_layer(n, SCORES, windows=2), f"tensor {SCORES} has shape [8, 16, 16], expected [4, 32, 32]"),
    (
        lambda n: with_layer(n, VALUES, windows=2),
        "tensor blocks.1.attn.softmax has shape [8, 16, 16], expected [4, 32",
    ),
    (lambda n: with_layer(n, SCORES, biased=False), f"array {SCORES}.bias is used by no layer"),
    (
        lambda n: with_array(n, f"{SCORES}.bias", n.arrays[f"{SCORES}.bias"][..., :15]),
        "is int16[4, 2, 16, 15], expected int16[4, 2, 16, 16]",
    ),
    (lambda n: with_array(n, f"{SCORES}.kind", np.full(4, 4, np.uint8)), "is 4 at index [0], expected values in 0..3"),
    (
        lambda n: with_tensor(n, "norm", format=Uniform(bits=8, signed=False)),
        "layer pool: tensor norm has format kind uniform, bits 8, signed False",
    ),
    (lambda n: with_tensor(n, "pool", shape=(1, 31)), "layer pool: tensor pool has shape [1, 31], expected [1, 32]"),
]


@pytest.mark.parametrize(("change", "sentence"), CHANGES)
def test_what_does_not_fit_is_refused(network: Network, change: Callable[[Network], Network], sentence: str) -> None:
    check_network(network, SOURCE)
    with pytest.raises(HwsimError) as error:
        check_network(change(network), SOURCE)
    assert sentence in str(error.value)


def test_rows_with_scales_do_not_move() -> None:
    made = quantise(tiny_swin_model(), tiny_swin_images(2), method_config("adfq", 8, {"rounds": 1}), lambda _: None)
    network, norm = made.network, "blocks.0.norm1"
    place = next(i for i, layer in enumerate(network.layers) if layer.name == norm)
    moved = Rearrange(name="moved", output="moved", input=norm, kind="unwindow", height=8, width=8, size=4)
    layers = [*network.layers[: place + 1], moved, *network.layers[place + 1 :]]
    tensors = network.manifest.tensors | {"moved": network.tensor(norm)}
    manifest = network.manifest.model_copy(update={"layers": layers, "tensors": tensors})
    with pytest.raises(HwsimError, match="expected any but row_uniform, whose rows keep their places"):
        check_network(Network(manifest, network.arrays), SOURCE)


def test_the_index_is_of_each_row_once() -> None:
    layer = Rearrange(name="a", output="a", input="b", kind="window", height=8, width=12, size=4, shift=2)
    there, back = row_index(layer)[:, 0], row_index(layer.model_copy(update={"kind": "unwindow"}))[:, 0]
    assert np.array_equal(there[back], np.arange(96))
    assert there[:5].tolist() == [2 * 12 + 2, 2 * 12 + 3, 2 * 12 + 4, 2 * 12 + 5, 3 * 12 + 2]
    merged = row_index(layer.model_copy(update={"kind": "merge", "size": 2, "shift": 0}))
    assert merged[7].tolist() == [2 * 12 + 2, 3 * 12 + 2, 2 * 12 + 3, 3 * 12 + 3]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (WINDOW, "must be followed by the linear layer or LayerNorm that alone reads it"),
        ("patches", "linear layer that"),
    ],
)
def test_what_loads_rows_comes_right_before_what_reads_them(network: Network, name: str, sentence: str) -> None:
    layers = list(network.layers)
    place = next(i for i, layer in enumerate(layers) if layer.name == name)
    layers.insert(place + 1, layers.pop(place + 2))
    moved = Network(network.manifest.model_copy(update={"layers": layers}), network.arrays)
    with pytest.raises(HwsimError, match=sentence):
        compile_network(moved, load_preset("edge"))
