"""From passes to operations in program order where the stream lies in DRAM: segment by segment, band by band.

The rows of the next band arrive, and its first LayerNorm runs, among the last products of a band; what a band leaves
goes to DRAM among the first products of the next one.
"""

from __future__ import annotations

from hwsim.compiler.attention import check_attention
from hwsim.compiler.bands import Segment, bands, segments
from hwsim.compiler.layernorm import add_layernorm, layernorm_chunks
from hwsim.compiler.linear import Readers, add_linear
from hwsim.compiler.lower import Pass
from hwsim.compiler.operations import Operation
from hwsim.compiler.pixels import image_loads
from hwsim.compiler.plan import Plan, source_chunks
from hwsim.compiler.row_scales import keeps_row_table
from hwsim.compiler.streams import in_image_order, merge_loads, stream_loads, stream_stores, window_loads
from hwsim.compiler.support import refuse
from hwsim.compiler.token_mean import add_token_mean
from hwsim.compiler.window_attention import WindowAttention
from hwsim.formats import RowUniform
from hwsim.network import AttentionScores, Im2col, LayerNorm, Linear, Rearrange, Residual, TokenMean
from hwsim.network_check import layer_inputs

ATTENTION_PASSES = 3


def schedule_bands(plan: Plan, passes: list[Pass], readers: dict[str, list[str]]) -> None:
    """Add the operations of all passes.

    Parameters
    ----------
    readers : names of the layers that read each tensor

    Raises
    ------
    HwsimError
        For layers in an order that no segment has.
    """
    stage = 0
    parts = segments(plan.network, passes)
    for segment in parts:
        plan.tensors.clear()
        plan.heads.clear()
        one = _SegmentSchedule(plan, segment, stage, readers)
        one.run(last=segment is parts[-1])
        stage = one.stage


