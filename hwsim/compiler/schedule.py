"""From passes to operations in program order."""

from __future__ import annotations

from hwsim.compiler.attention import add_attention, check_attention
from hwsim.compiler.layernorm import add_layernorm
from hwsim.compiler.linear import add_linear
from hwsim.compiler.lower import Pass
from hwsim.compiler.operations import Operation, Result
from hwsim.compiler.plan import Plan
from hwsim.compiler.prefetch import with_loads
from hwsim.compiler.support import refuse
from hwsim.network import AttentionScores, LayerNorm, Linear, Residual
from hwsim.network_check import layer_inputs

ATTENTION_PASSES = 3


def schedule(plan: Plan, passes: list[Pass]) -> list[Operation]:
    """Operations of all passes with their loads, ended by the store of the logits.

    Raises
    ------
    HwsimError
        For layers in an order, or with formats, that no instruction performs.
    """
    network = plan.network
    readers: dict[str, list[str]] = {name: [] for name in network.manifest.tensors}
    for layer in network.layers:
        for name in layer_inputs(layer, network.manifest.input):
            readers[name].append(layer.name)
    heads = {layer.input: layer.heads for layer in network.layers if isinstance(layer, AttentionScores)}
    normalised: set[str] = set()
    stage = 0
    while stage < len(passes):
        one, following = passes[stage], passes[stage + 1 : stage + 2]
        if isinstance(one.main, Linear):
            norm = following[0] if following and _normalises(following[0], one) else None
            add_linear(plan, one, stage, heads.get(one.output), one.main.input in normalised, norm)
            normalised |= {norm.output} if norm is not None else set()
            stage += 2 if norm is not None else 1
        elif isinstance(one.main, LayerNorm):
            add_layernorm(plan, one, stage)
            normalised.add(one.output)
            stage += 1
        else:
            check_attention(plan, passes[stage : stage + ATTENTION_PASSES], readers)
            add_attention(plan, passes[stage : stage + ATTENTION_PASSES], stage)
            stage += ATTENTION_PASSES
    operations = with_loads(plan)
    operations.append(_store_logits(plan, len(passes)))
    return operations


def _normalises(norm: Pass, one: Pass) -> bool:
    return isinstance(norm.main, LayerNorm) and isinstance(one.drain, Residual) and norm.main.input == one.output


def _store_logits(plan: Plan, stage: int) -> Operation:
    name = plan.network.manifest.logits
    if name not in plan.tensors or not plan.tensors[name].buffer.halfwords:
        refuse(plan.network, plan.network.layers[-1].name, f"leaves no logits {name}", "a linear layer that makes them")
    buffer = plan.tensors[name].buffer
    result = Result(
        tensor=name, head=None, first_row=0, rows=1, first_channel=0, channels=buffer.channels, buffer=buffer,
        buffer_row=0, buffer_channel=0,
    )  # fmt: skip
    return plan.store("logits", stage, result)
