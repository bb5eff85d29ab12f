"""What the checks of a network are made of: shapes, formats and arrays by name, and the sentence of a failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import HwsimError
from hwsim.formats import ChannelScaled, Codebook, Format, Logarithmic, TwoScale, Uniform
from hwsim.network import Layer, Network, TensorSpec

MULT_MAX = (1 << 15) - 1
SHIFT_MAX = 47
CHANNEL_SHIFT_MAX = 7
STREAM_BITS = range(11, 17)
"""Of a residual stream with one scale."""


class Rules:
    """Rules about one tensor or array each; ``used`` collects the arrays that a layer uses."""

    def __init__(self, network: Network, source: Path) -> None:
        self.network = network
        self.manifest = network.manifest
        self.source = source
        self.used: set[str] = set()

    def _qkv(self, where: str, name: str, heads: int) -> tuple[int, int]:
        tokens, width = self._matrix(where, name)
        if width % (3 * heads):
            expected = f"a shape [tokens, 3 * channels] whose channels split into {heads} heads"
            self._fail(f"{where}: input {name}", f"has shape {[tokens, width]}", expected)
        fmt = self.network.tensor(name).format
        if not is_signed(fmt, None) or fmt.bits > 8:
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
        if not stream_kind(spec.format):
            bits = f"{STREAM_BITS[0]} to {STREAM_BITS[-1]} bits"
            self._format(where, name, f"channel_scaled, or uniform, {bits}, signed, zero point 0")
        if isinstance(spec.format, Uniform):
            return
        self._array(where, f"{name}.shifts", np.uint8, spec.shape[-1:])
        self._values(where, f"{name}.shifts", 0, CHANNEL_SHIFT_MAX)

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
        self._fail(f"{where}: tensor {name}", f"has format {describe(self.network.tensor(name).format)}", expected)

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


def is_signed(fmt: Format, bits: int | None) -> bool:
    """Whether a format is uniform, signed, with zero point 0 and, where given, of so many bits."""
    return isinstance(fmt, Uniform) and fmt.signed and fmt.zero_point == 0 and (bits is None or fmt.bits == bits)


def stream_kind(fmt: Format) -> str:
    """Which kind of residual stream a format is; empty where it is none."""
    if isinstance(fmt, ChannelScaled):
        return "channel_scaled"
    return f"uniform, {fmt.bits} bits, signed" if is_signed(fmt, None) and fmt.bits in STREAM_BITS else ""


def describe(fmt: Format) -> str:
    """A format in words, tables by their length."""
    said = {key: f"of {len(value)}" if isinstance(value, tuple) else value for key, value in fmt.model_dump().items()}
    return ", ".join(f"{key} {value}" for key, value in said.items())
