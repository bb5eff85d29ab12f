"""A unit that was damaged is named as the worst, and as float it gives the classes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from golden.export import export
from golden.from_timm import Model
from golden.integer import IntegerModel
from golden.localise import Localised, kind, localise, rest, units
from golden.measure import Figures, compare
from golden.pipeline import Quantised
from golden.quantizers.uniform import UniformQuantiser
from golden.reconstruct.branch import branches
from golden.vit import embed, forward, run_block
from hwsim.network import Network

Damage = Callable[[Quantised], Network]


def silent(_what: str, _done: int, _all: int) -> None:
    pass


def damaged_array(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    def damage(tiny: Quantised) -> Network:
        arrays = {**tiny.network.arrays, name: change(tiny.network.arrays[name])}
        return Network(tiny.network.manifest, arrays)

    return damage


def damaged_scale(name: str, factor: float) -> Damage:
    def damage(tiny: Quantised) -> Network:
        quantiser = tiny.calibrated.activations[name]
        assert isinstance(quantiser, UniformQuantiser)
        activations = {**tiny.calibrated.activations, name: quantiser.scaled(factor)}
        calibrated, manifest = replace(tiny.calibrated, activations=activations), tiny.network.manifest
        return export("tiny", calibrated, manifest.preprocess, manifest.classes, manifest.origin)

    return damage


DAMAGE: list[tuple[str, Damage]] = [
    ("blocks.1.mlp.gelu", damaged_array("blocks.1.mlp.gelu.table", lambda table: np.full_like(table, 255))),
    # the grid on which a table is read belongs to the table's unit
    ("blocks.1.mlp.gelu", damaged_scale("blocks.1.mlp.fc1", 0.05)),
    ("blocks.0.norm2", damaged_scale("blocks.0.norm2", 0.1)),
    ("blocks.1.attn.values", damaged_scale("blocks.1.attn.values", 0.02)),
    ("blocks.0.mlp.fc2", damaged_array("blocks.0.mlp.fc2.weight", lambda weight: weight // 64 * 64)),
    ("blocks.0.attn.qkv", damaged_array("blocks.0.attn.qkv.bias", lambda bias: -bias)),
    ("head", damaged_array("head.bias", lambda bias: bias[::-1] * 4)),
]


def found(network: Network, model: Model, images: torch.Tensor, *, per_block: bool = False) -> Localised:
    labels = forward(model.vit, images).argmax(1)
    return localise(network, model.vit, images, labels, silent, per_block=per_block)


@pytest.mark.parametrize(("name", "damage"), DAMAGE)
def test_the_damaged_unit_is_the_worst(name: str, damage: Damage, tiny: Quantised, tiny_images: torch.Tensor) -> None:
    images = tiny_images[16:]
    result = found(damage(tiny), tiny.model, images)
    whole = undamaged(tiny, images)
    integer = result.figures["integer"]
    assert integer.changed > whole.changed + 4
    kinds = [row for row in result.units if row.unit.name == kind(row.unit.name)]
    worst = min(kinds, key=lambda row: row.as_float.kl)
    assert worst is max(kinds, key=lambda row: row.alone.kl)
    assert worst.alone.changed > whole.changed + 4
    assert worst.unit.name == kind(name)
    assert worst.as_float.changed <= whole.changed + 2
    assert worst.as_float.kl < integer.kl / 4
    if name.startswith("blocks"):
        singles = [row for row in result.units if row not in kinds]
        single = min(singles, key=lambda row: row.as_float.kl)
        assert single is max(singles, key=lambda row: row.alone.kl)
        assert single.unit.name == name
    assert sum(result.flips.values()) == integer.changed
    first = next(place for place, count in result.flips.items() if count > integer.changed // 2)
    block, _, end = name.rpartition(".")
    expected = {"gelu": "add", "norm2": "mlp.add", "values": "add", "fc2": "add", "qkv": "add", "head": "head"}[end]
    assert first == (f"{block}.{expected}" if block else expected)


def undamaged(tiny: Quantised, images: torch.Tensor) -> Figures:
    return compare(
        IntegerModel(tiny.network)(images).double() * tiny.network.tensor("head").scale,
        forward(tiny.model.vit, images).double(),
        None,
    )


def test_an_integer_table_is_what_paper_mode_does_not_have(tiny: Quantised, tiny_images: torch.Tensor) -> None:
    network = damaged_array("exp2_table", lambda table: table // 2 + 2**15)(tiny)
    result = found(network, tiny.model, tiny_images[16:])
    assert result.figures["integer"].kl > 2 * result.figures["paper"].kl
    cause = min(result.units, key=lambda row: row.as_paper.kl)
    assert cause.unit.name == "blocks.*.attn.softmax"


def test_figures_are_those_of_the_modes(tiny: Quantised, tiny_images: torch.Tensor) -> None:
    images = tiny_images[16:40]
    result = found(tiny.network, tiny.model, images, per_block=True)
    expected = undamaged(tiny, images)
    assert (result.figures["integer"].changed, result.images) == (expected.changed, 24)
    assert result.figures["integer"].kl == pytest.approx(expected.kl, rel=1e-6)
    assert result.figures["float"].kl == 0
    assert result.figures["float"].top1 == 100
    names = [row.unit.name for row in result.units]
    assert names == [unit.name for part in units(tiny.network) for unit in part]
    assert {"patch_embed", "embed", "blocks.*.norm1", "blocks.1.mlp.gelu", "head"} <= set(names)
    assert [row.layer for row in result.layers] == [layer.name for layer in tiny.network.layers][1:]
    by_layer = {row.layer: row for row in result.layers}
    assert by_layer["blocks.0.attn.softmax"].flag_percent > 0
    assert sum(by_layer["embed"].shifts.values()) == 24
    # what comes before adds to a unit's own error
    assert by_layer["blocks.1.mlp.add"].sqnr_own_db > by_layer["blocks.1.mlp.add"].sqnr_integer_db


def test_the_rest_in_float_gives_the_float_logits(tiny: Quantised, tiny_images: torch.Tensor) -> None:
    vit, layers = tiny.model.vit, {layer.name: layer for layer in tiny.network.layers}
    x = embed(vit, tiny_images[:2])
    expected = forward(vit, tiny_images[:2])
    torch.testing.assert_close(rest(vit, layers["embed"], x), expected)
    torch.testing.assert_close(rest(vit, layers["blocks.0.mlp.add"], run_block(vit, 0, x)), expected)
    branch = branches(vit)[0]
    half = x + branch.run(vit, x, lambda _name, tensor: tensor)
    torch.testing.assert_close(rest(vit, layers["blocks.0.attn.add"], half), branch.rest(vit, half))
