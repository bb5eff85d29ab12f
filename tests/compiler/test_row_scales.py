"""Executables of rows with scales of their own and of wide streams: results, tokens, banks, steps, refusals."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from hwsim.compiler import compile_network
from hwsim.compiler.check import check_executable, check_program, read_program
from hwsim.compiler.executable import compile_executable
from hwsim.config import load_preset
from hwsim.errors import HwsimError
from hwsim.formats import Uniform
from hwsim.interpreter import run_program
from hwsim.isa import DRAIN_OPERATIONS, LOAD_TARGETS, QUEUES, Instruction
from hwsim.machine import Machine
from hwsim.network import Im2col, Network
from hwsim.timing.dram import DramModel
from hwsim.timing.schedule import schedule
from tests.compiler.test_check import changed, tokens
from tests.compiler.test_executable import PRESETS, assert_equals_machine
from tests.random_network import SIGNED_16, _Builder, random_images, random_network, random_shape

KINDS = [(True, False), (False, True), (True, True)]
ROW_TABLE = LOAD_TARGETS.index("row_multipliers")


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(("row_scales", "wide_stream"), KINDS)
def test_every_order_that_tokens_allow_gives_the_results_of_the_machine(
    preset: str, row_scales: bool, wide_stream: bool
) -> None:
    for seed in range(4):
        network = random_network(seed, row_scales=row_scales, wide_stream=wide_stream)
        executable = compile_executable(network, load_preset(preset), trace=bool(seed % 2))
        check_executable(executable)
        assert_equals_machine(network, executable, [None, *permutations(QUEUES)] if seed == 0 else [None])


@pytest.mark.parametrize("overrides", [
    ["activation_banks=4", "activation_buffer_bytes=4096"], ["segment_instructions=4"],
    ["dram_bits_per_cycle=512"], ["queue_depth=2", "segment_instructions=8", "burst_beats=16"],
])  # fmt: skip
def test_where_banks_and_memory_are_few_tokens_keep_instructions_apart(overrides: list[str]) -> None:
    for seed in (0, 5):
        network = random_network(seed, row_scales=True, wide_stream=seed == 0)
        executable = compile_executable(network, load_preset("tiny", overrides), trace=seed == 5)
        check_executable(executable)
        assert_equals_machine(network, executable, [None, QUEUES, QUEUES[::-1]])


class Chain(_Builder):
    """Linear layers between LayerNorms that all fill the row table; the last one may read rows of the first one."""

    reads_first = False

    def build(self) -> Network:
        s, image_channels = self.shape, 1 if self.shape.mode == "L" else 3
        self._tensor("image", (s.size, s.size, image_channels), self._unsigned(8))
        self.tokens = (s.size // s.patch) ** 2 + s.class_token
        patches = self._add(
            Im2col(name="patches", output="patches.rows", patch=s.patch, class_token=s.class_token),
            (self.tokens, image_channels * s.patch**2),
            self.tensors["image"].format,
        )
        stream = self._residual("embed", "patch_embed", patches, None)
        assert self.row_rng is not None
        first = self._row_layernorm("norm1", stream, self.tokens, self.row_rng)
        stream = self._residual("add1", "linear1", first, stream)
        second = self._row_layernorm("norm2", stream, self.tokens, self.row_rng)
        stream = self._residual("add2", "linear2", first if self.reads_first else second, stream)
        features = self._row_layernorm("norm", stream, 1, self.row_rng)
        return Network(self._manifest(self._linear("head", features, s.classes, SIGNED_16, 8000)), self.arrays)


class LateReader(Chain):
    """The last linear layer reads rows of the first LayerNorm."""

    reads_first = True


def chain(kind: type[Chain], seed: int, wide_stream: bool = False) -> Network:
    rng = np.random.default_rng(seed)
    return kind(random_shape(rng), rng, False, True, wide_stream, False).build()


@pytest.mark.parametrize("preset", PRESETS)
def test_a_layernorm_waits_for_the_last_reader_of_the_row_table_before_it(preset: str) -> None:
    for seed in range(8):
        network = chain(Chain, seed, bool(seed % 2))
        executable = compile_executable(network, load_preset(preset), trace=seed < 2)
        check_executable(executable)
        assert_equals_machine(network, executable, [None, *list(permutations(QUEUES))[::8]])


def test_a_reader_after_another_layernorm_has_filled_the_row_table_is_refused() -> None:
    match = r"layer linear2 reads norm1.out after the row table .* filled for norm2.out, expected all readers"
    with pytest.raises(HwsimError, match=match):
        compile_executable(chain(LateReader, 0), load_preset("tiny"))


def test_three_results_of_one_instruction_need_three_banks() -> None:
    network = outlier_network()
    compile_executable(network, load_preset("tiny", ["activation_banks=4"]))
    with pytest.raises(HwsimError, match="that one instruction reads, or writes, share a bank wherever they lie"):
        compile_executable(network, load_preset("tiny", ["activation_banks=2"]))


def outlier_network() -> Network:
    """First random network whose first LayerNorm's rows have outliers."""
    for seed in range(100):
        network = random_network(seed, row_scales=True, size=6, patch=2, depth=1)
        fmt = network.tensor("blocks.0.norm1.out").format
        if fmt.kind == "row_uniform" and fmt.outliers:
            steps, rows = outlier_steps(network)
            if steps and rows > 4:
                return network
    raise AssertionError("no such network")


