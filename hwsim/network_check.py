"""Checks of a loaded network: every tensor exists before its use, shapes and formats fit, values can be represented.

Each failure is one sentence that names the file, the layer or key, what was found and what was expected. What depends
on a configuration (buffer sizes, widths, the accumulator proof) is the compiler's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import HwsimError
from hwsim.formats import ChannelScaled, Codebook, Format, Logarithmic, RowUniform, TwoScale, Uniform
from hwsim.network import (
    AttentionScores,
    AttentionValues,
    Im2col,
    Layer,
    LayerNorm,
    Linear,
    Network,
    Residual,
    Softmax,
    Table,
    TensorSpec,
)

MULT_MAX = (1 << 15) - 1
SHIFT_MAX = 47
CHANNEL_SHIFT_MAX = 7
ROW_SHIFT_MAX = 55
"""With row scales, whose sums have eight guard bits more."""
ROW_MULTIPLIER_ONE = 1 << 15
STREAM_BITS = range(11, 17)
"""Of a residual stream with one scale."""
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


class _Check:
    def __init__(self, network: Network, source: Path) -> None:
        self.network = network
        self.manifest = network.manifest
        self.source = source
        self.used: set[str] = set()

    def run(self) -> None:
        self._tensors()
        self._input()
        self._order()
        rules: dict[type, Callable[[Any], None]] = {
            Im2col: self._im2col,
            Linear: self._linear,
            AttentionScores: self._attention_scores,
            Softmax: self._softmax,
            AttentionValues: self._attention_values,
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
        if not _is_signed(self.network.tensor(name).format, 16):
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
        self._uniform(where, layer.output)

    def _attention_scores(self, layer: AttentionScores) -> None:
        where = f"layer {layer.name}"
        tokens, _ = self._qkv(where, layer.input, layer.heads)
        self._shape(where, layer.output, (layer.heads, tokens, tokens))
        self._multipliers(layer, layer.heads)
        if not _is_signed(self.network.tensor(layer.output).format, 16):
            self._format(where, layer.output, "uniform, 16 bits, signed, zero point 0")

    def _softmax(self, layer: Softmax) -> None:
        where = f"layer {layer.name}"
        scores = self.network.tensor(layer.input)
        if len(scores.shape) != 3:
            self._fail(
                f"{where}: input {layer.input}", f"has shape {list(scores.shape)}", "a shape [heads, rows, scores]"
            )
        if not _is_signed(scores.format, 16):
            self._format(where, layer.input, "uniform, 16 bits, signed, zero point 0")
        self._shape(where, layer.output, scores.shape)
        self._probabilities(where, layer.output)
        self._array(where, EXP2_TABLE, np.uint32, (256,))
        self._values(where, EXP2_TABLE, 1 << 15, 1 << 16)

    def _attention_values(self, layer: AttentionValues) -> None:
        where = f"layer {layer.name}"
        tokens, channels = self._qkv(where, layer.values, layer.heads)
        self._shape(where, layer.probabilities, (layer.heads, tokens, tokens))
        self._probabilities(where, layer.probabilities)
        self._shape(where, layer.output, (tokens, channels))
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
        if not _is_signed(self.network.tensor(layer.branch).format, 16):
            self._format(where, layer.branch, "uniform, 16 bits, signed, zero point 0")
        self._shape(where, layer.output, shape)
        self._stream(where, layer.output)
        if layer.skip is None:
            self._array(where, f"{layer.name}.constant", np.int16, shape)
        else:
            self._shape(where, layer.skip, shape)
            self._stream(where, layer.skip)
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
        rows = (layer.tokens,)
        self._array(where, f"{name}.zero_points", np.int16, rows)
        self._values(where, f"{name}.zero_points", fmt.minimum, fmt.maximum)
        self._array(where, f"{name}.multipliers", np.uint16, rows)
        self._values(where, f"{name}.multipliers", 0, ROW_MULTIPLIER_ONE)
        self._array(where, f"{name}.encode_multipliers", np.uint16, rows)
        self._values(where, f"{name}.encode_multipliers", 0, MULT_MAX)

    # Shapes, formats and arrays

    def _qkv(self, where: str, name: str, heads: int) -> tuple[int, int]:
        tokens, width = self._matrix(where, name)
        if width % (3 * heads):
            expected = f"a shape [tokens, 3 * channels] whose channels split into {heads} heads"
            self._fail(f"{where}: input {name}", f"has shape {[tokens, width]}", expected)
        fmt = self.network.tensor(name).format
        if not _is_signed(fmt, None) or fmt.bits > 8:
            self._format(where, name, "uniform, at most 8 bits, signed, zero point 0")
        return tokens, width // 3

    def _row_operand(self, where: str, name: str) -> None:
        fmt = self.network.tensor(name).format
        if isinstance(fmt, ChannelScaled) or (isinstance(fmt, Uniform) and fmt.bits > 15):
            self._format(where, name, "two_scale, logarithmic, codebook, row_uniform, or uniform of at most 15 bits")

    def _probabilities(self, where: str, name: str) -> None:
        fmt = self.network.tensor(name).format
        fits_uniform = isinstance(fmt, Uniform) and fmt.bits <= 8 and not fmt.signed and fmt.zero_point == 0
        fits_two_scale = isinstance(fmt, TwoScale) and not fmt.small_signed and fmt.payload_bits + fmt.exponent <= 16
        fits_codebook = isinstance(fmt, Codebook) and fmt.thresholds and fmt.mantissas[0] >= 0  # sorted: all are
        if not (fits_uniform or fits_two_scale or fits_codebook or isinstance(fmt, Logarithmic)):
            expected = (
                "two_scale, not small_signed, with bits - 1 + exponent at most 16, or uniform, at most 8 bits,"
                " unsigned, zero point 0, or logarithmic, or codebook with thresholds and without negative mantissas"
            )
            self._format(where, name, expected)

    def _stream(self, where: str, name: str) -> None:
        spec = self.network.tensor(name)
        first = self._first_stream()
        if first is not None and _stream_kind(spec.format) != _stream_kind(first[1]) and _stream_kind(first[1]):
            self._format(where, name, f"{_stream_kind(first[1])}, like {first[0]}, in the whole residual stream")
        if not _stream_kind(spec.format):
            bits = f"{STREAM_BITS[0]} to {STREAM_BITS[-1]} bits"
            self._format(where, name, f"channel_scaled, or uniform, {bits}, signed, zero point 0")
        if isinstance(spec.format, Uniform):
            return
        self._array(where, f"{name}.shifts", np.uint8, spec.shape[-1:])
        self._values(where, f"{name}.shifts", 0, CHANNEL_SHIFT_MAX)

    def _first_stream(self) -> tuple[str, Format] | None:
        """First tensor of the residual stream and its format."""
        names = (layer.output for layer in self.manifest.layers if isinstance(layer, Residual))
        return next(((name, self.network.tensor(name).format) for name in names), None)

    def _uniform(self, where: str, name: str) -> Uniform:
        fmt = self.network.tensor(name).format
        if not isinstance(fmt, Uniform):
            self._format(where, name, "uniform")
        return fmt

    def _multipliers(self, layer: Layer, count: int, shift_max: int = SHIFT_MAX) -> None:
        where = f"layer {layer.name}"
        self._array(where, f"{layer.name}.mult", np.int16, (count,))
        self._values(where, f"{layer.name}.mult", 0, MULT_MAX)
        self._array(where, f"{layer.name}.shift", np.uint8, (count,))
        self._values(where, f"{layer.name}.shift", 0, shift_max)

    def _tensor(self, where: str, name: str) -> TensorSpec:
        if name not in self.manifest.tensors:
            self._fail(f"{where}: tensor {name}", "is not in tensors", "an entry with its shape, format and scale")
        return self.manifest.tensors[name]

    def _matrix(self, where: str, name: str) -> tuple[int, int]:
        shape = self.network.tensor(name).shape
        if len(shape) != 2:
            self._fail(f"{where}: tensor {name}", f"has shape {list(shape)}", "a shape of two dimensions")
        return shape[0], shape[1]

    def _shape(self, where: str, name: str, expected: tuple[int, ...]) -> None:
        shape = self.network.tensor(name).shape
        if shape != expected:
            self._fail(f"{where}: tensor {name}", f"has shape {list(shape)}", str(list(expected)))

    def _format(self, where: str, name: str, expected: str) -> NoReturn:
        self._fail(f"{where}: tensor {name}", f"has format {_describe(self.network.tensor(name).format)}", expected)

    def _array(self, where: str, name: str, dtype: type[np.integer[Any]], shape: tuple[int, ...]) -> NDArray[Any]:
        wanted = f"{np.dtype(dtype)}{list(shape)}"
        array = self.network.arrays.get(name)
        if array is None:
            self._fail(f"{where}: array {name}", "is missing from the arrays file", wanted)
        if array.dtype != dtype or array.shape != shape:
            self._fail(f"{where}: array {name}", f"is {array.dtype}{list(array.shape)}", wanted)
        self.used.add(name)
        return array

    def _values(self, where: str, name: str, lo: int, hi: int) -> None:
        array = self.network.arrays[name]
        wrong = (array < lo) | (array > hi)
        if wrong.any():
            index = np.unravel_index(int(wrong.argmax()), array.shape)
            value = f"is {array[index]} at index {[int(i) for i in index]}"
            self._fail(f"{where}: array {name}", value, f"values in {lo}..{hi}")

    def _fail(self, where: str, found: str, expected: str) -> NoReturn:
        raise HwsimError(f"{self.source}: {where} {found}, expected {expected}")


def _is_signed(fmt: Format, bits: int | None) -> bool:
    """Whether a format is uniform, signed, with zero point 0 and, where given, of so many bits."""
    return isinstance(fmt, Uniform) and fmt.signed and fmt.zero_point == 0 and (bits is None or fmt.bits == bits)


def _stream_kind(fmt: Format) -> str:
    """Which kind of residual stream a format is; empty where it is none."""
    if isinstance(fmt, ChannelScaled):
        return "channel_scaled"
    return f"uniform, {fmt.bits} bits, signed" if _is_signed(fmt, None) and fmt.bits in STREAM_BITS else ""


def _describe(fmt: Format) -> str:
    said = {key: f"of {len(value)}" if isinstance(value, tuple) else value for key, value in fmt.model_dump().items()}
    return ", ".join(f"{key} {value}" for key, value in said.items())
