"""Integer mode equals the oracle on every tensor of whole networks, random ones and a quantised one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from golden.integer import IntegerModel
from golden.pipeline import Quantised
from hwsim.network import Network
from tests import oracle_network
from tests.random_network import random_images, random_network


def assert_equals_oracle(network: Network, images: torch.Tensor) -> None:
    traced = IntegerModel(network).trace(images)
    for index, image in enumerate(images):
        expected = oracle_network.forward(network, image.tolist())
        for name, tensor in expected.items():
            assert traced[name][index].tolist() == tensor, name


@pytest.mark.parametrize("seed", range(6))
def test_random_networks(seed: int) -> None:
    network = random_network(seed)
    shape = network.tensor(network.manifest.input).shape
    images = np.random.default_rng(seed).integers(0, 256, (2, *shape), dtype=np.uint8)
    assert_equals_oracle(network, torch.from_numpy(images))


@pytest.mark.parametrize(("row_scales", "wide_stream"), [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("seed", range(6))
def test_rows_of_their_own_scales_and_a_stream_of_16_bits(seed: int, row_scales: bool, wide_stream: bool) -> None:
    network = random_network(seed, row_scales=row_scales, wide_stream=wide_stream)
    assert_equals_oracle(network, torch.from_numpy(random_images(network, 2, seed)))


def test_quantised_network(tiny: Quantised, tiny_images: torch.Tensor) -> None:
    assert_equals_oracle(tiny.network, tiny_images[40:41])


def test_batches_and_traces_agree(tiny: Quantised, tiny_images: torch.Tensor) -> None:
    model = IntegerModel(tiny.network)
    logits = model(tiny_images[:6])
    assert torch.equal(logits, torch.cat([model(tiny_images[:2]), model(tiny_images[2:6])]))
    traced = model.trace(tiny_images[:6])
    assert torch.equal(traced["head"][:, 0], logits)
    assert set(traced) == set(tiny.network.manifest.tensors)
    for name, spec in tiny.network.manifest.tensors.items():
        assert traced[name].shape[1:] == spec.shape, name


def test_images_are_pixels(tiny: Quantised) -> None:
    with pytest.raises(RuntimeError):
        IntegerModel(tiny.network)(torch.zeros(1, 15, 16, 3, dtype=torch.uint8))
