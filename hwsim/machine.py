"""The machine: runs a compiled program on the bit-accurate units, many images at a time, and counts row operands.

Each image runs through the whole program on one thread; the units' kernels release the GIL, so as many images are under
way as there are cores, and memory does not grow with the number of images (unless every tensor is traced).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hwsim.compiler.program import OperandCounts, Program
from hwsim.errors import HwsimError
from hwsim.formats import ChannelScaled, Codebook, Logarithmic, RowUniform, Terms, TwoScale, Uniform, storage_dtype
from hwsim.network import (
    AttentionScores,
    AttentionValues,
    Im2col,
    LayerNorm,
    Linear,
    Rearrange,
    Residual,
    Softmax,
    Table,
    TokenMean,
)
from hwsim.rearrange import row_index
from hwsim.units.decoder_codebook import decode_codebook
from hwsim.units.decoder_log import decode_log
from hwsim.units.decoder_two_scale import decode_two_scale
from hwsim.units.decoder_uniform import decode_uniform
from hwsim.units.encoder_codebook import encode_codebook
from hwsim.units.encoder_log import encode_log
from hwsim.units.encoder_row import RowCodes, encode_rows
from hwsim.units.encoder_two_scale import encode_two_scale
from hwsim.units.im2col import im2col
from hwsim.units.layernorm import layernorm
from hwsim.units.pe_array import multiply
from hwsim.units.requantizer import requantize
from hwsim.units.residual import add_encode, rescale
from hwsim.units.softmax import encode_uniform, softmax
from hwsim.units.table import lookup

Array = NDArray[np.integer[Any]]

SIGNED_16 = Uniform(bits=16, signed=True)
HIGH_SHIFT = 8
"""Of an outlier's high limb."""


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a run returns."""

    logits: NDArray[np.int16]
    """int16[images, classes]"""
    operand_counts: dict[str, OperandCounts]
    """By name of each GEMM pass, summed over the images."""
    trace: dict[str, Array]
    """By tensor, codes[images, ...]: every layer's output if traced, else empty."""


@dataclass
class _Image:
    """State of one image: its tensors so far and the operands that each pass decoded."""

    tensors: dict[str, Array]
    counts: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    rows: dict[str, RowCodes] = field(default_factory=dict)
    """By tensor with scales of its rows, what the row encoder made, outliers included."""


