"""Golden vectors for the RTL benches: real tensors of the shipped network, computed by golden's integer mode.

``python -m golden.vectors`` writes one ``tests/rtl/vectors/<unit>.npz`` a unit; a test makes them again and compares.
All values are integers. Keys, with ``T`` rows and ``D`` or ``K`` columns; each prefix names where the values come from:

=================  ================================================================================================
decoder_uniform    ``<case>.codes`` [n], ``.signed``, ``.zero_point``, ``.mantissa`` [n]
decoder_two_scale  ``<case>.codes`` [n], ``.exponent``, ``.small_signed``, ``.mantissa`` [n], ``.shift`` [n]
pe_array           ``<case>.mantissa`` [16, K], ``.shift`` [16, K], ``.columns`` [16, K], ``.acc`` [16, 16]
requantizer        ``<case>.acc``, ``.bias``, ``.mult``, ``.shift``, ``.out`` [n], ``.zero_point``, ``.lo``, ``.hi``
isqrt              ``radicand`` [n], ``root`` [n]
reciprocal         ``divisor`` [n], ``quotient`` [n]
layernorm          ``codes`` [T, D], ``shifts``, ``gamma``, ``beta`` [D], ``shift``, ``epsilon``, ``lo``, ``hi``,
                   ``out`` [T, D]
softmax            ``scores`` [T, T], ``exponent``, ``out`` [T, T]
encoder_two_scale  ``probability`` [n], ``exponent``, ``code`` [n]
table              ``input`` [n], ``lo``, ``table`` [1024], ``out`` [n]
residual           ``<case>.stream`` [T, D] (old codes, or the constant), ``.branch`` [T, D], ``.shifts``,
                   ``.new_shifts`` [D], ``.mult``, ``.shift``, ``.guard_bits``, ``.out`` [T, D]
=================  ================================================================================================
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from golden import integer_ops as ops
from golden.integer import IntegerModel, split_heads
from hwsim.formats import TwoScale, Uniform
from hwsim.network import Network, load_network

Vectors = dict[str, NDArray[np.int64]]
ROOT = Path(__file__).parent.parent
BLOCK = "blocks.1"
TILE = 16
ROWS = 4
SAMPLES = 256


def make_vectors(network: Network, image: NDArray[np.uint8]) -> dict[str, Vectors]:
    """Vectors of every unit from one image.

    Parameters
    ----------
    image : uint8[H, W, C]
    """
    model = IntegerModel(network)
    tensors = {name: codes[0] for name, codes in model.trace(torch.from_numpy(image)[None]).items()}
    source = _Source(model, tensors)
    makers = {
        "decoder_uniform": _decoder_uniform,
        "decoder_two_scale": _decoder_two_scale,
        "pe_array": _pe_array,
        "requantizer": _requantizer,
        "isqrt": _isqrt,
        "reciprocal": _reciprocal,
        "layernorm": _layernorm,
        "softmax": _softmax,
        "encoder_two_scale": _encoder_two_scale,
        "table": _table,
        "residual": _residual,
    }
    return {
        unit: {key: np.asarray(value, np.int64) for key, value in make(source).items()} for unit, make in makers.items()
    }


class _Source:
    """Tensors of one image, with their formats and the network's arrays."""

    def __init__(self, model: IntegerModel, tensors: dict[str, Tensor]) -> None:
        self.tensors = tensors
        self.formats = model.formats
        self.arrays = model.arrays
        self.layers: dict[str, Any] = {layer.name: layer for layer in model.network.layers}

    def sample(self, tensor: str) -> Tensor:
        """Codes spread evenly over a tensor."""
        flat = self.tensors[tensor].flatten()
        return flat[torch.linspace(0, len(flat) - 1, SAMPLES).long()]


def _decoder_uniform(source: _Source) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for case in (f"{BLOCK}.norm1", f"{BLOCK}.attn.qkv", f"{BLOCK}.attn.values"):
        fmt, codes = source.formats[case], source.sample(case)
        found |= {
            f"{case}.codes": codes,
            f"{case}.signed": int(fmt.signed),
            f"{case}.zero_point": fmt.zero_point,
            f"{case}.mantissa": ops.terms(codes, fmt).long(),
        }
    return found


