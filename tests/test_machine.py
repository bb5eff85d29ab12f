from __future__ import annotations

import time

import numpy as np
import pytest

from hwsim.compiler import compile_network
from hwsim.compiler.program import Program
from hwsim.config import AcceleratorConfig, load_preset
from hwsim.errors import HwsimError
from hwsim.machine import Machine
from hwsim.network import Linear, Network
from tests.oracle_network import forward, outliers
from tests.random_network import random_images, random_network


def compiled(network: Network, *overrides: str) -> Program:
    return compile_network(network, load_preset("tiny", list(overrides)))


def assert_equals_oracle(network: Network, images: np.ndarray, *overrides: str) -> None:
    result = Machine(compiled(network, *overrides)).run(images, trace=True)
    for index, image in enumerate(images):
        expected = forward(network, image.tolist())
        assert result.trace.keys() == expected.keys()
        for name, tensor in expected.items():
            assert result.trace[name][index].tolist() == tensor, (name, index)
        assert result.logits[index].tolist() == expected[network.manifest.logits][0]


@pytest.mark.parametrize("seed", range(25))
def test_every_tensor_of_a_random_network_equals_the_oracle(seed: int) -> None:
    network = random_network(seed)
    assert_equals_oracle(network, random_images(network, 2, seed))


ROWS = [(True, False), (False, True), (True, True)]


@pytest.mark.parametrize(("row_scales", "wide_stream"), ROWS)
@pytest.mark.parametrize("seed", range(10))
def test_rows_of_their_own_scales_and_a_stream_of_16_bits_equal_the_oracle(
    seed: int, row_scales: bool, wide_stream: bool
) -> None:
    network = random_network(seed, row_scales=row_scales, wide_stream=wide_stream)
    assert_equals_oracle(network, random_images(network, 2, seed))


@pytest.mark.parametrize("seed", range(100, 110))
def test_two_accumulator_array_equals_the_oracle(seed: int) -> None:
    network = random_network(seed, many_shifts=False)
    assert_equals_oracle(network, random_images(network, 1, seed), "pe_style=two_accumulator")


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 1400))
def test_every_tensor_of_many_random_networks_equals_the_oracle(seed: int) -> None:
    network = random_network(seed)
    assert_equals_oracle(network, random_images(network, 2, seed), "pe_style=shift")
    network = random_network(seed, many_shifts=False)
    assert_equals_oracle(network, random_images(network, 2, seed), "pe_style=two_accumulator")


@pytest.mark.parametrize("pixel", [0, 255])
def test_extreme_images_equal_the_oracle(pixel: int) -> None:
    network = random_network(7)
    assert_equals_oracle(network, np.full_like(random_images(network, 1, 0), pixel))


def test_random_networks_do_not_saturate_everywhere() -> None:
    network = random_network(3, patch=4, size=12, channels=12, heads=2, hidden=16)
    trace = Machine(compiled(network)).run(random_images(network, 4, 0), trace=True).trace
    for name, tensor in trace.items():
        assert len(np.unique(tensor)) > min(5, 1 << network.tensor(name).format.bits >> 1), name


def test_result_does_not_depend_on_what_runs_beside_it() -> None:
    network = random_network(5)
    machine, images = Machine(compiled(network)), random_images(network, 9, 0)
    together = machine.run(images).logits
    alone = np.concatenate([machine.run(images[i : i + 1]).logits for i in range(9)])
    assert (together == alone).all()