class Machine:
    """Executes one program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.network = program.network
        self.layers = {layer.name: layer for layer in self.network.layers}
        self._style = program.config.pe_style
        self._operators: dict[type, Callable[[Any, _Image], Array]] = {
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

    def run(
        self, images: NDArray[np.uint8], trace: bool = False, progress: Callable[[int], None] | None = None
    ) -> RunResult:
        """Run images through the program.

        Parameters
        ----------
        images : uint8[images, H, W, C], or [images, H, W] where C is 1; at least one image
        trace : keep every layer's output, which takes memory for each image
        progress : called with the number of images done, each time one is

        Raises
        ------
        HwsimError
            For images of another type or shape.
        """
        images = self._checked(images)
        logits = np.empty((len(images), len(self.network.manifest.classes)), np.int16)
        kept = self._trace_arrays(len(images)) if trace else {}
        totals = {one.name: np.zeros(3, np.int64) for one in self.program.passes if one.gemm is not None}

        def run_one(index: int) -> dict[str, NDArray[np.int64]]:
            image = self._run_image(images[index])
            logits[index] = image.tensors[self.network.manifest.logits][0]
            for name, array in kept.items():
                array[index] = image.tensors[name]
            return image.counts

        with closing(_in_threads(run_one, len(images))) as finished:
            for done, counts in enumerate(finished, start=1):
                for name, count in counts.items():
                    totals[name] += count
                if progress is not None:
                    progress(done)
        return RunResult(
            logits=logits,
            operand_counts={name: _operand_counts(total) for name, total in totals.items()},
            trace=kept,
        )

    def _checked(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width, channels = shape = self.network.tensor(self.network.manifest.input).shape
        expected = f"uint8[images, {height}, {width}, {channels}]" + (
            f" or uint8[images, {height}, {width}]" if channels == 1 else ""
        )
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
            found = f"{images.dtype}{list(images.shape)}" if isinstance(images, np.ndarray) else type(images).__name__
            raise HwsimError(f"images are {found}, expected {expected}")
        if channels == 1 and images.shape[1:] == (height, width):
            images = images[..., None]
        if images.ndim != 4 or images.shape[1:] != shape:
            raise HwsimError(f"images are {images.dtype}{list(images.shape)}, expected {expected}")
        if len(images) == 0:
            raise HwsimError("images are none at all, expected at least one")
        return images

    def _trace_arrays(self, count: int) -> dict[str, Array]:
        specs = {layer.output: self.network.tensor(layer.output) for layer in self.network.layers}
        return {name: np.empty((count, *spec.shape), storage_dtype(spec.format)) for name, spec in specs.items()}

    def _run_image(self, pixels: NDArray[np.uint8]) -> _Image:
        image = _Image({self.network.manifest.input: pixels})
        for one in self.program.passes:
            for name in one.layers:
                layer = self.layers[name]
                image.tensors[layer.output] = self._operators[type(layer)](layer, image)
        return image

    # One operator each: what its unit reads is taken from the network's arrays and the image's tensors

    def _im2col(self, layer: Im2col, image: _Image) -> Array:
        name = self.network.manifest.input
        class_row = self._uniform(name).zero_point if layer.class_token else None
        return im2col(cast("NDArray[np.uint8]", image.tensors[name]), layer.patch, class_row)

    def _rearrange(self, layer: Rearrange, image: _Image) -> Array:
        source = image.tensors[layer.input]
        return source[row_index(layer)].reshape(self.network.tensor(layer.output).shape)

    def _linear(self, layer: Linear, image: _Image) -> Array:
        if layer.input in image.rows:
            return self._linear_of_rows(layer, image)
        rows = self._decoded(layer.name, layer.input, image.tensors[layer.input], image)
        acc = multiply(rows, self._array(layer.name, "weight"), self._style)
        bias, mult, shift = (self._array(layer.name, name) for name in ("bias", "mult", "shift"))
        return requantize(acc, bias, mult, shift, self._result(layer.output))

    def _linear_of_rows(self, layer: Linear, image: _Image) -> Array:
        """Inliers in ``depth`` steps, then the two limbs of each channel with an outlier."""
        rows, arrays, fmt = image.rows[layer.input], self.network.row_arrays(layer.input), self._rows(layer.input)
        inliers = rows.codes - arrays.zero_points[:, None]
        channels = np.flatnonzero(rows.outliers.any(axis=0))
        mantissa = np.concatenate([inliers, rows.high[:, channels], rows.low[:, channels]], axis=1, dtype=np.int16)
        shift = np.zeros(mantissa.shape, np.uint8)
        shift[:, : inliers.shape[1]] = fmt.exponent
        shift[:, inliers.shape[1] : inliers.shape[1] + len(channels)] = HIGH_SHIFT
        weight = self._array(layer.name, "weight")
        columns = np.concatenate([weight, weight[:, channels], weight[:, channels]], axis=1)
        acc = multiply(Terms(mantissa, shift), columns, self._style)
        self._count_rows(layer.name, rows, inliers, fmt.exponent, image)
        bias, mult, column_shift = (self._array(layer.name, name) for name in ("bias", "mult", "shift"))
        return requantize(acc, bias, mult, column_shift, self._result(layer.output), arrays.multipliers)

    def _count_rows(
        self, product: str, rows: RowCodes, inliers: NDArray[np.int16], exponent: int, image: _Image
    ) -> None:
        """Count operands: a row tile takes two more steps for each channel with an outlier in one of its rows."""
        counts = image.counts.setdefault(product, np.zeros(3, np.int64))
        _count_operands(inliers.reshape(-1), np.full(inliers.size, exponent, np.uint8), counts)
        step = self.program.config.array_rows
        for first in range(0, len(inliers), step):
            tile = slice(first, first + step)
            channels = np.flatnonzero(rows.outliers[tile].any(axis=0))
            for limbs, shift in ((rows.high, HIGH_SHIFT), (rows.low, 0)):
                taken = limbs[tile][:, channels].reshape(-1)
                _count_operands(taken, np.full(taken.size, shift, np.uint8), counts)

    def _attention_scores(self, layer: AttentionScores, image: _Image) -> Array:
        q, k, _ = _heads(image.tensors[layer.input], layer.heads, layer.windows)
        mult, shift = self._array(layer.name, "mult"), self._array(layer.name, "shift")
        fmt = self._uniform(layer.output)
        out = np.empty(self.network.tensor(layer.output).shape, storage_dtype(fmt))
        columns = out.shape[2]
        no_bias = np.zeros(columns, np.int32)
        for index in range(len(out)):
            window, head = divmod(index, layer.heads)
            rows = self._decoded(layer.name, layer.input, q[index], image)
            acc = multiply(rows, k[index], self._style)
            same = np.full(columns, mult[head]), np.full(columns, shift[head])
            out[index] = requantize(acc, no_bias, *same, fmt)
            if layer.biased:
                kind = self._array(layer.name, "kind")[window]
                constant = self._array(layer.name, "bias")[kind, head]
                out[index] = add_encode(constant, out[index], 0, np.zeros(columns, np.uint8), fmt)
        return out

    def _softmax(self, layer: Softmax, image: _Image) -> Array:
        scores = image.tensors[layer.input]
        rows = scores.reshape(-1, scores.shape[-1]).astype(np.int16, copy=False)
        probabilities = softmax(rows, self.network.arrays["exp2_table"])
        return self._encoded(probabilities, layer.output).reshape(scores.shape)

    def _encoded(self, probabilities: NDArray[np.int32], tensor: str) -> NDArray[np.uint8]:
        """Codes of Q0.16 probabilities in the format of a tensor."""
        fmt = self.network.tensor(tensor).format
        if isinstance(fmt, TwoScale):
            return encode_two_scale(probabilities, fmt)
        if isinstance(fmt, Logarithmic):
            return encode_log(probabilities, fmt)
        if isinstance(fmt, Codebook):
            return encode_codebook(probabilities, fmt)
        return encode_uniform(probabilities, self._uniform(tensor))

    def _attention_values(self, layer: AttentionValues, image: _Image) -> Array:
        _, _, v = _heads(image.tensors[layer.values], layer.heads, layer.windows)
        fmt = self._uniform(layer.output)
        out = np.empty(self.network.tensor(layer.output).shape, storage_dtype(fmt))
        tokens, width = v.shape[1:]
        no_bias = np.zeros(width, np.int32)
        for index in range(len(v)):
            window, head = divmod(index, layer.heads)
            rows = self._decoded(layer.name, layer.probabilities, image.tensors[layer.probabilities][index], image)
            acc = multiply(rows, np.ascontiguousarray(v[index].T), self._style)
            mine = slice(head * width, (head + 1) * width)
            mult, shift = self._array(layer.name, "mult")[mine], self._array(layer.name, "shift")[mine]
            out[window * tokens : (window + 1) * tokens, mine] = requantize(acc, no_bias, mult, shift, fmt)
        return out

    def _token_mean(self, layer: TokenMean, image: _Image) -> Array:
        codes = image.tensors[layer.input]
        ones = Terms(np.ones((1, len(codes)), np.int16), np.zeros((1, len(codes)), np.uint8))
        acc = multiply(ones, np.ascontiguousarray(codes.T), self._style)
        image.counts[layer.name] = np.array([0, len(codes), 0])
        mult, shift = self._array(layer.name, "mult"), self._array(layer.name, "shift")
        return requantize(acc, np.zeros(codes.shape[1], np.int32), mult, shift, self._uniform(layer.output))

    def _table(self, layer: Table, image: _Image) -> Array:
        return lookup(image.tensors[layer.input], self._uniform(layer.input), self._array(layer.name, "table"))

    def _residual(self, layer: Residual, image: _Image) -> Array:
        branch = cast("NDArray[np.int16]", image.tensors[layer.branch])
        stream: Array
        if layer.skip is None:
            stream = self._array(layer.name, "constant")
        else:
            codes = cast("NDArray[np.int8]", image.tensors[layer.skip])
            stream = rescale(codes, self.network.shifts(layer.skip), layer.mult, layer.shift)
        fmt = self.network.tensor(layer.output).format
        assert isinstance(fmt, ChannelScaled | Uniform), f"{layer.output}: the network check lets no other format here"
        return add_encode(stream, branch, layer.guard_bits, self.network.shifts(layer.output), fmt)

    def _layernorm(self, layer: LayerNorm, image: _Image) -> Array:
        rows = cast("NDArray[np.int8]", image.tensors[layer.input][: layer.tokens])
        gamma, beta = self._array(layer.name, "gamma"), self._array(layer.name, "beta")
        out = self.network.tensor(layer.output).format
        result = out if isinstance(out, Uniform) else SIGNED_16
        shifts = self.network.shifts(layer.input)
        values = layernorm(rows, shifts, gamma, beta, layer.shift, layer.epsilon, result)
        if not isinstance(out, RowUniform):
            return values
        arrays = self.network.row_arrays(layer.output)
        assert layer.encode_shift is not None, "the network check asks for it"
        encoded = encode_rows(
            cast("NDArray[np.int16]", values), arrays.encode_multipliers, arrays.zero_points, layer.encode_shift,
            out.exponent, layer.threshold, out.minimum, out.maximum,
        )  # fmt: skip
        image.rows[layer.output] = encoded
        return encoded.codes.astype(storage_dtype(out))

    def _decoded(self, product: str, tensor: str, codes: Array, image: _Image) -> Terms:
        """Row operands of one product, counted."""
        fmt = self.network.tensor(tensor).format
        if isinstance(fmt, TwoScale):
            terms = decode_two_scale(cast("NDArray[np.uint8]", codes), fmt)
        elif isinstance(fmt, Logarithmic):
            terms = decode_log(cast("NDArray[np.uint8]", codes), fmt)
        elif isinstance(fmt, Codebook):
            terms = decode_codebook(cast("NDArray[np.uint8]", codes), fmt)
        else:
            terms = decode_uniform(codes, self._uniform(tensor))
        counts = image.counts.setdefault(product, np.zeros(3, np.int64))
        _count_operands(terms.mantissa.reshape(-1), terms.shift.reshape(-1), counts)
        return terms

    def _array(self, layer: str, name: str) -> NDArray[Any]:
        return self.network.arrays[f"{layer}.{name}"]

    def _uniform(self, tensor: str) -> Uniform:
        fmt = self.network.tensor(tensor).format
        assert isinstance(fmt, Uniform), f"{tensor}: the network check lets only a uniform format here"
        return fmt

    def _result(self, tensor: str) -> Uniform:
        """Range and zero point of a linear layer's output; the shifts of channels are in the multipliers."""
        fmt = self.network.tensor(tensor).format
        return Uniform(bits=fmt.bits, signed=True) if isinstance(fmt, ChannelScaled) else self._uniform(tensor)

    def _rows(self, tensor: str) -> RowUniform:
        fmt = self.network.tensor(tensor).format
        assert isinstance(fmt, RowUniform), f"{tensor}: only a row encoder makes rows with scales"
        return fmt