def outlier_steps(network: Network) -> tuple[int, int]:
    """Steps beyond the reductions' lengths, and rows, of a network on ``tiny``."""
    config = load_preset("tiny")
    executable = compile_executable(network, config)
    result = run_program(executable.with_image(random_images(network, 1, 0)[0]), config)
    program = result.instructions
    steps = sum(int((steps - program[number]["steps"]).sum()) for number, steps in result.tile_steps.items())
    return steps, network.tensor("blocks.0.norm1.out").shape[0]


def test_every_token_is_needed() -> None:
    config = load_preset("tiny")
    program = read_program(compile_executable(outlier_network(), config))
    check_program(program, config)
    for poster, taker, giver, queue in tokens(program):
        giver_bit, queue_bit = 1 << QUEUES.index(giver), 1 << QUEUES.index(queue)
        less = changed(program, poster, post=program[poster]["post"] & ~queue_bit)
        less = changed(less, taker, wait=program[taker]["wait"] & ~giver_bit)
        with pytest.raises(HwsimError, match=r"expected a (token|fence)"):
            check_program(less, config)


def first_of(program: list[Instruction], operation: str, field: str) -> int:
    return next(number for number, one in enumerate(program) if one.operation == operation and one[field])


@pytest.mark.parametrize(
    ("operation", "field", "changes", "message"),
    [
        ("layernorm", "outliers", {"outlier_high": "out_base"}, "writes outlier_high in a bank that another of its"),
        ("layernorm", "outliers", {"out_row": 1}, "begins with row 1, expected whole row tiles of 4"),
        ("layernorm", "outliers", {"outliers": 0}, "of outliers of row tile 0, of which 0 are loaded"),
        ("gemm", "outliers", {"outlier_low": 16000}, "reads bytes of outlier_low that nothing has written"),
        ("load", "target", {"beats": 1}, "of row_multipliers, of which 1 are loaded"),
    ],
)
def test_the_check_knows_planes_row_table_and_outlier_map(
    operation: str, field: str, changes: dict[str, int | str], message: str
) -> None:
    config = load_preset("tiny")
    program = read_program(compile_executable(outlier_network(), config))
    number = first_of(program, operation, field)
    if operation == "load":
        number = next(n for n, one in enumerate(program) if one.operation == "load" and one["target"] == ROW_TABLE)
    one = program[number]
    values = {name: one[value] if isinstance(value, str) else value for name, value in changes.items()}
    with pytest.raises(HwsimError, match=message):
        check_program(changed(program, number, **values), config)


def test_an_outlier_map_that_nothing_wrote_is_refused() -> None:
    config = load_preset("tiny")
    program = read_program(compile_executable(outlier_network(), config))
    number = first_of(program, "layernorm", "outliers")
    planes_only = changed(program, number, channels=program[number]["channels"] - 1)
    with pytest.raises(HwsimError, match=r"uses .* of outliers of row tile 0, of which|that nothing has written"):
        check_program(planes_only, config)


def test_steps_of_outliers_are_in_the_cycles() -> None:
    network, config, model = outlier_network(), load_preset("tiny"), DramModel(latency=20, stall=0, seed=0)
    executable = compile_executable(network, config)
    result = run_program(executable.with_image(random_images(network, 1, 0)[0]), config)
    without = schedule(result.instructions, config, model)
    plain = {n: np.full(len(s), result.instructions[n]["steps"]) for n, s in result.tile_steps.items()}
    assert schedule(result.instructions, config, model, plain) == without
    assert schedule(result.instructions, config, model, result.tile_steps).cycles > without.cycles


def test_a_wide_stream_is_added_as_a_constant_and_read_as_halfwords() -> None:
    network = random_network(1, wide_stream=True)
    assert isinstance(network.tensor("embed.out").format, Uniform)
    program = compile_executable(network, load_preset("tiny")).program
    drains = {one["drain"] for one in program if one.operation == "gemm"}
    assert DRAIN_OPERATIONS.index("constant") in drains
    assert DRAIN_OPERATIONS.index("residual") not in drains
    adders = [one for one in program if one.operation == "gemm" and DRAIN_OPERATIONS[one["drain"]] == "constant"]
    assert all(one["out_halfwords"] for one in adders)
    assert all(one["in_halfwords"] for one in program if one.operation == "layernorm")


def test_saturation_of_a_wide_stream_is_the_machines() -> None:
    network = random_network(2, wide_stream=True, depth=2)
    for name in ("blocks.0.attn.proj", "blocks.0.mlp.fc2", "blocks.1.mlp.fc2"):
        network.arrays[f"{name}.mult"][:] = (1 << 15) - 1
    images = random_images(network, 1, seed=1)
    trace = Machine(compile_network(network, load_preset("tiny"))).run(images, trace=True).trace
    assert np.isin(trace["blocks.1.mlp.add.out"], (-(1 << 15), (1 << 15) - 1)).any()
    assert_equals_machine(network, compile_executable(network, load_preset("tiny"), trace=True), [None])
