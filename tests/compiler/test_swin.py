"""A tiny Swin as a program: its results are the machine's, by whatever bands; costs add up; what is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from golden.method import method_config
from golden.pipeline import quantise
from hwsim.compiler import compile_network
from hwsim.compiler.bands import bands, segments
from hwsim.compiler.check import check_executable
from hwsim.compiler.executable import BAND_OPTIONS, Executable, compile_executable
from hwsim.compiler.lower import lower
from hwsim.compiler.plan import Plan
from hwsim.config import AcceleratorConfig, load_preset
from hwsim.cost.cycles import profile
from hwsim.cost.estimate import estimate
from hwsim.errors import HwsimError
from hwsim.interpreter import run_program
from hwsim.isa import DRAIN_OPERATIONS, LOAD_TARGETS, QUEUES, Instruction
from hwsim.machine import Machine
from hwsim.network import LayerNorm, Network, Rearrange, Residual
from tests.random_network import random_images
from tests.test_interpreter_compiled import assert_complete, assert_same, run_both
from tests.tiny_swin import tiny_swin_images, tiny_swin_model

FAST = {"rounds": 1, "sampled_rows": 128}
METHODS = [("fqvit", 8), ("adfq", 8), ("tsptq", 8), ("dopq", 4)]
"""A stream with a shift a channel; scales of rows with outliers; V-2SF; codebooks of 4 bits."""
FEW_ROWS = ["activation_buffer_bytes=8192"]
"""Room for one of the four windows of the first stage."""
SHIFTED = "blocks.1.attn"


@cache
def swin(method: str, bits: int) -> Network:
    return quantise(tiny_swin_model(), tiny_swin_images(4), method_config(method, bits, FAST), lambda _: None).network


def loads(executable: Executable, target: str) -> list[Instruction]:
    number = LOAD_TARGETS.index(target)
    return [one for one in executable.program if one.operation == "load" and one["target"] == number]


@pytest.mark.parametrize("overrides", [("tiny",), ("tiny", *FEW_ROWS), ("edge",)])
@pytest.mark.parametrize(("method", "bits"), METHODS)
def test_every_result_is_the_machines(method: str, bits: int, overrides: tuple[str, ...]) -> None:
    config = load_preset(overrides[0], list(overrides[1:]))
    executable, result, expected = run_both(swin(method, bits), config)
    check_executable(executable)
    assert_same(executable, result, expected)
    assert_complete(executable, result, expected)


def test_the_formats_are_there() -> None:
    kinds = {
        method: {spec.format.kind for spec in swin(method, bits).manifest.tensors.values()} for method, bits in METHODS
    }
    assert "channel_scaled" in kinds["fqvit"]
    assert "row_uniform" in kinds["adfq"]
    assert "two_scale" in kinds["tsptq"]
    assert "codebook" in kinds["dopq"]
    executable = compile_executable(swin("adfq", 8), load_preset("tiny"))
    assert any(one["outliers"] for one in executable.program if one.operation == "gemm")


@pytest.mark.parametrize("overrides", [[], FEW_ROWS])
def test_tokens_make_every_order_of_the_queues_the_same(overrides: list[str]) -> None:
    network, config = swin("adfq", 8), load_preset("tiny", overrides)
    executable = compile_executable(network, config)
    check_executable(executable)
    image = random_images(network, 1, 0)
    logits = Machine(compile_network(network, config)).run(image).logits[0].tolist()
    for order in (QUEUES, QUEUES[::-1], (*QUEUES[2:], *QUEUES[:2])):
        found = run_program(executable.with_image(image[0]), config, queue_order=order)
        assert executable.logits(found.dram).tolist() == logits, order


def test_bands_take_whole_windows_and_together_all_of_them() -> None:
    network = swin("fqvit", 8)
    # pixels, two blocks of four windows, merging, two blocks of one window, the head
    for overrides, counts in (([], [1] * 7), (FEW_ROWS, [1, 4, 4, 1, 1, 1, 1])):
        plan = Plan(network, load_preset("tiny", overrides), BAND_OPTIONS[0], trace=False)
        parts = segments(network, lower(network))
        every = [bands(plan, segment) for segment in parts]
        assert [len(found) for found in every] == counts
        for found, segment in zip(every, parts, strict=True):
            assert [unit for band in found for unit in band] == list(range(segment.units))


def test_masks_are_constants_of_the_drain_and_windows_move_by_addresses() -> None:
    network = swin("tsptq", 8)
    executable = compile_executable(network, load_preset("tiny"))
    scores = [
        one for one, layer in zip(executable.program, executable.layers, strict=True) if layer == f"{SHIFTED}.scores"
    ]
    products = [one for one in scores if one.operation == "gemm"]
    assert len(products) == 4 * 2  # windows, heads
    assert {DRAIN_OPERATIONS[one["drain"]] for one in products} == {"constant"}
    biases = [one for one in scores if one.operation == "load" and LOAD_TARGETS[one["target"]] == "halfwords"]
    assert len(biases) == 4 * 2  # kinds, heads
    moved = [
        one for one, layer in zip(executable.program, executable.layers, strict=True) if layer == f"{SHIFTED}.window"
    ]
    # a window has four lines, and those that the shift cuts in two are two runs: two of the four windows
    assert len(moved) == 4 * 4 + 2 * 4
    ends = config_bytes(load_preset("tiny"))
    assert any(one["address"] % ends for one in moved)


def config_bytes(config: AcceleratorConfig) -> int:
    return config.burst_beats * config.beat_bytes


@pytest.mark.parametrize(("method", "bits"), METHODS)
def test_cycles_and_energy_of_layers_add_up(method: str, bits: int) -> None:
    network, config = swin(method, bits), load_preset("edge")
    program, executable = compile_network(network, config), compile_executable(network, config)
    images = random_images(network, 2, 0)
    steps = run_program(executable.with_image(images[0]), config).tile_steps
    times = profile(executable, program, steps)
    cost = estimate(program, times, Machine(program).run(images).operand_counts, 2)
    assert sum(layer.cycles.total for layer in cost.layers) == cost.cycles_per_image == times.timeline.cycles
    layers = {layer.name: layer for layer in cost.layers}
    assert all(layer.cycles.total for layer in cost.layers)
    assert layers["pool"].multiplications["small"] == 2 * 16 * 32
    # the adder of the drain adds the bias to the scores, as it adds streams
    assert layers[f"{SHIFTED}.scores"].energy_aj["residual"] > 0
    assert layers["blocks.0.attn.values"].energy_aj["residual"] == 0


def with_layer(network: Network, name: str, **values: object) -> Network:
    layers = [one.model_copy(update=values) if one.name == name else one for one in network.layers]
    return Network(network.manifest.model_copy(update={"layers": layers}), network.arrays)


def without_window(network: Network) -> Network:
    """LayerNorm reads the stream itself."""
    layers = [one for one in network.layers if one.name != f"{SHIFTED}.window"]
    manifest = network.manifest.model_copy(update={"layers": layers})
    return with_layer(Network(manifest, network.arrays), "blocks.1.norm1", input="blocks.0.mlp.add")


def other_order(network: Network) -> Network:
    """The branch comes back to other places than those it came from."""
    return with_layer(network, f"{SHIFTED}.unwindow", shift=0)


REFUSED: list[tuple[Callable[[Network], Network], list[str], str]] = [
    (
        without_window,
        [],
        "layer blocks.1.attn.qkv reads blocks.1.norm1, whose rows are no windows, expected a LayerNorm",
    ),
    (other_order, [], "layer blocks.1.attn.add adds blocks.0.mlp.add in another order of rows, expected that of what"),
    (lambda n: n, ["weight_buffer_bytes=512"], "expected at most weight_buffer_bytes = 512 for both"),
    (lambda n: n, ["layernorm_channels_max=48"], "rows of 64 channels, expected at most layernorm_channels_max = 48"),
    (lambda n: n, ["dram_bits_per_cycle=512"], "merges rows of 16 bytes, expected whole beats of 64 bytes"),
    (lambda n: n, ["activation_buffer_bytes=1024"], "expected at most activation_buffer_bytes = 1024"),
]


@pytest.mark.parametrize(("change", "overrides", "sentence"), REFUSED)
def test_what_no_band_has_is_refused(change: Callable[[Network], Network], overrides: list[str], sentence: str) -> None:
    network = change(swin("tsptq", 8))
    with pytest.raises(HwsimError) as error:
        compile_executable(network, load_preset("tiny", overrides))
    assert sentence in str(error.value)


def test_rows_that_move_right_before_a_product() -> None:
    """Patch merging without its LayerNorm's place: nothing but the first pass of a segment loads rows."""
    network = swin("tsptq", 8)
    first = [one.passes[0].load for one in segments(network, lower(network))]
    assert [one.kind for one in first if isinstance(one, Rearrange)] == [
        "window",
        "window",
        "merge",
        "window",
        "window",
    ]
    mains = [one.passes[0].main for one in segments(network, lower(network))][1:]
    assert all(isinstance(one, LayerNorm) for one in mains)
    assert all(isinstance(one.passes[-1].drain, Residual) for one in segments(network, lower(network))[1:3])


def test_the_image_of_dram_holds_each_stream_once() -> None:
    network, config = swin("fqvit", 8), load_preset("tiny", FEW_ROWS)
    executable = compile_executable(network, config)
    stored = [one for one in executable.program if one.operation == "store"]
    rows = sum(one["rows"] for one in stored[:-1])
    assert rows == 64 * 3 + 16 * 3  # embed and two blocks; reduction and two blocks
    spans = sorted((one["address"], one["address"] + one["beats"] * config.beat_bytes) for one in stored)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert np.count_nonzero([len(loads(executable, target)) for target in ("halfwords", "codes")]) == 2
