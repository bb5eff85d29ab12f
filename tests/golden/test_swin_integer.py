"""A quantised Swin: golden's integers are the oracle's and the machine's, word for word, and follow paper mode."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import golden.calibrate
import hwsim.machine
from golden.from_timm import Model, load_model
from golden.integer import IntegerModel
from golden.integer_ops import terms
from golden.method import METHODS, method_config
from golden.pipeline import Quantised, measure, quantise
from golden.quantizers.rows import TABLE_ROWS
from golden.vit import Affine, forward
from hwsim.compiler import compile_network
from hwsim.compiler.limits import ROWS_MAX
from hwsim.config import load_preset
from hwsim.formats import RowUniform
from hwsim.machine import Machine
from hwsim.network import AttentionScores, Network, Rearrange, load_network, save_network
from hwsim.network_check import check_network
from tests.golden.test_from_timm import smooth_images
from tests.golden.test_integer import assert_equals_oracle
from tests.tiny_swin import tiny_swin_images, tiny_swin_model

FAST = {"rounds": 1, "sampled_rows": 128}
SHIFTED = "blocks.1.attn"
"""The attention of the shifted block; timm's windows there are interior, right, bottom and corner."""


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_swin_model()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return tiny_swin_images(24)


def made(model: Model, images: torch.Tensor, method: str, bits: int) -> Quantised:
    found = quantise(model, images[:8], method_config(method, bits, FAST), lambda _: None)
    check_network(found.network, Path("tiny_swin"))
    return found


@pytest.fixture(scope="module")
def plain(model: Model, images: torch.Tensor) -> Quantised:
    return made(model, images, "minmax", 8)


def mismatched_words(network: Network, images: torch.Tensor) -> tuple[int, int]:
    """Words that differ between golden and the machine, and words compared, over every tensor."""
    expected = IntegerModel(network).trace(images)
    # the whole Swin-T merges 4 * 384 channels, the preset's LayerNorm takes 1,024; its last fc2 sums up 3,072 products
    config = load_preset("edge", ["weight_buffer_bytes=131072", "layernorm_channels_max=2048"])
    result = Machine(compile_network(network, config)).run(images.numpy(), trace=True)
    assert set(result.trace) == set(expected) - {network.manifest.input}
    differing = sum(int((expected[name].numpy() != words).sum()) for name, words in result.trace.items())
    return differing, sum(words.size for words in result.trace.values())


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("method", METHODS)
def test_machine_equals_golden(method: str, bits: int, model: Model, images: torch.Tensor) -> None:
    quantised = made(model, images, method, bits)
    differing, compared = mismatched_words(quantised.network, images[8:10])
    assert compared > 2 * 80_000
    assert differing == 0
    if bits == 8:
        figures = measure(quantised, images[8:], None, "blotches", lambda _mode, _done: None).figures
        assert figures["integer"].kl < 0.1
        assert abs(figures["integer"].kl - figures["paper"].kl) < 0.03


