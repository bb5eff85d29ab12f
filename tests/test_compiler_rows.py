"""Limits and proof of rows with scales of their own, of outliers and of a wide stream."""

from __future__ import annotations

import numpy as np
import pytest

from hwsim.compiler import compile_network
from hwsim.compiler.lower import lower
from hwsim.compiler.proof import accumulator_bounds, linear_bound, linear_terms
from hwsim.config import load_preset
from hwsim.errors import HwsimError
from hwsim.formats import RowUniform, Uniform
from hwsim.machine import Machine
from hwsim.network import LayerNorm, Linear, Network
from tests import oracle
from tests.random_network import random_images, random_network
from tests.test_network_rows import NORM, ROWS, row_network, with_layer, with_tensor

TINY = load_preset("tiny")
Contribution = list[int]
"""Terms that one element adds, one step after another."""


def contributions(network: Network, tensor: str, row: int) -> list[Contribution]:
    """What an element of a row can add: extreme inliers, and the outliers of extreme results of LayerNorm."""
    fmt, maker = network.tensor(tensor).format, network.maker(tensor)
    assert isinstance(fmt, RowUniform)
    assert isinstance(maker, LayerNorm)
    zero, encode = (int(network.arrays[f"{tensor}.{name}"][row]) for name in ("zero_points", "encode_multipliers"))
    found = [[(code - zero) << fmt.exponent] for code in (fmt.minimum, fmt.maximum, zero)]
    if fmt.outliers:
        assert maker.threshold is not None
        assert maker.encode_shift is not None
        how = maker.encode_shift, fmt.exponent, maker.threshold, fmt.minimum, fmt.maximum
        values = {-(1 << 15), (1 << 15) - 1, maker.threshold + 1, -maker.threshold - 1}
        for value in sorted(values):
            if maker.threshold < abs(value) < 1 << 15 or value == -(1 << 15):
                _, high, low, _ = oracle.encode_row(value, encode, zero, *how)
                found.append([high << 8, low])
    return found


@pytest.mark.parametrize("seed", range(12))
def test_no_pattern_of_outliers_leaves_the_bound(seed: int) -> None:
    """The worst choice of each element, its steps in the order that reaches furthest."""
    network = random_network(seed, row_scales=True)
    checked = 0
    for layer in network.layers:
        if not isinstance(layer, Linear) or not isinstance(network.tensor(layer.input).format, RowUniform):
            continue
        bound, reached = linear_bound(network, layer), 0
        weight, bias = network.arrays[f"{layer.name}.weight"], network.arrays[f"{layer.name}.bias"]
        for row in range(network.tensor(layer.input).shape[0]):
            choices = contributions(network, layer.input, row)
            for column in range(len(weight)):
                for sign in (1, -1):
                    most = [
                        max(sum(max(0, sign * term * w) for term in choice) for choice in choices)
                        for w in weight[column].tolist()
                    ]
                    reached = max(reached, sum(most) + abs(int(bias[column])))
        assert reached <= bound
        assert reached > bound // 4  # sound, and not of no use
        checked += 1
    assert checked


def test_bound_of_outliers_by_hand() -> None:
    network = row_network()
    fmt = RowUniform(bits=8, signed=False, exponent=2, outliers=True)
    network = with_layer(with_tensor(network, ROWS, format=fmt), NORM, encode_shift=2)
    arrays = network.arrays
    arrays[f"{ROWS}.zero_points"] = np.full_like(arrays[f"{ROWS}.zero_points"], 100)
    arrays[f"{ROWS}.encode_multipliers"] = np.ones_like(arrays[f"{ROWS}.encode_multipliers"])
    assert linear_terms(network, ROWS) == (-(1 << 15), (1 << 15) - 1)
    network = with_layer(network, NORM, encode_shift=12)
    assert linear_terms(network, ROWS) == (-400, 620)  # outliers of 32 + 1 at most: 256 below, 255 above
    arrays[f"{ROWS}.zero_points"][0] = 0
    assert linear_terms(network, ROWS) == (-400, 1020)
    network = with_layer(network, NORM, encode_shift=7)
    assert linear_terms(network, ROWS) == (-1280, 1025)  # outliers of 1024 + 1: high limbs down to -5


