"""Traffic of instructions by hand, of programs against the closed form, and what the interpreter really writes."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np
import pytest

from hwsim.compiler import compile_network
from hwsim.compiler.executable import compile_executable
from hwsim.config import load_preset
from hwsim.cost.cycles import profile
from hwsim.cost.traffic import instruction_traffic
from hwsim.interpreter import run_program
from hwsim.interpreter.activation_buffer import ActivationBuffer, Matrix
from hwsim.isa import COLUMN_SOURCES, DRAIN_OPERATIONS, LOAD_TARGETS, Instruction
from hwsim.network import LayerNorm, Network, Residual
from tests.closed_form_traffic import closed_form_traffic
from tests.random_network import DEIT_TINY, WHOLE, random_images, random_network, vit_network
from tests.test_network_rows import NORM, ROWS, row_network

TINY, EDGE = load_preset("tiny"), load_preset("edge")


def load(target: str, **fields: int) -> Instruction:
    return Instruction("load", {"target": LOAD_TARGETS.index(target), **fields})


def traffic(
    read: int = 0, write: int = 0, weight_write: int = 0, weight_read: int = 0, dram_read: int = 0, dram_write: int = 0
) -> tuple[int, ...]:
    """Bits of so many bytes, in the order of ``Traffic``."""
    return tuple(8 * count for count in (read, write, weight_write, weight_read, dram_read, dram_write))


# tiny: 4x4 array, words of 8 bytes, 2 lanes everywhere, beats of 8 bytes
GEMM = {"rows": 5, "columns": 6, "steps": 7}  # 2 x 2 tiles; 5 rows of 3 words of 2 sums
BY_HAND = [
    (Instruction("gemm", GEMM), traffic(read=4 * 7 * 8, write=15 * 2, weight_read=4 * 7 * 4)),
    (Instruction("gemm", GEMM | {"out_halfwords": 1}), traffic(read=4 * 7 * 8, write=15 * 4, weight_read=4 * 7 * 4)),
    (
        Instruction("gemm", GEMM | {"column_source": COLUMN_SOURCES.index("channels")}),
        traffic(read=2 * 4 * 7 * 8, write=15 * 2),
    ),
    (
        Instruction("gemm", GEMM | {"column_source": COLUMN_SOURCES.index("rows"), "columns": 3}),
        traffic(read=2 * 2 * 7 * 8, write=5 * 2 * 2),
    ),
    (
        Instruction("gemm", GEMM | {"drain": DRAIN_OPERATIONS.index("residual")}),
        traffic(read=(4 * 7 + 15) * 8, write=15 * 2, weight_read=4 * 7 * 4),
    ),
    (
        Instruction("gemm", GEMM | {"drain": DRAIN_OPERATIONS.index("constant")}),
        traffic(read=(4 * 7 + 15) * 8, write=15 * 2, weight_read=4 * 7 * 4),
    ),
    (
        Instruction("gemm", GEMM | {"drain": DRAIN_OPERATIONS.index("table")}),
        traffic(read=4 * 7 * 8, write=15 * 2, weight_read=4 * 7 * 4),
    ),
    (Instruction("softmax", {"rows": 3, "columns": 5}), traffic(read=9 * 8, write=9 * 2)),
    (Instruction("layernorm", {"rows": 3, "channels": 5}), traffic(read=9 * 8, write=9 * 2)),
    (Instruction("layernorm", {"rows": 3, "channels": 5, "outliers": 1}), traffic(read=9 * 8, write=3 * 9 * 2)),
    (load("weights", beats=11, steps=7), traffic(weight_write=7 * 4, dram_read=11 * 8)),
    (load("weights", beats=8, steps=7, packed=1), traffic(weight_write=7 * 4, dram_read=8 * 8)),
    (load("codes", beats=3, bytes=20), traffic(write=20, dram_read=3 * 8)),
    (load("halfwords", beats=4, run_bytes=12), traffic(write=2 * 12, dram_read=4 * 8)),
    *[
        (load(target, beats=9), traffic(dram_read=9 * 8))
        for target in ("table", "layernorm", "program", "codebook", "row_multipliers")
    ],
    (Instruction("store", {"beats": 4}), traffic(read=4 * 8, dram_write=4 * 8)),
    (Instruction("end", {}), traffic()),
]


@pytest.mark.parametrize(("one", "expected"), BY_HAND)
def test_traffic_by_hand(one: Instruction, expected: tuple[int, ...]) -> None:
    assert astuple(instruction_traffic(one, TINY)) == expected


def test_steps_of_outliers_are_steps() -> None:
    steps = np.array([9, 7, 9, 7])  # the first row tile has a channel with an outlier
    found = instruction_traffic(Instruction("gemm", GEMM | {"outliers": 1}), TINY, steps)
    assert astuple(found) == traffic(read=32 * 8, write=15 * 2, weight_read=32 * 4)


@pytest.mark.parametrize("narrow_weights", [False, True])
def test_traffic_is_the_closed_form_where_everything_is_whole(narrow_weights: bool) -> None:
    """What the closed form counts with packed codes, and every cause of a difference."""
    network = vit_network(WHOLE, np.random.default_rng(0), narrow_weights=narrow_weights)
    program, executable = compile_network(network, EDGE), compile_executable(network, EDGE)
    found, closed_forms = profile(executable, program).traffic, closed_form_traffic(network, EDGE)
    assert network.tensor("embed.out").format.bits < 8  # so that packing shows
    layers = {layer.name: layer for layer in network.layers}
    for one in program.passes:
        moved, closed = found[one.name], closed_forms[one.name]
        drain = layers[one.layers[-1]]
        elements, out_bits = one.rows * one.channels, network.tensor(drain.output).format.bits
        read, written = closed.activation_read_bits, closed.activation_write_bits
        stream = drain.skip if isinstance(drain, Residual) else drain.input if isinstance(drain, LayerNorm) else None
        if stream is not None:  # 8 codes are read as a word of 16 bytes
            read += elements * (16 - network.tensor(stream).format.bits)
        elif isinstance(drain, Residual):  # the constant passes through the activation buffer
            read += elements * 16
            written += elements * 16
        if one.name == "head":  # a tile of 16 rows is read though one exists; so are the logits, 8 bytes a word
            read = 16 * read + 16 * 2 * 8 * 2
            written += elements * 16
        else:
            written += elements * (-out_bits % 8)
        assert (moved.activation_read_bits, moved.activation_write_bits) == (read, written), one.name
        assert moved.weight_write_bits == closed.weight_write_bits
        assert moved.weight_read_bits == closed.weight_read_bits
    assert found["blocks.0.mlp.fc2"].weight_write_bits == 128 * 64 * 8
    qkv = next(one for one in program.passes if one.name == "blocks.0.attn.qkv")
    entries = qkv.channels * (64 - 32 - 16 - 6)  # a beat for each column's parameters
    assert closed_forms[qkv.name].dram_read_bits == 192 * (64 * (4 if narrow_weights else 8) + 32 + 16 + 6)
    assert found[qkv.name].dram_read_bits == closed_forms[qkv.name].dram_read_bits + entries


@pytest.mark.parametrize("preset", ["tiny", "edge"])
@pytest.mark.parametrize("row_scales", [False, True])
def test_as_many_bytes_are_written_as_counted(preset: str, row_scales: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter, byte by byte, against the counts of whole programs."""
    config, written = load_preset(preset), []
    for name in ("write", "write_bytes"):
        plain = getattr(ActivationBuffer, name)

        def counted(self: ActivationBuffer, where: Any, values: Any, what: str, plain: Any = plain) -> None:
            halfwords = isinstance(where, Matrix) and where.halfwords
            written.append(values.size * (2 if halfwords else 1))
            plain(self, where, values, what)

        monkeypatch.setattr(ActivationBuffer, name, counted)
    for seed in range(4):
        network = random_network(seed, row_scales=row_scales, wide_stream=seed == 1)
        executable = compile_executable(network, config)
        written.clear()
        steps = run_program(executable.with_image(random_images(network, 1, 0)[0]), config).tile_steps
        found = profile(executable, compile_network(network, config), steps).traffic
        assert sum(one.activation_write_bits for one in found.values()) == 8 * sum(written)


