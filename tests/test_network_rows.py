"""Networks of rows with scales of their own and of a wide stream: what the check of a network refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwsim.errors import HwsimError
from hwsim.formats import ChannelScaled, RowUniform, Uniform
from hwsim.network import Network, load_network, save_network
from hwsim.network_check import check_network
from tests.random_network import random_network

SOURCE = Path("network.json")
NORM, ROWS = "blocks.0.norm1", "blocks.0.norm1.out"
ROW_FORMAT = RowUniform(bits=8, signed=False, exponent=3, outliers=True)
WIDE = Uniform(bits=16, signed=True)


def row_network() -> Network:
    """First random network whose first LayerNorm has outliers, unsigned."""
    for seed in range(200):
        network = random_network(seed, row_scales=True, depth=1, channels=6, heads=2)
        fmt = network.tensor(ROWS).format
        if isinstance(fmt, RowUniform) and fmt.outliers and not fmt.signed and fmt.exponent > 2:
            return network
    raise AssertionError("no such network")


def with_tensor(network: Network, name: str, **changes: Any) -> Network:
    tensors = dict(network.manifest.tensors)
    tensors[name] = tensors[name].model_copy(update=changes)
    return Network(network.manifest.model_copy(update={"tensors": tensors}), dict(network.arrays))


def with_layer(network: Network, name: str, **changes: Any) -> Network:
    layers = [one.model_copy(update=changes) if one.name == name else one for one in network.manifest.layers]
    return Network(network.manifest.model_copy(update={"layers": layers}), dict(network.arrays))


def with_array(network: Network, name: str, array: Any) -> Network:
    return Network(network.manifest, dict(network.arrays) | {name: array})


def poked(network: Network, name: str, value: int) -> Network:
    array = network.arrays[name].copy()
    array[-1] = value
    return with_array(network, name, array)


@pytest.mark.parametrize("seed", range(10))
def test_random_networks_pass_and_survive_a_file(seed: int, tmp_path: Path) -> None:
    network = random_network(seed, row_scales=True, wide_stream=bool(seed % 2))
    check_network(network, SOURCE)
    save_network(network, tmp_path)
    loaded = load_network(tmp_path)
    assert loaded.manifest.tensors == network.manifest.tensors
    assert loaded.manifest.layers == network.manifest.layers
    assert all((loaded.arrays[name] == array).all() for name, array in network.arrays.items())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda n: with_layer(n, NORM, encode_shift=None),
            f"layer {NORM}: encode_shift is missing, expected a shift 0..31, as {ROWS} is row_uniform",
        ),
        (
            lambda n: with_layer(n, NORM, encode_shift=1),
            f"layer {NORM}: encode_shift is 1, expected at least {ROWS}'s exponent",
        ),
        (
            lambda n: with_layer(n, NORM, threshold=None),
            f"layer {NORM}: threshold is None, expected a threshold, as {ROWS} has outliers",
        ),
        (
            lambda n: with_tensor(n, ROWS, format=RowUniform(bits=8, signed=False)),
            f"expected none, as {ROWS} has no outliers",
        ),
        (
            lambda n: with_tensor(n, ROWS, format=Uniform(bits=8, signed=False)),
            f"expected none, as {ROWS} is not row_uniform",
        ),
        (
            lambda n: with_array(n, f"{ROWS}.multipliers", np.zeros(2, np.uint16)),
            f"array {ROWS}.multipliers is uint16[2], expected uint16[",
        ),
        (lambda n: poked(n, f"{ROWS}.multipliers", 32769), "multipliers is 32769 at index"),
        (lambda n: poked(n, f"{ROWS}.encode_multipliers", 32768), "encode_multipliers is 32768 at index"),
        (lambda n: poked(n, f"{ROWS}.zero_points", -1), "zero_points is -1 at index"),
        (lambda n: poked(n, "blocks.0.attn.qkv.shift", 56), "expected values in 0..55"),
        (
            lambda n: with_tensor(n, "blocks.0.attn.softmax.out", format=ROW_FORMAT),
            "format kind row_uniform, bits 8, signed False, exponent 3, outliers True, expected two_scale",
        ),
        (lambda n: with_tensor(n, "blocks.0.attn.values.out", format=ROW_FORMAT), "outliers True, expected uniform"),
        (lambda n: with_tensor(n, "blocks.0.mlp.gelu.out", format=ROW_FORMAT), "outliers True, expected two_scale"),
        (lambda n: with_tensor(n, "embed.out", format=ROW_FORMAT), "outliers True, expected channel_scaled, or uni"),
        (
            lambda n: with_layer(n, "blocks.0.norm2", input=ROWS),
            f"layer blocks.0.norm2: tensor {ROWS} has format kind row_uniform",
        ),
    ],
)
def test_rows_with_scales_that_do_not_fit_are_refused(change: Callable[[Network], Network], sentence: str) -> None:
    check_network(row_network(), SOURCE)
    with pytest.raises(HwsimError) as error:
        check_network(change(row_network()), SOURCE)
    assert sentence in str(error.value)


def test_a_shift_beyond_47_needs_scales_of_rows() -> None:
    network = row_network()
    check_network(poked(network, "blocks.0.attn.qkv.shift", 55), SOURCE)
    with pytest.raises(HwsimError, match=r"values in 0\.\.47"):
        check_network(poked(network, "blocks.0.attn.proj.shift", 48), SOURCE)


ADD = "blocks.0.attn.add"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda n: with_layer(n, ADD, mult=2), f"layer {ADD}: mult is 2, expected 1 with a uniform residual stream"),
        (lambda n: with_layer(n, ADD, shift=1), f"layer {ADD}: shift is 1, expected 0 with a uniform residual stream"),
        (
            lambda n: with_layer(n, "embed", guard_bits=3),
            "layer embed: guard_bits is 3, expected 0 with a uniform residual",
        ),
        (
            lambda n: with_tensor(n, f"{ADD}.out", scale=2.0),
            f"tensor blocks.0.attn.proj.out has scale 1.0, expected that of {ADD}.out, 2.0: one scale for a uniform",
        ),
        (
            lambda n: with_tensor(n, f"{ADD}.out", format=ChannelScaled(bits=8)),
            "expected uniform, 15 bits, signed, like embed.out, in the whole residual stream",
        ),
        (
            lambda n: with_tensor(n, f"{ADD}.out", format=Uniform(bits=16, signed=True)),
            "expected uniform, 15 bits, signed, like embed.out, in the whole residual stream",
        ),
        (
            lambda n: with_tensor(n, "embed.out", format=Uniform(bits=10, signed=True)),
            "expected channel_scaled, or uniform, 11 to 16 bits, signed, zero point 0",
        ),
        (lambda n: with_array(n, "embed.out.shifts", np.zeros(6, np.uint8)), "is used by no layer"),
    ],
)
def test_a_wide_stream_that_does_not_fit_is_refused(change: Callable[[Network], Network], sentence: str) -> None:
    network = random_network(3, wide_stream=True, depth=1, channels=6, heads=2)
    check_network(network, SOURCE)
    with pytest.raises(HwsimError) as error:
        check_network(change(network), SOURCE)
    assert sentence in str(error.value)


def test_a_stream_of_8_bits_does_not_become_wide() -> None:
    network = random_network(3, depth=1, channels=6, heads=2)
    match = "expected channel_scaled, like embed.out, in the whole residual stream"
    with pytest.raises(HwsimError, match=match):
        check_network(with_tensor(network, f"{ADD}.out", format=WIDE), SOURCE)