class _SegmentSchedule:
    def __init__(self, plan: Plan, segment: Segment, stage: int, readers: dict[str, list[str]]) -> None:
        self.plan, self.segment, self.stage, self.readers = plan, segment, stage, readers
        self.passes = list(segment.passes)
        self.first = self.passes[0]
        self.heads = {one.main.input: one.main.heads for one in self.passes if isinstance(one.main, AttentionScores)}
        loaded = {one for layer in (self.first.load, self.first.main) for one in self._names(layer)}
        self.load_at = self._unread_from(loaded)
        """First pass of a band before which the rows of the next one may take the names of its own."""
        self.norm_at = max(self.load_at, self._unread_from({self.first.output}), self._row_table_free_from())

    def run(self, last: bool) -> None:
        """Add the operations of all bands; of the last segment, nothing goes back to DRAM."""
        plan, every = self.plan, bands(self.plan, self.segment)
        plan.background.extend([*self._loads(every[0]), *self._norm()])
        stores: list[Operation] = []
        for following in [*every[1:], None]:
            plan.flush()
            plan.background.extend(stores)
            self._body(following)
            stores = [] if last else stream_stores(plan, self.passes[-1].main.name, self.segment.output, self.stage)
        plan.flush()
        plan.background.extend(stores)
        plan.flush()

    # The begin of a band

    def _loads(self, band: range) -> list[Operation]:
        """Loads of the rows of a band."""
        load, plan = self.first.load, self.plan
        if isinstance(load, Im2col):
            whole = band == range(self.segment.units)
            return image_loads(plan, load, self._next(), None if whole else band)
        if isinstance(load, Rearrange) and load.kind == "merge":
            return merge_loads(plan, load, self._next(), band)
        if isinstance(load, Rearrange):
            unit = self.segment.unit
            return window_loads(plan, load, self._next(), range(band.start * unit, band.stop * unit))
        name = layer_inputs(self.first.main, plan.network.manifest.input)[0]
        return stream_loads(plan, self.first.main.name, name, self._next())

    def _norm(self) -> list[Operation]:
        """LayerNorm of the rows that have been loaded, where the segment begins with one."""
        one, plan = self.first, self.plan
        if not isinstance(one.main, LayerNorm):
            return []
        source = plan.placed(one.main.name, one.main.input)
        if not isinstance(one.load, Rearrange) or one.load.kind != "window":
            return list(layernorm_chunks(plan, one, self._next(), source_chunks(source, plan)))
        word, tokens = plan.config.word_bytes, self.segment.unit
        aligned, count = -(-tokens // word) * word, source.buffer.rows // tokens
        chunks = [(tokens * window, tokens * (window + 1)) for window in range(count)]
        parts = [(aligned * window, aligned * window + tokens) for window in range(count)]
        return list(layernorm_chunks(plan, one, self._next(), chunks, parts))

    # The rest of a band

    def _body(self, following: range | None) -> None:
        index = 1 if isinstance(self.first.main, LayerNorm) else 0
        begun = loaded = following is None
        while index < len(self.passes):
            if not loaded and following is not None and index >= self.load_at:
                self.plan.background.extend(self._loads(following))
                loaded = True
            if not begun and index >= self.norm_at:
                self.plan.background.extend(self._norm())
                begun = True
            index += self._add(index)
        if not loaded and following is not None:
            self.plan.background.extend(self._loads(following))
        if not begun:
            self.plan.background.extend(self._norm())

    def _add(self, index: int) -> int:
        """Add a pass with those that belong to it; how many they are."""
        plan, one = self.plan, self.passes[index]
        following = self.passes[index + 1 : index + 1 + ATTENTION_PASSES]
        if isinstance(one.load, Rearrange) and one.load.kind == "unwindow":
            plan.tensors[one.load.output] = in_image_order(plan.placed(one.main.name, one.load.input), one.load)
        if isinstance(one.main, Linear) and one.output in self.heads:
            self._add_attention(one, following)
            return 1 + ATTENTION_PASSES
        if isinstance(one.main, Linear):
            norm = following[0] if following and self._is_followed(one, following[0]) else None
            by_chunks = index > 0 and isinstance(self.passes[index - 1].main, LayerNorm)
            add_linear(plan, one, self._next(2), by_chunks, Readers(norm=norm))
            return 1 if norm is None else 2
        if isinstance(one.main, LayerNorm):
            add_layernorm(plan, one, self._next())
        elif isinstance(one.main, TokenMean):
            add_token_mean(plan, one, self._next())
        else:
            found = "does not follow the linear layer that makes q, k and v"
            refuse(plan.network, one.main.name, found, "that right before")
        return 1

    def _add_attention(self, one: Pass, following: list[Pass]) -> None:
        plan, main = self.plan, one.main
        assert isinstance(main, Linear)
        source = plan.placed(main.name, main.input)
        if source.parts is None:
            refuse(plan.network, main.name, f"reads {main.input}, whose rows are no windows", "a LayerNorm of windows")
        stage = self._next(1 + ATTENTION_PASSES)
        made: list[WindowAttention] = []

        def attention() -> WindowAttention:
            if not made:  # q, k and v have buffers now
                check_attention(plan, following, self.readers)
                made.append(WindowAttention(plan, following, stage + 1, source))
            return made[0]

        readers = Readers(heads=self.heads[one.output], add_scores=lambda head: attention().add_early_scores(head))
        add_linear(plan, one, stage, True, readers)
        attention().add_rest()

    def _is_followed(self, one: Pass, norm: Pass) -> bool:
        """Whether a LayerNorm reads the result of a linear layer and may begin before its end."""
        if not isinstance(norm.main, LayerNorm) or norm.load is not None or norm.main.input != one.output:
            return False
        return (
            isinstance(one.drain, Residual)
            and isinstance(one.main, Linear)
            and keeps_row_table(plan=self.plan, linear=one.main, norm=norm.main)
        )

    # Names that the next band may take

    def _next(self, count: int = 1) -> int:
        self.stage += count
        return self.stage - count

    def _names(self, layer: object) -> list[str]:
        if layer is None:
            return []
        assert isinstance(layer, Im2col | Rearrange | LayerNorm | Linear)
        return [
            *layer_inputs(layer, self.plan.network.manifest.input),
            *([layer.output] if layer is self.first.load else []),
        ]

    def _unread_from(self, names: set[str]) -> int:
        """First pass from which on none reads one of the tensors."""
        found = 1
        for index, one in enumerate(self.passes[1:], start=1):
            for layer in one.layers:
                if names & set(layer_inputs(layer, self.plan.network.manifest.input)):
                    found = index + 1
        return found

    def _row_table_free_from(self) -> int:
        """First pass from which on none reads rows with scales of their own."""
        formats = self.plan.network.manifest.tensors
        found = 1
        for index, one in enumerate(self.passes):
            if isinstance(one.main, Linear) and isinstance(formats[one.main.input].format, RowUniform):
                found = index + 1
        return found
