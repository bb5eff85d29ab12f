from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hwsim.compiler import compile_network
from hwsim.compiler.lower import lower
from hwsim.compiler.proof import accumulator_bounds, linear_bound
from hwsim.config import load_preset
from hwsim.errors import HwsimError
from hwsim.formats import ChannelScaled, Uniform
from hwsim.machine import Machine
from hwsim.network import Layer, Linear, Network, TensorSpec
from tests import oracle
from tests.random_network import DEIT_TINY, random_images, random_network, vit_network

TINY = load_preset("tiny")
EXP2 = oracle.exp2_table()


def changed(network: Network, layers: list[Layer] | None = None, **tensors: TensorSpec) -> Network:
    """Copy with other layers or tensors; arrays are copied, so that a test may write to them."""
    update: dict[str, Any] = {"tensors": network.manifest.tensors | tensors}
    if layers is not None:
        update["layers"] = layers
    return Network(network.manifest.model_copy(update=update), {k: v.copy() for k, v in network.arrays.items()})


def with_format(network: Network, tensor: str, fmt: Any) -> Network:
    return changed(network, **{tensor: network.tensor(tensor).model_copy(update={"format": fmt})})


@pytest.fixture(scope="module")
def deit() -> Network:
    return vit_network(DEIT_TINY, np.random.default_rng(0))


# Lowering


def test_drain_takes_the_table_and_the_residual_adder() -> None:
    program = compile_network(random_network(0, depth=1), TINY)
    block = "blocks.0"
    assert [one.layers for one in program.passes] == [
        ("patches", "patch_embed", "embed"),
        (f"{block}.norm1",),
        (f"{block}.attn.qkv",),
        (f"{block}.attn.scores",),
        (f"{block}.attn.softmax",),
        (f"{block}.attn.values",),
        (f"{block}.attn.proj", f"{block}.attn.add"),
        (f"{block}.norm2",),
        (f"{block}.mlp.fc1", f"{block}.mlp.gelu"),
        (f"{block}.mlp.fc2", f"{block}.mlp.add"),
        ("norm",),
        ("head",),
    ]
    assert [one.name for one in program.passes][:2] == ["patch_embed", "blocks.0.norm1"]
    assert {one.unit for one in program.passes} == {"pe_array", "softmax", "layernorm"}


@pytest.mark.parametrize("seed", range(5))
def test_every_layer_is_in_exactly_one_pass(seed: int) -> None:
    network = random_network(seed)
    program = compile_network(network, TINY)
    assert [name for one in program.passes for name in one.layers] == [layer.name for layer in network.layers]


def test_deit_tiny_has_its_known_products(deit: Network) -> None:
    program = compile_network(deit, load_preset("edge"))
    gemms = [one.gemm for one in program.passes if one.gemm is not None]
    assert sum(gemm.copies for gemm in gemms) == 122
    class_token_row = 768 * 192
    assert sum(gemm.macs for gemm in gemms) == 1_253_683_200 + class_token_row
    assert gemms[0].tiles(program.config) == 13 * 12


def test_softmax_rows_are_those_of_all_heads(deit: Network) -> None:
    program = compile_network(deit, load_preset("edge"))
    softmax = next(one for one in program.passes if one.unit == "softmax")
    assert (softmax.rows, softmax.channels) == (3 * 197, 197)
    values = next(one for one in program.passes if one.name.endswith("attn.values"))
    assert (values.rows, values.channels) == (3 * 197, 64)


def test_table_that_another_layer_separates_from_its_product_is_refused() -> None:
    network = random_network(0, depth=1)
    layers = network.layers
    index = next(i for i, layer in enumerate(layers) if layer.op == "table")
    lone = Linear(name="lone", output=layers[index - 1].output, input=layers[index - 1].input)
    moved = [*layers[: index - 1], layers[index - 1], lone.model_copy(update={"output": "lone.out"}), *layers[index:]]
    with pytest.raises(HwsimError, match=r"layer blocks\.0\.mlp\.gelu \(table\) must directly follow a linear layer"):
        lower(changed(network, moved, **{"lone.out": network.tensor(layers[index - 1].output)}))