# The closed form by hand


@pytest.fixture(scope="module")
def deit() -> Network:
    return vit_network(DEIT_TINY, np.random.default_rng(0))


def test_traffic_of_a_product_by_hand(deit: Network) -> None:
    qkv = closed_form_traffic(deit, EDGE)["blocks.3.attn.qkv"]
    row_tiles, column_tiles = 13, 36
    assert qkv.activation_read_bits == 197 * 192 * 8 * column_tiles
    assert qkv.activation_write_bits == 197 * 576 * 8
    assert qkv.weight_write_bits == 576 * 192 * 8
    assert qkv.weight_read_bits == 576 * 192 * 8 * row_tiles
    assert qkv.dram_read_bits == 576 * 192 * 8 + 576 * (32 + 16 + 6)
    assert qkv.dram_write_bits == 0


def test_traffic_of_attention_by_hand(deit: Network) -> None:
    by_name = closed_form_traffic(deit, EDGE)
    scores, softmax, values = (by_name[f"blocks.0.attn.{name}"] for name in ("scores", "softmax", "values"))
    assert scores.activation_read_bits == 3 * (197 * 64 * 8 * 13 + 197 * 64 * 8 * 13)
    assert scores.activation_write_bits == 3 * 197 * 197 * 16
    assert scores.weight_read_bits == scores.weight_write_bits == 0
    assert softmax.activation_read_bits == 3 * 197 * 197 * 16
    bits = deit.tensor("blocks.0.attn.softmax.out").format.bits
    assert softmax.activation_write_bits == 3 * 197 * 197 * bits
    assert values.activation_read_bits == 3 * (197 * 197 * bits * 4 + 197 * 64 * 8 * 13)
    assert values.activation_write_bits == 197 * 192 * 8


def test_dram_sees_pixels_weights_constants_and_logits(deit: Network) -> None:
    passes = list(closed_form_traffic(deit, EDGE).values())
    first, last = passes[0], passes[-1]
    assert first.dram_read_bits == 224 * 224 * 3 * 8 + 192 * 768 * 8 + 192 * 54 + 22 + 192 * 3 + 197 * 192 * 16
    assert last.dram_write_bits == 1000 * 16
    assert last.activation_write_bits == 0
    assert sum(one.dram_write_bits for one in passes) == 1000 * 16
    weights = sum(array.size for name, array in deit.arrays.items() if name.endswith(".weight"))
    assert sum(one.weight_write_bits for one in passes) == weights * 8


def test_planes_and_row_table_are_counted() -> None:
    network = row_network()
    rows, channels = network.tensor(ROWS).shape
    bits = network.tensor(ROWS).format.bits
    found = closed_form_traffic(network, TINY)[NORM]
    assert found.activation_write_bits == rows * channels * (bits + 16)
    assert found.dram_read_bits == channels * (16 + 32 + 3) + rows * 41