@pytest.mark.parametrize("method", ["tsptq", "adfq"])
def test_golden_equals_the_oracle(
    method: str, model: Model, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(golden.calibrate, "TABLE_ROWS", 32)  # the first stage's 64 rows of scales repeat
    network = made(model, images, method, 4).network
    assert_equals_oracle(network, images[20:21])
    rows = {name for name, spec in network.manifest.tensors.items() if isinstance(spec.format, RowUniform)}
    periods = {name: network.row_period(name) for name in rows}
    wanted = {"blocks.0.norm1": 16, "blocks.1.norm2": 32, "blocks.2.merge.norm": 16, "blocks.2.norm1": 16}
    assert {name: periods[name] for name in wanted} == wanted if method == "adfq" else not rows


def test_the_table_of_row_scales_is_as_long_as_the_accelerators() -> None:
    assert TABLE_ROWS == ROWS_MAX


def test_masked_pairs_have_no_probability(plain: Quantised, model: Model, images: torch.Tensor) -> None:
    network = plain.network
    traced = IntegerModel(network).trace(images[:4])
    bias, kind = (network.arrays[f"{SHIFTED}.scores.{name}"] for name in ("bias", "kind"))
    assert kind.tolist() == [0, 1, 2, 3]
    masked = torch.from_numpy(bias[kind] == -(2**15)).flatten(0, 1)
    # of each window's 256 pairs: none, those of two halves, twice, those of four quarters
    assert masked.sum((1, 2)).reshape(4, -1)[:, 0].tolist() == [0, 128, 128, 192]
    values = terms(traced[f"{SHIFTED}.softmax"], network.tensor(f"{SHIFTED}.softmax").format)
    assert not values[:, masked].any()
    assert values[:, ~masked].bool().double().mean() > 0.5


def follows_float(network: Network, model: Model, images: torch.Tensor) -> float:
    """Error of the residual tensor after the shifted attention in integer mode over the float one's size."""
    seen: dict[str, torch.Tensor] = {}
    forward(model.vit, images, seen.setdefault)
    name = f"{SHIFTED}.add"
    found = IntegerModel(network).trace(images)[name] * network.tensor(name).scale
    return float((found - seen[name]).norm() / seen[name].norm())


def changed(network: Network, index: int, **values: object) -> Network:
    """The network with another value in one layer."""
    layers = list(network.layers)
    layers[index] = layers[index].model_copy(update=values)
    return Network(network.manifest.model_copy(update={"layers": layers}), network.arrays)


def test_a_wrong_kind_or_shift_is_seen(plain: Quantised, model: Model, images: torch.Tensor) -> None:
    network = plain.network
    assert follows_float(network, model, images[:8]) < 0.06
    wrong_kind = network.arrays | {f"{SHIFTED}.scores.kind": np.array([0, 1, 2, 2], np.uint8)}
    assert follows_float(Network(network.manifest, wrong_kind), model, images[:8]) > 0.1
    for index, layer in enumerate(network.layers):
        if isinstance(layer, Rearrange) and layer.shift:
            broken = changed(network, index, shift=0)
            check_network(broken, Path("broken"))
            assert follows_float(broken, model, images[:8]) > 0.3, layer.name


@pytest.mark.parametrize("kind", ["window", "unwindow", "merge"])
def test_rows_in_another_order_are_seen(
    kind: str, plain: Quantised, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shift in the other direction, and neighbours right before down."""
    original = hwsim.machine.row_index

    def other(layer: Rearrange) -> np.ndarray:
        if layer.kind != kind:
            return original(layer)
        if kind == "merge":
            return original(layer)[:, [0, 2, 1, 3]]
        return original(layer.model_copy(update={"shift": -layer.shift}))

    monkeypatch.setattr(hwsim.machine, "row_index", other)
    assert mismatched_words(plain.network, images[:2])[0] > 1000


def test_reconstruction_rounds_weights_of_every_stage(model: Model, images: torch.Tensor) -> None:
    parts = {"reconstruction.iterations": 4, "reconstruction.images": 6, "reconstruction.batch": 2}
    said: list[str] = []
    config = method_config("adfq", 4, FAST | parts)
    network = quantise(model, images[:8], config, said.append).network
    learnt = [line for line in said if "output error" in line]
    assert [line.partition(":")[0] for line in learnt] == [f"blocks.{i}.{k}" for i in range(4) for k in ("attn", "mlp")]
    assert mismatched_words(network, images[20:21])[0] == 0


def test_a_saved_network_loads(plain: Quantised, images: torch.Tensor, tmp_path: Path) -> None:
    save_network(plain.network, tmp_path)
    loaded = load_network(tmp_path)
    assert torch.equal(IntegerModel(loaded)(images[:2]), IntegerModel(plain.network)(images[:2]))


def test_machine_equals_golden_at_the_shape_of_swin_tinys_first_blocks() -> None:
    """56 x 56 tokens, one block with shift and mask; the rows of scales repeat."""
    whole = load_model("swin_tiny_patch4_window7_224", random_seed=0)
    norm, head = (Affine(weight=torch.randn(*shape) / 8, bias=torch.zeros(shape[0])) for shape in ((96,), (10, 96)))
    vit = replace(whole.vit, blocks=whole.vit.blocks[:2], norm=norm, head=head)
    model = replace(whole, vit=vit, classes=[str(i) for i in range(10)])
    images = smooth_images(vit, 3)
    network = quantise(model, images[:2], method_config("adfq", 8, FAST), lambda _: None).network
    assert [network.row_period(f"blocks.1.norm{i}") for i in (1, 2)] == [49, 7 * 56]
    scores = next(layer for layer in network.layers if layer.name == f"{SHIFTED}.scores")
    assert isinstance(scores, AttentionScores)
    assert scores.windows == 64
    assert network.arrays[f"{SHIFTED}.scores.bias"].shape == (4, 3, 49, 49)
    differing, compared = mismatched_words(network, images[2:])
    assert compared > 10_000_000
    assert differing == 0


@pytest.mark.long
def test_machine_equals_golden_on_swin_tiny() -> None:
    model = load_model("swin_tiny_patch4_window7_224", random_seed=0)
    images = smooth_images(model.vit, 3)
    network = quantise(model, images[:2], method_config("minmax", 8, FAST), lambda _: None).network
    check_network(network, Path("swin_tiny"))
    differing, compared = mismatched_words(network, images[2:])
    print(f"{compared} words compared, {differing} differ")
    assert compared > 30_000_000
    assert differing == 0
