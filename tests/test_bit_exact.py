"""The machine against golden's integer mode on the shipped network: every word of every tensor, ``==``.

``make test`` compares the shipped 1,000 images, ``make test-long`` all 10,000.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import hwsim
from golden.data import fashion_mnist
from golden.integer import IntegerModel
from hwsim.compiler import compile_network
from hwsim.config import PeStyle, load_preset
from hwsim.machine import Machine
from hwsim.network import Network, load_network

ZOO = Path(hwsim.__file__).parent / "zoo"
CHUNK = 250


@pytest.fixture(scope="module")
def network() -> Network:
    return load_network(ZOO / "fashion_mnist_vit")


def mismatched_words(network: Network, images: NDArray[np.uint8], style: PeStyle) -> tuple[int, int]:
    """Words that differ, and words compared, over every tensor of every image."""
    golden = IntegerModel(network)
    machine = Machine(compile_network(network, load_preset("edge", [f"pe_style={style}"])))
    differing = compared = 0
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK]
        expected = golden.trace(torch.from_numpy(chunk[..., None]))
        result = machine.run(chunk, trace=True)
        assert set(result.trace) == set(expected) - {network.manifest.input}
        for name, words in result.trace.items():
            differing += int((expected[name].numpy() != words).sum())
            compared += words.size
        assert (result.logits == expected[network.manifest.logits].flatten(1).numpy()).all()
    return differing, compared


def test_every_tensor_of_the_shipped_images_equals_golden(network: Network) -> None:
    images = np.load(ZOO / "fashion_mnist" / "test.npz")["images"]
    assert len(images) == 1000
    differing, compared = mismatched_words(network, images, "shift")
    assert compared == 1000 * sum(int(np.prod(network.tensor(layer.output).shape)) for layer in network.layers)
    assert differing == 0


def test_two_accumulators_give_the_same_bits(network: Network) -> None:
    images = np.load(ZOO / "fashion_mnist" / "test.npz")["images"][:50]
    differing, _ = mismatched_words(network, images, "two_accumulator")
    assert differing == 0


@pytest.mark.long
def test_every_tensor_of_all_ten_thousand_images_equals_golden(network: Network) -> None:
    images, _ = fashion_mnist("test")
    differing, compared = mismatched_words(network, images.numpy(), "shift")
    print(f"{compared} words compared, {differing} differ")
    assert differing == 0