def test_operand_counts_equal_a_count_in_the_trace() -> None:
    network = random_network(11)
    result = Machine(compiled(network)).run(random_images(network, 3, 0), trace=True)
    for layer in network.layers:
        if layer.name not in result.operand_counts:
            continue
        name = getattr(layer, "probabilities", None) or layer.input
        codes, fmt = result.trace[name].astype(np.int64), network.tensor(name).format
        if layer.op == "attention_scores":
            codes = codes[..., : codes.shape[-1] // 3]  # q alone is the row operand
        terms = fmt.terms()
        raw = codes % (1 << fmt.bits)
        mantissa, shift = terms.mantissa[raw], terms.shift[raw]
        counts = result.operand_counts[layer.name]
        assert counts.zero == (mantissa == 0).sum()
        assert counts.small == ((mantissa != 0) & (shift == 0)).sum()
        assert counts.large == ((mantissa != 0) & (shift != 0)).sum()


@pytest.mark.parametrize("rows", [1, 4, 16])
def test_operand_counts_hold_the_steps_of_the_outliers(rows: int) -> None:
    network = outlier_network()
    image = random_images(network, 1, 0)
    overrides = [f"array_rows={rows}"]
    counts = Machine(compiled(network, *overrides)).run(image).operand_counts
    limbs = outliers(network, image[0].tolist())
    checked = 0
    for layer in network.layers:
        if not isinstance(layer, Linear) or layer.input not in limbs:
            continue
        tensor, depth = limbs[layer.input], network.tensor(layer.input).shape[1]
        operands = len(tensor) * depth
        for first in range(0, len(tensor), rows):
            tile = tensor[first : first + rows]
            steps = 2 * sum(any(row[channel][2] for row in tile) for channel in range(depth))
            operands += len(tile) * steps
        count = counts[layer.name]
        assert count.zero + count.small + count.large == operands
        checked += operands > len(tensor) * depth
    assert checked


def outlier_network() -> Network:
    """A random network in which a few of many values are outliers."""
    for seed in range(100):
        network = random_network(seed, row_scales=True, size=12, patch=3, channels=12, heads=2)
        limbs = outliers(network, random_images(network, 1, 0)[0].tolist())
        shares = [sum(one[2] for row in tensor for one in row) / sum(map(len, tensor)) for tensor in limbs.values()]
        if any(0.01 < share < 0.1 for share in shares):
            return network
    raise AssertionError("no such network")


def test_operand_counts_add_up_to_the_operands_of_each_product() -> None:
    network = random_network(12)
    program = compiled(network)
    counts = Machine(program).run(random_images(network, 3, 0)).operand_counts
    for one in program.passes:
        if one.gemm is None:
            assert one.name not in counts
            continue
        count = counts[one.name]
        assert count.zero + count.small + count.large == 3 * one.gemm.macs // one.gemm.columns


def test_class_token_row_counts_as_zero_operands() -> None:
    network = random_network(4, class_token=True)
    image = np.full_like(random_images(network, 1, 0), 255)
    counts = Machine(compiled(network)).run(image).operand_counts["patch_embed"]
    assert counts.zero == network.tensor("patches.rows").shape[1]


def test_trace_is_empty_unless_asked() -> None:
    network = random_network(1)
    assert Machine(compiled(network)).run(random_images(network, 1, 0)).trace == {}


def test_progress_is_told_after_each_image() -> None:
    network, done = random_network(1), []
    Machine(compiled(network)).run(random_images(network, 5, 0), progress=done.append)
    assert done == [1, 2, 3, 4, 5]


def test_interruption_waits_for_the_images_under_way_only() -> None:
    network = random_network(1)
    machine, images, started = Machine(compiled(network)), random_images(network, 400, 0), []
    run_image = machine._run_image

    def slowly(pixels: np.ndarray) -> object:
        started.append(time.monotonic())
        time.sleep(0.01)
        return run_image(pixels)

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    machine._run_image = slowly  # type: ignore[method-assign,assignment]
    with pytest.raises(KeyboardInterrupt):
        machine.run(images, progress=interrupt)
    assert len(started) < 100


def test_grey_images_may_leave_the_channel_out() -> None:
    network = random_network(2, mode="L")
    machine, images = Machine(compiled(network)), random_images(network, 3, 0)
    assert (machine.run(images).logits == machine.run(images[..., 0]).logits).all()


def bad_images() -> list[tuple[object, str]]:
    return [
        (np.zeros((2, 8, 8, 1), np.float32), r"images are float32\[2, 8, 8, 1\], expected uint8\[images, 8, 8, 1\]"),
        (np.zeros((2, 9, 8, 1), np.uint8), r"images are uint8\[2, 9, 8, 1\], expected uint8\[images, 8, 8, 1\]"),
        (np.zeros((8, 8), np.uint8), r"images are uint8\[8, 8\]"),
        (np.zeros((2, 8, 8, 3), np.uint8), r"images are uint8\[2, 8, 8, 3\]"),
        (np.zeros((0, 8, 8, 1), np.uint8), "none at all, expected at least one"),
        ([[1, 2]], r"images are list, expected uint8\[images, 8, 8, 1\] or uint8\[images, 8, 8\]"),
    ]


@pytest.mark.parametrize(("images", "sentence"), bad_images())
def test_images_of_the_wrong_shape_or_type_are_refused_in_a_sentence(images: object, sentence: str) -> None:
    machine = Machine(compiled(random_network(2, mode="L", size=8, patch=4)))
    with pytest.raises(HwsimError, match=sentence):
        machine.run(images)  # type: ignore[arg-type]


def test_presets_change_the_program_and_never_the_result() -> None:
    network = random_network(6)
    images = random_images(network, 2, 0)
    configs: list[AcceleratorConfig] = [load_preset(name) for name in ("tiny", "edge", "large")]
    logits = [Machine(compile_network(network, config)).run(images).logits for config in configs]
    assert (logits[0] == logits[1]).all()
    assert (logits[0] == logits[2]).all()
