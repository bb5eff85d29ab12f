"""What the compiler refuses to turn into instructions, each in one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from hwsim.compiler.check import check_executable
from hwsim.compiler.executable import compile_executable
from hwsim.config import load_preset
from hwsim.errors import HwsimError
from hwsim.formats import Uniform
from hwsim.network import AttentionValues, LayerNorm, Network
from tests.random_network import random_network


def refused(match: str, network: Network, *overrides: str) -> None:
    with pytest.raises(HwsimError, match=match):
        compile_executable(network, load_preset("tiny", list(overrides)))


def with_format(network: Network, tensor: str, fmt: Any) -> Network:
    tensors = dict(network.manifest.tensors)
    tensors[tensor] = tensors[tensor].model_copy(update={"format": fmt})
    return Network(network.manifest.model_copy(update={"tensors": tensors}), network.arrays)


def with_layer(network: Network, kind: type, **changes: Any) -> Network:
    layers = list(network.manifest.layers)
    place = next(index for index, layer in enumerate(layers) if isinstance(layer, kind))
    layers[place] = layers[place].model_copy(update=changes)
    return Network(network.manifest.model_copy(update={"layers": layers}), network.arrays)


@pytest.mark.parametrize(("override", "match"), [
    ("array_rows=6", "array_rows is 6, expected a power of two"),
    ("softmax_lanes=3", "softmax_lanes is 3, expected a power of two"),
    ("layernorm_lanes=6", "layernorm_lanes is 6, expected a power of two"),
    ("dram_bits_per_cycle=32", "dram_bits_per_cycle is 32, expected a power of two from 64 to 512"),
    ("dram_bits_per_cycle=96", "dram_bits_per_cycle is 96, expected a power of two"),
    ("activation_buffer_bytes=1000", "activation_buffer_bytes is 1000, expected two or more times 512"),
    ("activation_buffer_bytes=512", "activation_buffer_bytes is 512, expected two or more times 512"),
])  # fmt: skip
def test_sizes_that_do_not_divide_each_other_are_refused(override: str, match: str) -> None:
    refused(match, random_network(0), override)


def test_a_tensor_that_does_not_fit_is_named_with_what_lies_beside_it() -> None:
    network = random_network(1)
    match = r"network random: tensor \S+ needs \d+ bytes of activations beside \(\S+ \d+.*\), expected at most"
    refused(match + " activation_buffer_bytes = 512", network, "activation_buffer_bytes=512", "activation_banks=2")


def test_operands_of_one_product_need_more_than_one_bank() -> None:
    network = random_network(1)
    refused("share a bank wherever they lie", network, "activation_buffer_bytes=1280", "activation_banks=2")


def test_weights_that_exceed_a_bank_are_refused() -> None:
    refused("two banks of", random_network(1), "weight_buffer_bytes=64")


@pytest.mark.parametrize("bits", [9, 15])
def test_a_row_operand_of_more_than_8_bits_is_refused(bits: int) -> None:
    network = random_network(0)
    name = next(layer.output for layer in network.layers if isinstance(layer, LayerNorm))
    wide = with_format(network, name, Uniform(bits=bits, signed=True))
    refused("expected a result of uniform codes of at most 8 bits", wide, "mantissa_bits=16")


def test_a_context_of_more_than_8_bits_is_refused() -> None:
    network = random_network(0)
    name = next(layer.output for layer in network.layers if isinstance(layer, AttentionValues))
    wide = with_format(network, name, Uniform(bits=9, signed=True))
    refused("expected a context of codes of at most 8 bits", wide, "mantissa_bits=16")


def test_unsigned_results_of_16_bits_are_refused() -> None:
    network = random_network(0)
    wide = with_format(network, network.manifest.logits, Uniform(bits=16, signed=False))
    refused("within 16 signed bits", wide)


def test_values_of_another_qkv_are_refused() -> None:
    network = random_network(1, depth=2)
    *_, last = (layer for layer in network.layers if isinstance(layer, AttentionValues))
    refused("of another", with_layer(network, AttentionValues, values=last.values))


def test_a_buffer_too_small_for_overlap_is_used_with_less() -> None:
    network = random_network(1)
    sizes = {}
    for size in (8192, 4096, 3072, 2048, 1536):
        config = load_preset("tiny", [f"activation_buffer_bytes={size}", "activation_banks=8"])
        try:
            executable = compile_executable(network, config)
        except HwsimError:
            break
        check_executable(executable)
        sizes[size] = executable.peak_words * config.word_bytes
    assert len(set(sizes.values())) > 1
    assert all(peak <= size for size, peak in sizes.items())
