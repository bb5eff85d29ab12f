"""What every quantiser of an activation tensor can do, whatever its format.

    code = quantize(x)        value = dequantize(code) = term(code) * unit + offset        term = mantissa << shift

``unit`` and ``offset`` are what export needs: the multiplier of the layer that reads the tensor takes the unit, its
bias the offset (``offset * sum_k w[n, k]``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from hwsim.formats import Format


class Quantiser(ABC):
    """A number format of ``hwsim.formats`` with the float values of its codes."""

    format: Format

    @property
    @abstractmethod
    def unit(self) -> float:
        """Value of one unit of the format's terms, the largest where rows or heads have their own."""

    @property
    def offset(self) -> float:
        """Value of the term 0."""
        return 0.0

    @abstractmethod
    def quantize(self, x: Tensor) -> Tensor:
        """Codes as whole numbers, float32 or an integer type, of the shape of ``x``."""

    @abstractmethod
    def dequantize(self, codes: Tensor) -> Tensor:
        """Values of codes, float32."""

    def fake_quantize(self, x: Tensor) -> Tensor:
        """Value of the code of each element, float32."""
        return self.dequantize(self.quantize(x))