def test_accumulators_that_outliers_could_overflow_are_refused() -> None:
    network = row_network()
    arrays = network.arrays
    arrays[f"{ROWS}.encode_multipliers"] = np.full_like(arrays[f"{ROWS}.encode_multipliers"], (1 << 15) - 1)
    weight, bias = arrays["blocks.0.attn.qkv.weight"], arrays["blocks.0.attn.qkv.bias"]
    bias[:] = 0
    bias[0] = 2**31 - 1 - (1 << 15) * int(np.abs(weight[0].astype(int)).sum())
    weight[0] = -np.abs(weight[0])
    bounds = accumulator_bounds(network, lower(network), TINY)
    assert bounds["blocks.0.attn.qkv"] <= 2**31 - 1
    bias[0] += (1 << 15) * int(np.abs(weight[0].astype(int)).sum()) - 1000
    with pytest.raises(HwsimError, match=r"layer blocks\.0\.attn\.qkv: accumulators can reach"):
        compile_network(network, TINY)


def test_two_accumulators_refuse_outliers_and_take_one_exponent() -> None:
    two = load_preset("tiny", ["pe_style=two_accumulator"])
    network = row_network()
    with pytest.raises(HwsimError, match=r"reads \S+, which shifts by \[0, [0-9, ]*8\], expected one nonzero shift"):
        compile_network(network, two)
    fmt = RowUniform(bits=8, signed=False, exponent=0, outliers=True)
    with pytest.raises(HwsimError, match=f"reads {ROWS}, which has outliers, expected none for two_accumulator"):
        compile_network(with_tensor(network, ROWS, format=fmt), two)
    checked = 0
    for seed in range(40):
        network = random_network(seed, row_scales=True, many_shifts=False)
        formats = [spec.format for spec in network.manifest.tensors.values()]
        rows = [fmt for fmt in formats if isinstance(fmt, RowUniform)]
        if rows and not any(fmt.outliers for fmt in rows):
            images = random_images(network, 1, 0)
            logits = [Machine(compile_network(network, config)).run(images).logits for config in (two, TINY)]
            assert (logits[0] == logits[1]).all()
            checked += 1
    assert checked


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["mantissa_bits=8"], f"reads {ROWS}, whose mantissas run from .* to 255, expected mantissas of"),
        (["term_shift_bits=3"], f"reads {ROWS}, which shifts by 8, expected shifts of term_shift_bits = 3 bits"),
    ],
)
def test_outliers_that_the_array_cannot_hold_are_refused(overrides: list[str], sentence: str) -> None:
    network = row_network()
    for name, spec in list(network.manifest.tensors.items()):
        if name in ("image", "patches.rows") or (isinstance(spec.format, Uniform) and spec.format.bits <= 8):
            low = isinstance(spec.format, Uniform) and not spec.format.signed
            network = with_tensor(network, name, format=Uniform(bits=7, signed=not low))
    with pytest.raises(HwsimError, match=sentence):
        compile_network(network, load_preset("tiny", overrides))


def test_more_rows_than_the_row_table_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    network = row_network()
    rows = network.tensor(ROWS).shape[0]
    monkeypatch.setattr("hwsim.compiler.limits.ROWS_MAX", rows)
    compile_network(network, TINY)
    monkeypatch.setattr("hwsim.compiler.limits.ROWS_MAX", rows - 1)
    with pytest.raises(HwsimError, match=f"reads {ROWS}, which has {rows} rows with scales, expected at most"):
        compile_network(network, TINY)


@pytest.mark.parametrize(
    ("channels", "bits", "epsilon", "fits"),
    [
        (512, 16, 0, True), (513, 16, 0, False), (768, 15, 1 << 30, True), (768, 16, 0, False),
        (1024, 14, 1 << 46, True), (1024, 15, 1 << 33, True), (1024, 15, 1 << 35, False),
    ],
)  # fmt: skip
def test_radicand_of_a_wide_stream_is_proved_from_its_bits(channels: int, bits: int, epsilon: int, fits: bool) -> None:
    network, name = random_network(0, wide_stream=True, depth=1), "blocks.0.mlp.add.out"
    shape = network.tensor(name).shape[0], channels
    network = with_tensor(network, name, shape=shape, format=Uniform(bits=bits, signed=True))
    network = with_layer(network, "norm", epsilon=epsilon)
    if fits:
        accumulator_bounds(network, lower(network), TINY)
        return
    with pytest.raises(HwsimError, match=r"layer norm: the radicand can reach .* expected below 2\*\*48"):
        accumulator_bounds(network, lower(network), TINY)
