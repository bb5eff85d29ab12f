"""One layer of the integer network at a time: its entry in the manifest, its tensor and its arrays.

mult / 2**shift = scale_in * scale_weight / scale_out        bias = b / (scale_in * scale_weight)
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from golden.export_parts import affine_arrays, exp2_table, integer_bias, multiplier, multipliers
from golden.parameters import Calibrated, WeightParameters
from golden.quantizers.base import Quantiser
from golden.quantizers.channel_scale import ChannelScaleQuantiser
from golden.quantizers.rows import RowQuantiser, normal_unit, row_arrays
from golden.quantizers.uniform import UniformQuantiser
from golden.tensor_parts import EDGE_BITS
from golden.vit import Affine, Merge
from golden.windows import Windows
from hwsim.formats import Format, RowUniform, Uniform
from hwsim.network import Layer, LayerNorm, Linear, Rearrange, Residual, TensorSpec

GUARD_BITS = 3
ROW_GUARD_BITS = 8
"""Of sums that meet the multiplier of their row."""
WIDE = Uniform(bits=16, signed=True)


class Builder:
    """Layers, tensors and arrays so far, and how each kind of layer is added to them."""

    def __init__(self, calibrated: Calibrated) -> None:
        self.vit = calibrated.vit
        self.calibrated = calibrated
        self.layers: list[Layer] = []
        self.tensors: dict[str, TensorSpec] = {}
        self.arrays: dict[str, NDArray[Any]] = {"exp2_table": exp2_table()}

    def _stream_from(self, name: str, source: str, bias: Tensor) -> None:
        """A linear layer whose output begins a residual stream; a channel's shift is in its multiplier."""
        p, rows = self._quantiser(name), self.tensors[source].shape[0]
        scale = torch.full([len(bias)], p.unit, dtype=torch.float64)
        if isinstance(p, ChannelScaleQuantiser):
            scale *= 2.0 ** p.shifts.double()
            self.arrays[f"{name}.shifts"] = p.shifts.to(torch.uint8).numpy()
        self._linear(name, source, self._scale(source), bias, scale)
        self._tensor(name, (rows, len(bias)), p.format, p.unit)

    def _rearrange(
        self, name: str, source: str, kind: Literal["window", "unwindow", "merge"], how: Windows | Merge
    ) -> None:
        rows, channels = self.tensors[source].shape
        beside = 4 if kind == "merge" else 1
        size, shift = (how.size, how.shift) if isinstance(how, Windows) else (2, 0)
        self.layers.append(
            Rearrange(
                name=name,
                output=name,
                input=source,
                kind=kind,
                height=how.height,
                width=how.width,
                size=size,
                shift=shift,
            )
        )
        spec = self.tensors[source]
        self._tensor(name, (rows // beside, channels * beside), spec.format, spec.scale)
        if f"{source}.shifts" in self.arrays:
            self.arrays[f"{name}.shifts"] = np.tile(self.arrays[f"{source}.shifts"], beside)

    def _layernorm(self, name: str, stream: str, affine: Affine, tokens: int | None = None) -> None:
        """LayerNorm of the first ``tokens`` rows, of all without it."""
        out, (rows, width) = self._quantiser(name), self.tensors[stream].shape
        tokens = rows if tokens is None else tokens
        if isinstance(out, RowQuantiser):
            unit, zero_point = normal_unit(out), 0
        else:
            unit, zero_point = out.unit, self._uniform(name).format.zero_point
        gamma, beta, shift = affine_arrays(affine, unit, zero_point)
        self.arrays[f"{name}.gamma"], self.arrays[f"{name}.beta"] = gamma, beta
        epsilon = round(self.vit.epsilon * width**2 / self.tensors[stream].scale ** 2)
        layer = LayerNorm(name=name, output=name, input=stream, tokens=tokens, shift=shift, epsilon=epsilon)
        if isinstance(out, RowQuantiser):
            encoding = row_arrays(out, unit, name)
            layer = layer.model_copy(update={"encode_shift": encoding.encode_shift, "threshold": encoding.threshold})
            self.arrays |= {f"{name}.{key}": array for key, array in encoding.arrays._asdict().items()}
        self.layers.append(layer)
        self._tensor(name, (tokens, width), out.format, out.unit)

    def _branch(self, name: str, source: str, bias: Tensor, residual: str) -> None:
        scale = self._branch_scale(residual)
        self._linear(name, source, self._scale(source), bias, scale)
        self._tensor(name, (self.tensors[source].shape[0], len(bias)), WIDE, scale)

    def _residual(self, name: str, branch: str, skip: str | None) -> None:
        p = self._quantiser(name)
        mult, shift, guard_bits = (1, 0, 0) if skip else (0, 0, 0)
        if isinstance(p, ChannelScaleQuantiser):
            guard_bits = GUARD_BITS
            if skip:
                mult, shift = multiplier(self._unit(skip) / self._branch_scale(name), name)
        self.layers.append(
            Residual(name=name, output=name, branch=branch, skip=skip, mult=mult, shift=shift, guard_bits=guard_bits)
        )
        self._tensor(name, self.tensors[branch].shape, p.format, p.unit)
        if isinstance(p, ChannelScaleQuantiser):
            self.arrays[f"{name}.shifts"] = p.shifts.to(torch.uint8).numpy()

    def _linear(self, name: str, source: str, scale_in: Tensor, bias: Tensor, scale_out: Tensor | float) -> None:
        weight = self._weight(name, len(bias))
        unit = scale_in.double() * weight.scale.double()
        self.arrays[f"{name}.weight"] = weight.codes.numpy()
        whole = bias.double() + self._offset(source) * weight.dequantize().double().sum(1)
        self.arrays[f"{name}.bias"] = integer_bias(name, self.tensors[source].format, weight.codes, whole, unit)
        ratios = unit / torch.as_tensor(scale_out, dtype=torch.float64)
        has_rows = isinstance(self.tensors[source].format, RowUniform)
        self._multipliers(name, ratios, ROW_GUARD_BITS if has_rows else 0)
        self.layers.append(Linear(name=name, output=name, input=source))

    def _weight(self, name: str, width: int) -> WeightParameters:
        """What calibration found; the identity where it had nothing to find."""
        if name == "embed":
            return WeightParameters(codes=torch.eye(width, dtype=torch.int8), scale=torch.ones(width), bits=EDGE_BITS)
        return self.calibrated.weights[name]

    def _multipliers(self, name: str, ratios: Tensor, guard_bits: int = 0) -> None:
        mult, shift = multipliers(ratios, name)
        self.arrays[f"{name}.mult"], self.arrays[f"{name}.shift"] = mult, shift + np.uint8(guard_bits)

    def _tensor(self, name: str, shape: tuple[int, ...], fmt: Format, scale: float) -> None:
        self.tensors[name] = TensorSpec(shape=shape, format=fmt, scale=scale)

    def _quantiser(self, name: str) -> Quantiser:
        return self.calibrated.activations[name]

    def _uniform(self, name: str) -> UniformQuantiser:
        found = self._quantiser(name)
        assert isinstance(found, UniformQuantiser), name
        return found

    def _scale(self, name: str) -> Tensor:
        """Value of one unit of a row operand's terms."""
        return torch.tensor(self.tensors[name].scale, dtype=torch.float64)

    def _unit(self, name: str) -> float:
        return self._quantiser(name).unit

    def _branch_scale(self, residual: str) -> float:
        p = self._quantiser(residual)
        return p.unit / 2**GUARD_BITS if isinstance(p, ChannelScaleQuantiser) else p.unit

    def _offset(self, name: str) -> float:
        """Value of a row operand's term 0."""
        found = self.calibrated.activations.get(name)
        return 0.0 if found is None else found.offset
