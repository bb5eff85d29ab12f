"""Checks of a loaded network: every tensor exists before its use, shapes and formats fit, values can be represented.

Each failure is one sentence that names the file, the layer or key, what was found and what was expected. What depends
on a configuration (buffer sizes, widths, the accumulator proof) is the compiler's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hwsim.formats import ChannelScaled, Codebook, Logarithmic, RowUniform, Uniform
from hwsim.network import (
    AttentionScores,
    AttentionValues,
    Im2col,
    Layer,
    LayerNorm,
    Linear,
    Network,
    Rearrange,
    Residual,
    Softmax,
    Table,
    TokenMean,
)
from hwsim.network_rules import MULT_MAX, SHIFT_MAX, Rules, is_signed, stream_kind

ROW_SHIFT_MAX = 55
"""With row scales, whose sums have eight guard bits more."""
ROW_MULTIPLIER_ONE = 1 << 15
EXP2_TABLE = "exp2_table"
CHANNELS_OF_MODE = {"L": 1, "RGB": 3}


def check_network(network: Network, source: Path) -> None:
    """Check a network against its own manifest.

    Raises
    ------
    HwsimError
        At the first thing that does not fit.
    """
    _Check(network, source).run()


def layer_inputs(layer: Layer, network_input: str) -> list[str]:
    """Tensors that a layer reads."""
    if isinstance(layer, Im2col):
        return [network_input]
    if isinstance(layer, AttentionValues):
        return [layer.probabilities, layer.values]
    if isinstance(layer, Residual):
        return [layer.branch] if layer.skip is None else [layer.branch, layer.skip]
    return [layer.input]


class _Check(Rules):
    def run(self) -> None:
        self._tensors()
        self._input()
        self._order()
        rules: dict[type, Callable[[Any], None]] = {
            Im2col: self._im2col,
            Rearrange: self._rearrange,
            Linear: self._linear,
            AttentionScores: self._attention_scores,
            Softmax: self._softmax,
            AttentionValues: self._attention_values,
            TokenMean: self._token_mean,
            Table: self._table,
            Residual: self._residual,
            LayerNorm: self._layernorm,
        }
        for layer in self.manifest.layers:
            rules[type(layer)](layer)
        self._logits()
        self._no_array_left_over()

    # The manifest

    def _tensors(self) -> None:
        for name, spec in self.manifest.tensors.items():
            if not spec.shape or min(spec.shape) < 1:
                self._fail(f"tensors.{name}.shape", f"is {list(spec.shape)}", "at least one dimension, each at least 1")
            if not math.isfinite(spec.scale):
                self._fail(f"tensors.{name}.scale", f"is {spec.scale}", "a finite number")

    def _input(self) -> None:
        spec, preprocess = self._tensor("input", self.manifest.input), self.manifest.preprocess
        size, channels = preprocess.size, CHANNELS_OF_MODE[preprocess.mode]
        self._shape("input", self.manifest.input, (size, size, channels))
        if not isinstance(spec.format, Uniform) or spec.format.bits != 8 or spec.format.signed:
            self._format("input", self.manifest.input, "uniform, 8 bits, unsigned")

    def _order(self) -> None:
        made = {self.manifest.input: "the input"}
        names: set[str] = set()
        for layer in self.manifest.layers:
            where = f"layer {layer.name}"
            if layer.name in names:
                self._fail(where, "names two layers", "a name that no other layer has")
            names.add(layer.name)
            for name in layer_inputs(layer, self.manifest.input):
                self._tensor(where, name)
                if name not in made:
                    self._fail(f"{where}: input {name}", "is made by no layer before it", "a layer that makes it first")
            self._tensor(where, layer.output)
            if layer.output in made:
                self._fail(f"{where}: output {layer.output}", f"is also made by {made[layer.output]}", "one maker")
            made[layer.output] = where
        if unmade := sorted(set(self.manifest.tensors) - set(made)):
            self._fail(f"tensors.{unmade[0]}", "is made by no layer", "a layer with this output")
        if self.manifest.logits not in made:
            self._fail("logits", f"is {self.manifest.logits!r}", "the output of a layer")

    def _logits(self) -> None:
        name = self.manifest.logits
        self._shape("logits", name, (1, len(self.manifest.classes)))
        if not is_signed(self.network.tensor(name).format, 16):
            self._format("logits", name, "uniform, 16 bits, signed, zero point 0")

    def _no_array_left_over(self) -> None:
        if left := sorted(set(self.network.arrays) - self.used):
            self._fail(f"array {left[0]}", "is used by no layer", "only arrays that a layer uses")

    # One operator each

    def _im2col(self, layer: Im2col) -> None:
        where = f"layer {layer.name}"
        height, width, channels = self.network.tensor(self.manifest.input).shape
        if height % layer.patch or width % layer.patch:
            self._fail(f"{where}: patch", f"is {layer.patch}", f"a divisor of the image's {height} by {width} pixels")
        tokens = (height // layer.patch) * (width // layer.patch) + layer.class_token
        self._shape(where, layer.output, (tokens, channels * layer.patch * layer.patch))
        if self.network.tensor(layer.output).format != self.network.tensor(self.manifest.input).format:
            self._format(where, layer.output, "the format of the input")

    def _rearrange(self, layer: Rearrange) -> None:
        where = f"layer {layer.name}"
        tokens, channels = self._matrix(where, layer.input)
        side = f"a side that divides a grid of {layer.height} x {layer.width}"
        if layer.height % layer.size or layer.width % layer.size or (layer.kind == "merge" and layer.size != 2):
            self._fail(f"{where}: size", f"is {layer.size}", "2 to merge" if layer.kind == "merge" else side)
        if layer.shift >= layer.size or (layer.kind == "merge" and layer.shift):
            self._fail(f"{where}: shift", f"is {layer.shift}", "less than size, and 0 to merge")
        if tokens != layer.height * layer.width:
            expected = f"a row for each token of a grid of {layer.height} x {layer.width}"
            self._fail(f"{where}: input {layer.input}", f"has {tokens} rows", expected)
        beside = 4 if layer.kind == "merge" else 1
        self._shape(where, layer.output, (tokens // beside, channels * beside))
        old, new = (self.network.tensor(name) for name in (layer.input, layer.output))
        if isinstance(old.format, RowUniform):
            self._format(where, layer.input, "any but row_uniform, whose rows keep their places")
        if (new.format, new.scale) != (old.format, old.scale):
            self._fail(f"{where}: tensor {layer.output}", "has another format or scale", f"those of {layer.input}")
        if isinstance(new.format, ChannelScaled):
            self._stream(where, layer.output)
            if (self.network.shifts(layer.output) != np.tile(self.network.shifts(layer.input), beside)).any():
                expected = f"those of {layer.input}, as its channels move"
                self._fail(f"{where}: array {layer.output}.shifts", "has other shifts", expected)

    def _linear(self, layer: Linear) -> None:
        where = f"layer {layer.name}"
        rows, depth = self._matrix(where, layer.input)
        _, columns = self._matrix(where, layer.output)
        self._row_operand(where, layer.input)
        self._shape(where, layer.output, (rows, columns))
        self._array(where, f"{layer.name}.weight", np.int8, (columns, depth))
        self._array(where, f"{layer.name}.bias", np.int32, (columns,))
        rows_scaled = isinstance(self.network.tensor(layer.input).format, RowUniform)
        self._multipliers(layer, columns, ROW_SHIFT_MAX if rows_scaled else SHIFT_MAX)
        if isinstance(self.network.tensor(layer.output).format, ChannelScaled):
            self._stream(where, layer.output)
        else:
            self._uniform(where, layer.output)

    def _attention_scores(self, layer: AttentionScores) -> None:
        where = f"layer {layer.name}"
        tokens, _ = self._qkv(where, layer.input, layer.heads)
        tokens = self._window(where, tokens, layer.windows)
        self._shape(where, layer.output, (layer.windows * layer.heads, tokens, tokens))
        self._multipliers(layer, layer.heads)
        if layer.biased:
            self._bias(where, layer, tokens)
        if not is_signed(self.network.tensor(layer.output).format, 16):
            self._format(where, layer.output, "uniform, 16 bits, signed, zero point 0")

    def _bias(self, where: str, layer: AttentionScores, tokens: int) -> None:
        found = self.network.arrays.get(f"{layer.name}.bias")
        kinds = 1 if found is None or found.ndim == 0 else len(found)
        self._array(where, f"{layer.name}.bias", np.int16, (kinds, layer.heads, tokens, tokens))
        self._array(where, f"{layer.name}.kind", np.uint8, (layer.windows,))
        self._values(where, f"{layer.name}.kind", 0, kinds - 1)

    def _softmax(self, layer: Softmax) -> None:
        where = f"layer {layer.name}"
        scores = self.network.tensor(layer.input)
        if len(scores.shape) != 3:
            self._fail(
                f"{where}: input {layer.input}", f"has shape {list(scores.shape)}", "a shape [heads, rows, scores]"
            )
        if not is_signed(scores.format, 16):
            self._format(where, layer.input, "uniform, 16 bits, signed, zero point 0")
        self._shape(where, layer.output, scores.shape)
        self._probabilities(where, layer.output)
        self._array(where, EXP2_TABLE, np.uint32, (256,))
        self._values(where, EXP2_TABLE, 1 << 15, 1 << 16)

    def _attention_values(self, layer: AttentionValues) -> None:
        where = f"layer {layer.name}"
        rows, channels = self._qkv(where, layer.values, layer.heads)
        tokens = self._window(where, rows, layer.windows)
        self._shape(where, layer.probabilities, (layer.windows * layer.heads, tokens, tokens))
        self._probabilities(where, layer.probabilities)
        self._shape(where, layer.output, (rows, channels))
        self._multipliers(layer, channels)
        self._uniform(where, layer.output)

    def _window(self, where: str, tokens: int, windows: int) -> int:
        """Tokens of one window."""
        if tokens % windows:
            self._fail(f"{where}: windows", f"is {windows}", f"a number that divides {tokens} tokens")
        return tokens // windows

    def _token_mean(self, layer: TokenMean) -> None:
        where = f"layer {layer.name}"
        _, channels = self._matrix(where, layer.input)
        fmt = self.network.tensor(layer.input).format
        if not is_signed(fmt, None) or fmt.bits > 8:
            self._format(where, layer.input, "uniform, at most 8 bits, signed, zero point 0")
        self._shape(where, layer.output, (1, channels))
        self._multipliers(layer, channels)
        self._uniform(where, layer.output)

    def _table(self, layer: Table) -> None:
        where = f"layer {layer.name}"
        self._shape(where, layer.output, self.network.tensor(layer.input).shape)
        fmt = self._uniform(where, layer.input)
        out = self.network.tensor(layer.output).format
        is_wide = isinstance(out, Uniform) and (out.signed or out.bits > 8)
        if is_wide or isinstance(out, ChannelScaled | RowUniform) or (isinstance(out, Codebook) and out.thresholds):
            expected = "two_scale, logarithmic, codebook without thresholds, or uniform, unsigned, of at most 8 bits"
            self._format(where, layer.output, expected)
        table = self._array(where, f"{layer.name}.table", np.uint8, (1 << fmt.bits,))
        self._values(where, f"{layer.name}.table", 0, (1 << out.bits) - 1)
        if isinstance(out, Logarithmic) and ((table > out.largest_code) & (table != out.zero_code)).any():
            self._fail(
                f"{where}: array {layer.name}.table", "holds a code without a value",
                f"codes up to {out.largest_code}, or {out.zero_code} for zero",
            )  # fmt: skip

    def _residual(self, layer: Residual) -> None:
        where = f"layer {layer.name}"
        shape = self._matrix(where, layer.branch)
        if not is_signed(self.network.tensor(layer.branch).format, 16):
            self._format(where, layer.branch, "uniform, 16 bits, signed, zero point 0")
        self._shape(where, layer.output, shape)
        if layer.skip is None:
            self._array(where, f"{layer.name}.constant", np.int16, shape)
        else:
            self._shape(where, layer.skip, shape)
            self._stream(where, layer.skip)
            kind = stream_kind(self.network.tensor(layer.skip).format)
            if stream_kind(self.network.tensor(layer.output).format) != kind:
                self._format(where, layer.output, f"{kind}, like {layer.skip}, in the whole residual stream")
        self._stream(where, layer.output)
        if isinstance(self.network.tensor(layer.output).format, Uniform):
            self._added_only(where, layer)

    def _added_only(self, where: str, layer: Residual) -> None:
        """A stream with one scale keeps it, so nothing is rescaled or encoded."""
        wanted = {"guard_bits": 0} if layer.skip is None else {"mult": 1, "shift": 0, "guard_bits": 0}
        for key, value in wanted.items():
            if (found := getattr(layer, key)) != value:
                self._fail(f"{where}: {key}", f"is {found}", f"{value} with a uniform residual stream")
        scale = self.network.tensor(layer.output).scale
        others = [layer.branch] if layer.skip is None else [layer.branch, layer.skip]
        for name in others:
            if (found := self.network.tensor(name).scale) != scale:
                expected = f"that of {layer.output}, {scale}: one scale for a uniform residual stream"
                self._fail(f"{where}: tensor {name}", f"has scale {found}", expected)

    def _layernorm(self, layer: LayerNorm) -> None:
        where = f"layer {layer.name}"
        tokens, channels = self._matrix(where, layer.input)
        self._stream(where, layer.input)
        if layer.tokens > tokens:
            self._fail(f"{where}: tokens", f"is {layer.tokens}", f"at most the {tokens} rows of {layer.input}")
        self._shape(where, layer.output, (layer.tokens, channels))
        if isinstance(fmt := self.network.tensor(layer.output).format, RowUniform):
            self._rows_with_scales(where, layer, fmt)
        else:
            self._uniform(where, layer.output)
            for key in ("encode_shift", "threshold"):
                if (found := getattr(layer, key)) is not None:
                    self._fail(f"{where}: {key}", f"is {found}", f"none, as {layer.output} is not row_uniform")
        self._array(where, f"{layer.name}.gamma", np.int16, (channels,))
        self._array(where, f"{layer.name}.beta", np.int32, (channels,))

    def _rows_with_scales(self, where: str, layer: LayerNorm, fmt: RowUniform) -> None:
        name, shift = layer.output, layer.encode_shift
        if shift is None:
            self._fail(f"{where}: encode_shift", "is missing", f"a shift 0..31, as {name} is row_uniform")
        if fmt.outliers and shift < fmt.exponent:
            self._fail(f"{where}: encode_shift", f"is {shift}", f"at least {name}'s exponent {fmt.exponent}")
        if fmt.outliers != (layer.threshold is not None):
            expected = f"a threshold, as {name} has outliers" if fmt.outliers else f"none, as {name} has no outliers"
            self._fail(f"{where}: threshold", f"is {layer.threshold}", expected)
        zero_points = self.network.arrays.get(f"{name}.zero_points")
        period = 0 if zero_points is None else zero_points.size
        rows = (period if period and layer.tokens % period == 0 else layer.tokens,)
        self._array(where, f"{name}.zero_points", np.int16, rows)
        self._values(where, f"{name}.zero_points", fmt.minimum, fmt.maximum)
        self._array(where, f"{name}.multipliers", np.uint16, rows)
        self._values(where, f"{name}.multipliers", 0, ROW_MULTIPLIER_ONE)
        self._array(where, f"{name}.encode_multipliers", np.uint16, rows)
        self._values(where, f"{name}.encode_multipliers", 0, MULT_MAX)
