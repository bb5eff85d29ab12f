"""From passes to operations in program order."""

from __future__ import annotations

from hwsim.compiler.attention import Attention, check_attention
from hwsim.compiler.band_schedule import schedule_bands
from hwsim.compiler.bands import has_bands
from hwsim.compiler.layernorm import add_layernorm
from hwsim.compiler.linear import Readers, add_linear
from hwsim.compiler.lower import Pass
from hwsim.compiler.operations import Operation, Result
from hwsim.compiler.pixels import image_loads
from hwsim.compiler.plan import Plan
from hwsim.compiler.prefetch import with_loads
from hwsim.compiler.row_scales import keeps_row_table
from hwsim.compiler.support import refuse
from hwsim.network import AttentionScores, Im2col, LayerNorm, Linear, Network, Residual
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
    if has_bands(passes):
        schedule_bands(plan, passes, reader_names(network))
    else:
        _schedule(plan, passes, reader_names(network))
    operations = with_loads(plan)
    operations.append(_store_logits(plan, passes))
    return operations


def _schedule(plan: Plan, passes: list[Pass], readers: dict[str, list[str]]) -> None:
    """Add the operations of all passes of a network whose stream stays in the activation buffer."""
    network = plan.network
    heads = {layer.input: layer.heads for layer in network.layers if isinstance(layer, AttentionScores)}
    normalised: set[str] = set()
    stage = 0
    while stage < len(passes):
        one, following = passes[stage], passes[stage + 1 : stage + 1 + ATTENTION_PASSES]
        by_chunks = isinstance(one.main, Linear) and one.main.input in normalised
        if isinstance(one.load, Im2col):
            for load in image_loads(plan, one.load, stage):
                plan.add(load)
        if isinstance(one.main, Linear) and one.output in heads:
            lazy = _LazyAttention(plan, following, stage + 1, readers)
            add_linear(plan, one, stage, by_chunks, Readers(heads=heads[one.output], add_scores=lazy.add_early_scores))
            lazy.attention().add_rest()
            stage += 1 + ATTENTION_PASSES
        elif isinstance(one.main, Linear):
            norm = following[0] if following and _normalises(plan, following[0], one) else None
            add_linear(plan, one, stage, by_chunks, Readers(norm=norm))
            normalised |= {norm.output} if norm is not None else set()
            stage += 2 if norm is not None else 1
        elif isinstance(one.main, LayerNorm):
            add_layernorm(plan, one, stage)
            normalised.add(one.output)
            stage += 1
        else:
            refuse(
                network, one.main.name, "does not follow the linear layer that makes q, k and v", "that right before"
            )


def reader_names(network: Network) -> dict[str, list[str]]:
    """Names of the layers that read each tensor."""
    readers: dict[str, list[str]] = {name: [] for name in network.manifest.tensors}
    for layer in network.layers:
        for name in layer_inputs(layer, network.manifest.input):
            readers[name].append(layer.name)
    return readers


class _LazyAttention:
    """The attention after a linear layer, made once its q, k and v have buffers."""

    def __init__(self, plan: Plan, passes: list[Pass], stage: int, readers: dict[str, list[str]]) -> None:
        self._plan, self._passes, self._stage, self._readers = plan, passes, stage, readers
        self._attention: Attention | None = None

    def attention(self) -> Attention:
        """Check the passes at the first call."""
        if self._attention is None:
            check_attention(self._plan, self._passes, self._readers)
            self._attention = Attention(self._plan, self._passes, self._stage)
        return self._attention

    def add_early_scores(self, head: int) -> None:
        """Add the scores of a head among the tiles of the linear layer."""
        self.attention().add_early_scores(head)


def _normalises(plan: Plan, norm: Pass, one: Pass) -> bool:
    """Whether a LayerNorm reads the result of a linear layer and may begin before its end."""
    if not isinstance(norm.main, LayerNorm) or not isinstance(one.drain, Residual) or norm.main.input != one.output:
        return False
    return isinstance(one.main, Linear) and keeps_row_table(plan, one.main, norm.main)


def _store_logits(plan: Plan, passes: list[Pass]) -> Operation:
    name = plan.network.manifest.logits
    if name not in plan.tensors or not plan.tensors[name].buffer.halfwords:
        refuse(plan.network, plan.network.layers[-1].name, f"leaves no logits {name}", "a linear layer that makes them")
    buffer = plan.tensors[name].buffer
    result = Result(
        tensor=name, head=None, first_row=0, rows=1, first_channel=0, channels=buffer.channels, buffer=buffer,
        buffer_row=0, buffer_channel=0,
    )  # fmt: skip
    maker = next(one.main.name for one in passes if one.output == name)
    return plan.store("logits", maker, len(passes), result)