def test_im2col_without_its_product_is_refused() -> None:
    network = random_network(0, depth=1)
    with pytest.raises(HwsimError, match=r"layer patches \(im2col\) must be followed by the linear layer"):
        lower(changed(network, [network.layers[0], *network.layers[2:]]))


# The proof


def worst_rows(network: Network, layer: Linear, column: int) -> list[list[int]]:
    """Input rows that drive a column's sum to its largest and smallest, as terms."""
    mantissa, shift = network.tensor(layer.input).format.terms()
    terms = (mantissa.astype(np.int64) << shift).tolist()
    weights = network.arrays[f"{layer.name}.weight"][column].tolist()
    return [[max(terms, key=lambda term: sign * term * weight) for weight in weights] for sign in (1, -1)]


@pytest.mark.parametrize("seed", range(6))
def test_bound_is_reached_and_never_exceeded_by_adversarial_inputs(seed: int) -> None:
    network = random_network(seed)
    for layer in network.layers:
        if not isinstance(layer, Linear):
            continue
        reached = 0
        weight, bias = network.arrays[f"{layer.name}.weight"], network.arrays[f"{layer.name}.bias"]
        for column in range(len(weight)):
            for row in worst_rows(network, layer, column):
                products = [term * int(w) for term, w in zip(row, weight[column], strict=True)]
                partial = max(abs(sum(products[: k + 1])) for k in range(len(products)))
                reached = max(reached, partial + abs(int(bias[column])))
        assert reached <= linear_bound(network, layer)
        # Positive and negative products peak for different inputs; the larger of both is attained.
        assert reached == linear_bound(network, layer)


def test_partial_sums_in_any_order_stay_below_the_bound() -> None:
    network = random_network(3)
    rng = np.random.default_rng(0)
    layer = next(layer for layer in network.layers if layer.name.endswith("fc2"))
    assert isinstance(layer, Linear)
    mantissa, shift = network.tensor(layer.input).format.terms()
    weight = network.arrays[f"{layer.name}.weight"].astype(np.int64)
    for _ in range(200):
        codes = rng.integers(0, len(mantissa), weight.shape[1])
        order = rng.permutation(weight.shape[1])
        products = (mantissa[codes].astype(np.int64) << shift[codes]) * weight
        assert np.abs(products[:, order].cumsum(1)).max() <= linear_bound(network, layer)


@pytest.mark.parametrize("seed", range(5))
def test_accumulators_of_real_runs_stay_below_the_bounds(seed: int) -> None:
    network = random_network(seed)
    program = compile_network(network, TINY)
    trace = Machine(program).run(random_images(network, 3, seed), trace=True).trace
    for layer in network.layers:
        if isinstance(layer, Linear):
            fmt = network.tensor(layer.input).format
            raw = trace[layer.input].astype(np.int64) % (1 << fmt.bits)
            mantissa, shift = fmt.terms()
            terms = mantissa[raw].astype(np.int64) << shift[raw]
            acc = terms @ network.arrays[f"{layer.name}.weight"].T.astype(np.int64)
            assert np.abs(acc + network.arrays[f"{layer.name}.bias"]).max() <= program.accumulator_bounds[layer.name]


def test_larger_weight_or_bias_is_refused_by_name_bound_and_limit() -> None:
    network = changed(random_network(0, depth=1))
    name, bias = "blocks.0.mlp.fc2", network.arrays["blocks.0.mlp.fc2.bias"]
    bias[0] = 2**31 - 1
    layer = next(layer for layer in network.layers if layer.name == name)
    bound = linear_bound(network, layer)
    with pytest.raises(HwsimError, match=rf"layer {name}: accumulators can reach {bound}, expected below 2\*\*31"):
        compile_network(network, TINY)


def test_one_weight_decides_at_the_limit() -> None:
    # Uniform 8 bits unsigned, zero point 0: 255 * w. K = 4, bias chosen so that one more unit of weight overflows.
    network = changed(random_network(0, depth=1))
    network = with_format(network, "norm.out", Uniform(bits=8, signed=False))
    weight, bias = network.arrays["head.weight"], network.arrays["head.bias"]
    weight[:], bias[:] = 0, 0
    weight[0, 0], bias[0] = 1, 2**31 - 1 - 255
    assert compile_network(network, TINY).accumulator_bounds["head"] == 2**31 - 1
    weight[0, 0] = 2
    with pytest.raises(HwsimError, match="layer head: accumulators can reach 2147483902, expected below"):
        compile_network(network, TINY)