def _heads(qkv: Array, heads: int, windows: int) -> NDArray[np.int8]:
    """Split [T, 3 * heads * width] into contiguous q, k, v: int8[3, windows * heads, T / windows, width]."""
    tokens, width = qkv.shape[0] // windows, qkv.shape[1] // (3 * heads)
    parts = qkv.reshape(windows, tokens, 3, heads, width).transpose(2, 0, 3, 1, 4)
    return np.ascontiguousarray(parts.reshape(3, windows * heads, tokens, width), np.int8)


def _in_threads(run_one: Callable[[int], Any], count: int) -> Generator[Any, None, None]:
    """Results of ``run_one(0..count - 1)`` in order; closing it waits for the images under way and drops the rest."""
    executor = ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    try:
        yield from executor.map(run_one, range(count))
    finally:
        executor.shutdown(cancel_futures=True)


def _operand_counts(total: NDArray[np.int64]) -> OperandCounts:
    zero, small, large = total.tolist()
    return OperandCounts(zero=zero, small=small, large=large)


@njit(cache=True, nogil=True)
def _count_operands(mantissa: Any, shift: Any, counts: Any) -> None:
    zero, large = np.int64(0), np.int64(0)
    for i in range(mantissa.shape[0]):
        zero += mantissa[i] == 0
        large += (mantissa[i] != 0) & (shift[i] != 0)
    counts[0] += zero
    counts[1] += mantissa.shape[0] - zero - large
    counts[2] += large