def _decoder_two_scale(source: _Source) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for case in (f"{BLOCK}.attn.softmax", f"{BLOCK}.mlp.gelu"):
        fmt, codes = source.formats[case], source.sample(case)
        mantissa, shift = _mantissa_and_shift(codes, fmt)
        found |= {
            f"{case}.codes": codes,
            f"{case}.exponent": fmt.exponent,
            f"{case}.small_signed": int(fmt.small_signed),
            f"{case}.mantissa": mantissa,
            f"{case}.shift": shift,
        }
    return found


def _mantissa_and_shift(codes: Tensor, fmt: Uniform | TwoScale) -> tuple[Tensor, Tensor]:
    value = ops.terms(codes, fmt).long()
    large = (codes >> fmt.payload_bits) * fmt.exponent if isinstance(fmt, TwoScale) else torch.zeros_like(codes)
    return value >> large, large


def _pe_array(source: _Source) -> dict[str, Any]:
    heads = source.layers[f"{BLOCK}.attn.scores"].heads
    q, k, v = (part[0] for part in split_heads(source.tensors[f"{BLOCK}.attn.qkv"][None], heads))
    products = {
        "qkv": (f"{BLOCK}.norm1", source.tensors[f"{BLOCK}.norm1"], source.arrays[f"{BLOCK}.attn.qkv.weight"]),
        "scores": (f"{BLOCK}.attn.qkv", q[0], k[0]),
        "values": (f"{BLOCK}.attn.softmax", source.tensors[f"{BLOCK}.attn.softmax"][0], v[0].T),
        "fc2": (f"{BLOCK}.mlp.gelu", source.tensors[f"{BLOCK}.mlp.gelu"], source.arrays[f"{BLOCK}.mlp.fc2.weight"]),
    }
    found: dict[str, Any] = {}
    for case, (tensor, codes, columns) in products.items():
        fmt = source.formats[tensor]
        mantissa, shift = _mantissa_and_shift(codes[:TILE], fmt)
        found |= {
            f"{case}.mantissa": mantissa,
            f"{case}.shift": shift,
            f"{case}.columns": columns[:TILE],
            f"{case}.acc": ops.product(ops.terms(codes[:TILE], fmt), columns[:TILE].double()),
        }
    return found


def _requantizer(source: _Source) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for case in (f"{BLOCK}.attn.qkv", f"{BLOCK}.mlp.fc1", f"{BLOCK}.mlp.fc2"):
        layer = source.layers[case]
        codes = source.tensors[layer.input][:ROWS]
        acc = ops.product(ops.terms(codes, source.formats[layer.input]), source.arrays[f"{case}.weight"].double())
        bias, mult, shift = (source.arrays[f"{case}.{key}"] for key in ("bias", "mult", "shift"))
        fmt = source.formats[case]
        found |= {
            f"{case}.acc": acc.flatten(),
            f"{case}.bias": bias.repeat(ROWS),
            f"{case}.mult": mult.repeat(ROWS),
            f"{case}.shift": shift.repeat(ROWS),
            f"{case}.zero_point": fmt.zero_point,
            f"{case}.lo": fmt.minimum,
            f"{case}.hi": fmt.maximum,
            f"{case}.out": source.tensors[case][:ROWS].flatten(),
        }
    return found


def _residual_values(source: _Source, tensor: str) -> Tensor:
    return source.tensors[tensor] << source.arrays[f"{tensor}.shifts"]


def _isqrt(source: _Source) -> dict[str, Any]:
    layer = source.layers[f"{BLOCK}.norm1"]
    radicand = ops.radicand(_residual_values(source, layer.input), layer.epsilon).flatten()
    return {"radicand": radicand, "root": ops.isqrt(radicand)}