def test_narrower_accumulator_lowers_the_limit() -> None:
    network = changed(random_network(0, depth=1))
    network.arrays["head.bias"][0] = 1 << 23
    with pytest.raises(HwsimError, match=r"layer head: .* expected below 2\*\*23"):
        compile_network(network, load_preset("tiny", ["accumulator_bits=24"]))


def test_radicand_that_could_leave_48_bits_is_refused() -> None:
    network = changed(random_network(0, depth=1))
    layers = [
        layer.model_copy(update={"epsilon": 2**47 - 1}) if layer.name == "norm" else layer for layer in network.layers
    ]
    shape = network.tensor("blocks.0.mlp.add.out").shape
    wide = TensorSpec(shape=(shape[0], 1024), format=ChannelScaled(bits=8), scale=1.0)
    network = changed(network, layers, **{"blocks.0.mlp.add.out": wide})
    network.arrays["blocks.0.mlp.add.out.shifts"] = np.full(1024, 7, np.uint8)
    with pytest.raises(HwsimError, match=r"layer norm: the radicand can reach .* expected below 2\*\*48"):
        accumulator_bounds(network, lower(network), TINY)


# Refusals of what a configuration cannot hold


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["mantissa_bits=8"], "layer patch_embed reads patches.rows, whose mantissas run from .*mantissa_bits = 8"),
        (["term_shift_bits=1"], "which shifts by [2-9].* expected shifts of term_shift_bits = 1 bits"),
        (["weight_bits=4"], "layer patch_embed has weights from .* expected weights of weight_bits = 4 signed bits"),
        (["multiplier_bits=15"], "multiplies by [0-9]+, expected multipliers of multiplier_bits = 15 signed bits"),
        (["layernorm_channels_max=8"], r"layer blocks\.0\.norm1 has rows of 15 channels, expected .*_max = 8"),
        (["weight_buffer_bytes=64"], "layer patch_embed needs two banks of [0-9]+ bytes for a tile of weights"),
    ],
)
def test_network_that_does_not_fit_the_configuration_is_refused(overrides: list[str], sentence: str) -> None:
    network = random_network(1, channels=15, heads=3, depth=1, patch=4, size=8)
    with pytest.raises(HwsimError, match=sentence):
        compile_network(network, load_preset("tiny", overrides))


def test_softmax_row_that_the_unit_cannot_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    network = random_network(1, channels=15, heads=3, depth=1, patch=4, size=8)  # 4 patches
    monkeypatch.setattr("hwsim.compiler.limits.SOFTMAX_COLUMNS_MAX", 4)
    compile_network(network, TINY)
    monkeypatch.setattr("hwsim.compiler.limits.SOFTMAX_COLUMNS_MAX", 3)
    with pytest.raises(HwsimError, match=r"layer blocks\.0\.attn\.softmax has rows of 4 scores, expected at most 3$"):
        compile_network(network, TINY)


def test_shift_of_the_requantiser_is_checked_against_its_width() -> None:
    network = changed(random_network(1))
    network.arrays["head.shift"][0] = 32
    with pytest.raises(HwsimError, match="layer head shifts by 32, expected shifts of multiplier_shift_bits = 5 bits"):
        compile_network(network, load_preset("tiny", ["multiplier_shift_bits=5"]))


def test_narrow_columns_refuse_wide_keys() -> None:
    network = changed(random_network(1, depth=1))
    for name in ("patch_embed", "blocks.0.attn.qkv"):
        network.arrays[f"{name}.weight"][:] = 1
    with pytest.raises(HwsimError, match=r"feeds 8-bit codes of blocks.0.attn.qkv.out to the columns, .*_bits = 7"):
        compile_network(network, load_preset("tiny", ["weight_bits=7"]))


def test_deit_tiny_fits_the_edge_preset_and_not_the_tiny_one(deit: Network) -> None:
    compile_network(deit, load_preset("edge"))
    with pytest.raises(HwsimError, match=r"expected at most (layernorm_channels_max|weight_bu)"):
        compile_network(deit, TINY)
