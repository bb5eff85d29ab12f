"""The layer and head that each instruction works for, against what its fields say: buffers, banks, targets."""

from __future__ import annotations

import pytest

from hwsim.compiler.executable import Executable, compile_executable
from hwsim.compiler.lower import lower
from hwsim.config import load_preset
from hwsim.isa import DRAIN_OPERATIONS, ENCODER_KINDS, LOAD_TARGETS, OPERAND_KINDS, Instruction
from hwsim.network import Network, load_network
from tests.random_network import random_network

COMPUTE = ("gemm", "softmax", "layernorm")


def networks() -> list[tuple[str, Network]]:
    found = [(f"random {seed}", random_network(seed)) for seed in range(8)]
    found += [(f"rows {seed}", random_network(seed, row_scales=True, wide_stream=seed % 2 == 1)) for seed in range(4)]
    return [*found, ("shipped", load_network("hwsim/zoo/fashion_mnist_vit"))]


@pytest.mark.parametrize("preset", ["tiny", "edge"])
@pytest.mark.parametrize("trace", [False, True])
@pytest.mark.parametrize("network", [pytest.param(one, id=name) for name, one in networks()])
def test_every_instruction_works_for_the_layer_that_its_fields_show(network: Network, trace: bool, preset: str) -> None:
    executable = compile_executable(network, load_preset(preset), trace=trace)
    passes = {layer.name: one for one in lower(network) for layer in one.layers}
    program, layers, heads = executable.program, executable.layers, executable.heads
    for number, one in enumerate(program):
        if one.operation == "end" or is_program_load(one):
            assert (layers[number], heads[number]) == (None, None)
            continue
        layer = layers[number]
        assert layer is not None
        if one.operation in COMPUTE:
            name = buffer_of(executable, number, "out_base")
            assert passes[layer].output in (name, name.rpartition(".")[0])  # a head or a slot of a tensor
            assert heads[number] == head_of(executable, number, passes[layer].main.op)
            continue
        steps = range(number + 1, len(program)) if one.operation == "load" else range(number - 1, -1, -1)
        other = next(n for n in steps if program[n].operation in COMPUTE and (is_store(one) or uses(program[n], one)))
        assert passes[layer] is passes[str(layers[other])]
        parameters = one.operation == "load" and LOAD_TARGETS[one["target"]] != "weights"  # all heads use them
        assert heads[number] == (None if parameters else heads[other])


def is_program_load(one: Instruction) -> bool:
    return one.operation == "load" and LOAD_TARGETS[one["target"]] == "program"


def is_store(one: Instruction) -> bool:
    return one.operation == "store"


def buffer_of(executable: Executable, number: int, key: str) -> str:
    """Name of the buffer that begins where a field of an instruction says."""
    return next(
        place.name
        for place in executable.allocations
        if place.first_word == executable.program[number][key]
        and place.first_instruction <= number <= place.last_instruction
    )


def head_of(executable: Executable, number: int, op: str) -> int | None:
    """Head that the name of a buffer of q or probabilities ends with."""
    if op not in ("attention_scores", "softmax", "attention_values"):
        return None
    name = buffer_of(executable, number, "out_base" if op == "softmax" else "row_base")
    return int(name.rpartition(".")[2].lstrip("q"))


def uses(one: Instruction, load: Instruction) -> bool:
    """Whether an instruction takes what a load before it has brought."""
    target = LOAD_TARGETS[load["target"]]
    if one.operation == "gemm":
        drain = DRAIN_OPERATIONS[one["drain"]]
        return {
            "weights": one["bank"] == load["bank"],
            "codes": one["row_base"] == load["base"],
            "halfwords": drain == "constant" and one["skip_base"] == load["base"],
            "table": drain == "table",
            "codebook": OPERAND_KINDS[one["operand_kind"]] == "codebook",
        }.get(target, False)
    if one.operation == "softmax":
        return target == "codebook" and ENCODER_KINDS[one["encoder"]] == "codebook"
    return target == "layernorm" or (target == "row_multipliers" and one["row_encode"] == 1)
