"""Parts of single tensors: who has what, mixed networks on the machine, and each mistake as one sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from golden.from_timm import Model
from golden.method import MethodConfig, method_config
from golden.pipeline import quantise
from golden.tensor_parts import tensor_names
from hwsim.errors import HwsimError
from hwsim.formats import Format, Logarithmic, RowUniform, TwoScale
from hwsim.network import Network
from tests.golden.test_methods import mismatched_words

MIXED: dict[str, dict[str, Any]] = {
    "*": {"bits": 4},
    "*.weight": {"bits": 3},
    "blocks.1.mlp.fc2.weight": {"bits": 6, "weights": "omse"},
    "blocks.0.norm1": {"norm": "row", "outlier_threshold": 2.0, "bits": 5},
    "blocks.1.norm1": {"fold": "median"},
    "blocks.*.attn.qkv": {"bits": 7},
    "blocks.0.attn.softmax": {"softmax": "two_scale", "softmax_scale": "one", "bits": 6},
    "blocks.1.attn.softmax": {"softmax": "log_sqrt2", "softmax_scale": "one"},
    "blocks.0.mlp.gelu": {"gelu": "two_scale", "bits": 8},
}
BASE = {"ranges": "percentile_mse", "metric": "mse", "rounds": 1, "softmax_scale": "search"}


def mixed(tensors: dict[str, dict[str, Any]]) -> MethodConfig:
    return method_config("minmax", 8, {**BASE, "tensors": tensors})


def network_of(model: Model, images: torch.Tensor, config: MethodConfig) -> Network:
    return quantise(model, images, config, lambda _: None).network


def test_later_patterns_count_and_only_where_they_apply() -> None:
    config = mixed(MIXED)
    assert config.at("blocks.0.norm1").bits == 5
    assert config.at("blocks.0.norm1").outlier_threshold == 2.0
    assert config.at("blocks.0.norm2") == mixed({}).at_width(4)
    assert config.at("blocks.1.mlp.fc2.weight").weights == "omse"
    assert config.at("blocks.1.mlp.fc1.weight").weights == "minmax"
    assert config.at("head.weight").tensors == {}
    everywhere = mixed({"blocks.*": {"bits": 5, "gelu": "two_scale"}})
    assert everywhere.at("blocks.0.attn.values").gelu == "uniform"
    assert everywhere.at("blocks.0.mlp.gelu").gelu == "two_scale"


def test_each_tensor_has_its_format(tiny_model: Model, tiny_images: torch.Tensor) -> None:
    network = network_of(tiny_model, tiny_images[:12], mixed(MIXED))
    formats: dict[str, Format] = {name: spec.format for name, spec in network.manifest.tensors.items()}
    assert isinstance(formats["blocks.0.norm1"], RowUniform)
    assert formats["blocks.0.norm1"].outliers
    assert isinstance(formats["blocks.0.attn.softmax"], TwoScale)
    assert isinstance(formats["blocks.1.attn.softmax"], Logarithmic)
    assert isinstance(formats["blocks.0.mlp.gelu"], TwoScale)
    widths = {name: formats[name].bits for name in tensor_names(tiny_model.vit) if not name.endswith("weight")}
    assert widths == {
        "blocks.0.norm1": 5, "blocks.0.attn.values": 4, "blocks.0.norm2": 4, "blocks.0.mlp.gelu": 8,
        "blocks.0.attn.qkv": 7, "blocks.0.attn.softmax": 6, "blocks.1.norm1": 4, "blocks.1.attn.values": 4,
        "blocks.1.norm2": 4, "blocks.1.mlp.gelu": 4, "blocks.1.attn.qkv": 7, "blocks.1.attn.softmax": 4,
    }  # fmt: skip
    largest = {
        name: int(np.abs(network.arrays[name].astype(int)).max()) for name in network.arrays if name.endswith("weight")
    }
    assert 4 < largest.pop("blocks.1.mlp.fc2.weight") <= 32
    assert largest.pop("patch_embed.weight") > 64
    assert largest.pop("head.weight") > 64
    assert set(largest.values()) <= {3, 4}


def test_machine_equals_golden_on_a_mixed_network(tiny_model: Model, tiny_images: torch.Tensor) -> None:
    quantised = quantise(tiny_model, tiny_images[:12], mixed(MIXED), lambda _: None)
    assert mismatched_words(quantised, tiny_images[12:20])[0] == 0


def test_the_saved_choices_make_the_same_network(tiny_model: Model, tiny_images: torch.Tensor) -> None:
    config = mixed(MIXED)
    assert MethodConfig.model_validate(config.model_dump()) == config
    saved = network_of(tiny_model, tiny_images[:12], config).manifest.origin.options["tensors"]
    assert saved == MIXED


def test_the_same_width_everywhere_is_the_plain_method(tiny_model: Model, tiny_images: torch.Tensor) -> None:
    one = network_of(tiny_model, tiny_images[:12], mixed({"*": {"bits": 6}}))
    plain = network_of(tiny_model, tiny_images[:12], mixed({}).at_width(6))
    assert one.manifest.tensors == plain.manifest.tensors
    assert all(np.array_equal(one.arrays[name], plain.arrays[name]) for name in plain.arrays)


def test_learnt_rounding_keeps_each_layers_width(tiny_model: Model, tiny_images: torch.Tensor) -> None:
    tensors = {"*.weight": {"bits": 3}, "blocks.0.mlp.fc1.weight": {"bits": 7}}
    learnt = {"iterations": 3, "images": 12, "batch": 4, "judging_share": 0}
    config = method_config("minmax", 8, {**BASE, "tensors": tensors, "reconstruction": learnt})
    quantised = quantise(replace(tiny_model), tiny_images[:12], config, lambda _: None)
    arrays = quantised.network.arrays
    assert int(np.abs(arrays["blocks.0.mlp.fc1.weight"].astype(int)).max()) > 32
    assert set(np.unique(arrays["blocks.1.mlp.fc1.weight"])) <= set(range(-4, 4))


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        ({"blocks.7.norm1": {"bits": 4}}, "'blocks.7.norm1' matches no tensor of the network"),
        ({"patch_embed.weight": {"bits": 4}}, "patch embedding and head have 8 bits in every method"),
        ({"blocks.*.norm1": {"gelu": "uniform"}}, "'blocks.*.norm1' cannot choose gelu, expected bits, fold, norm"),
        ({"blocks.0.attn.values": {"fold": "mean"}}, "cannot choose fold, expected bits, ranges"),
        ({"blocks.*.norm1": {"outlier_threshold": 2.0}}, "tensors: blocks.0.norm1"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    tensors: dict[str, dict[str, Any]], sentence: str, tiny_model: Model, tiny_images: torch.Tensor
) -> None:
    with pytest.raises(HwsimError) as caught:
        network_of(tiny_model, tiny_images[:4], mixed(tensors))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        ({"blocks.0.norm1": {"bits": 9}}, "tensors.blocks.0.norm1.bits"),
        ({"blocks.0.norm1": {"width": 4}}, "tensors.blocks.0.norm1.width"),
        ({"blocks.0.norm1": {"norm": "row", "fold": "mean"}}, "fold = mean makes one scale of many"),
    ],
)
def test_a_wrong_value_is_one_sentence(tensors: dict[str, dict[str, Any]], sentence: str) -> None:
    with pytest.raises(HwsimError) as caught:
        mixed(tensors)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