def _reciprocal(source: _Source) -> dict[str, Any]:
    divisor = _isqrt(source)["root"]
    return {"divisor": divisor, "quotient": ops.reciprocal(divisor)}


def _layernorm(source: _Source) -> dict[str, Any]:
    name = f"{BLOCK}.norm1"
    layer, fmt = source.layers[name], source.formats[name]
    return {
        "codes": source.tensors[layer.input][:ROWS],
        "shifts": source.arrays[f"{layer.input}.shifts"],
        "gamma": source.arrays[f"{name}.gamma"],
        "beta": source.arrays[f"{name}.beta"],
        "shift": layer.shift,
        "epsilon": layer.epsilon,
        "lo": fmt.minimum,
        "hi": fmt.maximum,
        "out": source.tensors[name][:ROWS],
    }


def _softmax(source: _Source) -> dict[str, Any]:
    name = f"{BLOCK}.attn.softmax"
    return {
        "scores": source.tensors[f"{BLOCK}.attn.scores"][0],
        "exponent": source.formats[name].exponent,
        "out": source.tensors[name][0],
    }


def _encoder_two_scale(source: _Source) -> dict[str, Any]:
    fmt = source.formats[f"{BLOCK}.attn.softmax"]
    probability = ops.softmax_q16(source.tensors[f"{BLOCK}.attn.scores"][0, :ROWS], source.arrays["exp2_table"])
    return {
        "probability": probability.flatten(),
        "exponent": fmt.exponent,
        "code": ops.encode_probability(probability, fmt).flatten(),
    }


def _table(source: _Source) -> dict[str, Any]:
    name = f"{BLOCK}.mlp.gelu"
    layer = source.layers[name]
    return {
        "input": source.tensors[layer.input][:ROWS].flatten(),
        "lo": source.formats[layer.input].minimum,
        "table": source.arrays[f"{name}.table"],
        "out": source.tensors[name][:ROWS].flatten(),
    }


def _residual(source: _Source) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for case in ("embed", f"{BLOCK}.attn.add", f"{BLOCK}.mlp.add"):
        layer = source.layers[case]
        skip = layer.skip
        stream = source.arrays[f"{case}.constant"] if skip is None else source.tensors[skip]
        found |= {
            f"{case}.stream": stream[:ROWS],
            f"{case}.branch": source.tensors[layer.branch][:ROWS],
            f"{case}.shifts": torch.zeros_like(stream[0]) if skip is None else source.arrays[f"{skip}.shifts"],
            f"{case}.new_shifts": source.arrays[f"{case}.shifts"],
            f"{case}.mult": layer.mult,
            f"{case}.shift": layer.shift,
            f"{case}.guard_bits": layer.guard_bits,
            f"{case}.out": source.tensors[case][:ROWS],
        }
    return found


def main() -> None:
    """Write the vectors of the shipped network and its first test image."""
    parser = argparse.ArgumentParser(description="Write golden vectors for the RTL benches.")
    parser.add_argument("--out", type=Path, default=ROOT / "tests" / "rtl" / "vectors", help="folder to write")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for unit, vectors in shipped_vectors().items():
        arrays: dict[str, Any] = {key: smallest(value) for key, value in vectors.items()}
        np.savez_compressed(folder / f"{unit}.npz", **arrays)
        print(f"{unit}: {len(vectors)} arrays")


def shipped_vectors() -> dict[str, Vectors]:
    """Vectors of the shipped network on the first shipped test image."""
    zoo = ROOT / "hwsim" / "zoo"
    with np.load(zoo / "fashion_mnist" / "test.npz") as data:
        image = data["images"][0][..., None]
    return make_vectors(load_network(zoo / "fashion_mnist_vit"), image)


def smallest(values: NDArray[np.int64]) -> NDArray[Any]:
    """The same integers in the smallest dtype that holds them."""
    for dtype in (np.int8, np.uint8, np.int16, np.int32):
        if values.min() >= np.iinfo(dtype).min and values.max() <= np.iinfo(dtype).max:
            return values.astype(dtype)
    return values


if __name__ == "__main__":
    main()
