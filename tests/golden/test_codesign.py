"""Codesign in golden: the options cover the methods, estimated errors against finite differences, and columns."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from golden.calibrate import Calibration
from golden.codesign.errors import BlockErrors
from golden.codesign.space import FORMATS, assignment, columns, option_of, options_of
from golden.codesign.tabulate import tabulate
from golden.fold import Folded
from golden.from_timm import Model
from golden.method import METHODS, method_config
from golden.observe import join, observe_block, observe_boundaries
from golden.pipeline import network_of
from golden.quantizers.base import Quantiser
from golden.tensor_parts import PARTS, kind_of, tensor_names
from golden.vit import Vit, forward
from hwsim.formats import RowUniform, TwoScale


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bits", [8, 4, 3])
def test_every_method_is_among_the_options(method: str, bits: int, tiny_model: Model) -> None:
    config = method_config(method, bits)
    for name in tensor_names(tiny_model.vit):
        option = options_of(name)[option_of(name, config)]
        assert option.bits == bits
        chosen = {"norm": "tensor", "fold": "none", "outlier_threshold": None, **option.parts}
        if kind_of(name) in ("norm1", "norm2"):
            assert (chosen["norm"], chosen["fold"]) == (config.norm, config.fold)
            assert (chosen["outlier_threshold"] is None) == (config.outlier_threshold is None)
        if kind_of(name) == "gelu":
            assert chosen.get("gelu", "uniform") == config.gelu
        if kind_of(name) == "softmax":
            assert chosen.get("softmax", "uniform") == config.softmax


def test_every_part_of_a_tensor_is_an_option() -> None:
    for kind, parts in PARTS.items():
        formats = FORMATS["norm" if kind in ("norm1", "norm2") else kind]
        varied = {key for each in formats.values() for key in each}
        assert varied <= set(parts)


def test_columns_choose_each_option_once(tiny_model: Model) -> None:
    names = tensor_names(tiny_model.vit)
    found = [(name, number) for column in columns(names, 0, {}) for name, number in column.chosen.items()]
    assert sorted(found) == sorted((name, number) for name in names for number in range(len(options_of(name))))


class Shifted(Quantiser):
    """Adds the same to every element: an error that is known."""

    def __init__(self, error: float) -> None:
        self.error = error

    @property
    def unit(self) -> float:
        return 1.0

    def quantize(self, x: Tensor) -> Tensor:
        return x

    def dequantize(self, codes: Tensor) -> Tensor:
        return codes + self.error


def log_p(vit: Vit, images: Tensor, labels: Tensor, tensor: str, error: float) -> Tensor:
    """Logarithm of the probability of each drawn label, float64[B, draws], the tensor moved by ``error``."""
    found = forward(vit, images, lambda name, x: x + error if name == tensor else x).double().log_softmax(1)
    return found.gather(1, labels)


@pytest.mark.parametrize(
    "tensor",
    ["blocks.0.norm1", "blocks.0.attn.qkv", "blocks.1.attn.softmax", "blocks.1.attn.values", "blocks.0.mlp.gelu"],
)
def test_an_error_is_the_mean_square_of_what_it_does_to_the_label(
    tensor: str, tiny_model: Model, tiny_images: Tensor
) -> None:
    vit, images, generator = tiny_model.vit, tiny_images[:8], torch.Generator().manual_seed(1)
    boundaries = join(list(observe_boundaries(vit, images, 3, generator)))
    labels = torch.multinomial(
        forward(vit, images).log_softmax(1).exp(), 3, replacement=True, generator=torch.Generator().manual_seed(1)
    )
    run = Calibration(vit, images, method_config("minmax", 8))
    run.activations[tensor] = Shifted(1e-3)
    index = int(tensor.split(".")[1])
    with torch.no_grad():
        found = BlockErrors(vit, index, [(run, [tensor])]).run(boundaries)[0][tensor]
    step = 0.004
    slope = (log_p(vit, images, labels, tensor, step) - log_p(vit, images, labels, tensor, -step)) / (2 * step)
    assert found == pytest.approx(float((slope * 1e-3).square().mean()) / 2, rel=0.03)


def test_the_error_of_a_weight(tiny_model: Model, tiny_images: Tensor) -> None:
    vit, images = tiny_model.vit, tiny_images[:8]
    boundaries = join(list(observe_boundaries(vit, images, 3, torch.Generator().manual_seed(1))))
    labels = torch.multinomial(
        forward(vit, images).log_softmax(1).exp(), 3, replacement=True, generator=torch.Generator().manual_seed(1)
    )
    run = Calibration(vit, images, method_config("minmax", 5))
    plain = replace(boundaries, gradients=())
    run.block(0, observe_block(vit, 0, plain, 8, torch.Generator().manual_seed(0)))
    layers = {"attn.qkv": "qkv", "attn.proj": "proj", "mlp.fc1": "fc1", "mlp.fc2": "fc2"}
    names = [f"blocks.0.{layer}.weight" for layer in layers]
    with torch.no_grad():
        found = BlockErrors(vit, 0, [(run, names)]).run(boundaries)[0]
    for layer, field in layers.items():
        old = getattr(vit.blocks[0], field)
        change = run.weights[f"blocks.0.{layer}"].dequantize() - old.weight

        def moved(share: float, field: str = field, old=old, change: Tensor = change) -> Tensor:
            block = replace(vit.blocks[0], **{field: replace(old, weight=old.weight + share * change)})
            return log_p(replace(vit, blocks=(block, *vit.blocks[1:])), images, labels, "", 0.0)

        slope = (moved(0.05) - moved(-0.05)) / 0.1
        assert found[f"blocks.0.{layer}.weight"] == pytest.approx(float(slope.square().mean()) / 2, rel=0.03)


def test_folded_scales_are_judged_in_the_old_units(tiny_model: Model, tiny_images: Tensor) -> None:
    vit, images, name = tiny_model.vit, tiny_images[:8], "blocks.1.norm2"
    boundaries = join(list(observe_boundaries(vit, images, 3, torch.Generator().manual_seed(1))))
    plain, folded = (Calibration(vit, images, method_config("minmax", 8)) for _ in range(2))
    plain.activations[name], folded.activations[name] = Shifted(3e-3), Shifted(1e-3)
    block = vit.blocks[1]
    three = torch.full_like(block.norm2.weight, 3.0)
    folded.folds[name] = Folded(norm=block.norm2, linear=block.fc1, quantiser=None, r=three, shift=0.7 * three)
    with torch.no_grad():
        one, other = BlockErrors(vit, 1, [(plain, [name]), (folded, [name])]).run(boundaries)
    assert other[name] == pytest.approx(one[name], rel=1e-3)


def test_fewer_bits_cost_more(tiny_model: Model, tiny_images: Tensor) -> None:
    names = tensor_names(tiny_model.vit)
    table = tabulate(tiny_model.vit, tiny_images[:8], columns(names, 0, {}), names, lambda _: None)
    for name in names:
        by_label = {o.label: e for o, e in zip(options_of(name), table.errors[name], strict=True)}
        assert by_label["uniform 8"] < by_label["uniform 5"] < by_label["uniform 3"]
        assert all(error > 0 for error in by_label.values() if math.isfinite(error))


def test_the_chosen_options_are_made(tiny_model: Model, tiny_images: Tensor) -> None:
    names = tensor_names(tiny_model.vit)
    chosen = dict.fromkeys(names, 0)
    for name, label in (
        ("blocks.0.norm1", "rows, outliers 5"), ("blocks.1.mlp.gelu", "two-scale 6"),
        ("blocks.0.attn.qkv.weight", "uniform 4"),
    ):  # fmt: skip
        chosen[name] = [option.label for option in options_of(name)].index(label)
    config = assignment(chosen, 0, {"rounds": 1}, 4)
    assert (config.method, config.bits) == ("codesign", 4)
    run = Calibration(tiny_model.vit, tiny_images[:8], config)
    generator = torch.Generator().manual_seed(0)
    boundaries = join(list(observe_boundaries(tiny_model.vit, tiny_images[:8], 0, generator)))
    run.begin(boundaries)
    for index in range(2):
        run.block(index, observe_block(tiny_model.vit, index, boundaries, 8, generator, run.whole(index)))
    network = network_of(tiny_model, run.end(boundaries), config, 8, {})
    row, gelu = network.tensor("blocks.0.norm1").format, network.tensor("blocks.1.mlp.gelu").format
    assert isinstance(row, RowUniform)
    assert (row.bits, row.outliers) == (5, True)
    assert isinstance(gelu, TwoScale)
    assert gelu.bits == 6
    assert set(network.arrays["blocks.0.attn.qkv.weight"].flatten().tolist()) <= set(range(-8, 8))
    assert set(network.arrays["blocks.1.attn.qkv.weight"].flatten().tolist()) <= set(range(-4, 4))
