"""A whole network in the oracle: every tensor of one image, layer by layer, in Python ints."""

from __future__ import annotations

from typing import Any

from hwsim.formats import ChannelScaled, Format, RowUniform, Uniform
from hwsim.network import (
    AttentionScores,
    AttentionValues,
    Im2col,
    LayerNorm,
    Linear,
    Network,
    Residual,
    Softmax,
    Table,
)
from tests import oracle

Nested = list[Any]
"""Tensor as nested lists of ints."""
OUTLIERS = " outliers"
"""After the name of a tensor, that of the limbs beside its codes."""


def forward(network: Network, image: Nested) -> dict[str, Nested]:
    """Every layer's output for one image, uint8 [H][W][C]."""
    tensors = _run(network, image)
    return {layer.output: tensors[layer.output] for layer in network.layers}


def outliers(network: Network, image: Nested) -> dict[str, Nested]:
    """Limbs of each tensor with scales of rows, and whether there is an outlier: [T][D] of (high, low, bool)."""
    tensors = _run(network, image)
    return {name.removesuffix(OUTLIERS): tensor for name, tensor in tensors.items() if name.endswith(OUTLIERS)}


def _run(network: Network, image: Nested) -> dict[str, Nested]:
    tensors: dict[str, Nested] = {network.manifest.input: image}
    for layer in network.layers:
        tensors[layer.output] = OPERATORS[type(layer)](network, layer, tensors)
    return tensors


def _im2col(network: Network, layer: Im2col, tensors: dict[str, Nested]) -> Nested:
    fmt = network.tensor(network.manifest.input).format
    assert isinstance(fmt, Uniform)
    return oracle.im2col(tensors[network.manifest.input], layer.patch, fmt.zero_point if layer.class_token else None)


def _linear(network: Network, layer: Linear, tensors: dict[str, Nested]) -> Nested:
    if isinstance(network.tensor(layer.input).format, RowUniform):
        return _linear_of_rows(network, layer, tensors)
    rows = _decode(tensors[layer.input], network.tensor(layer.input).format)
    acc = oracle.gemm(rows, _list(network, layer.name, "weight"))
    return _requantise(network, layer, acc, _list(network, layer.name, "bias"), slice(None))


def _linear_of_rows(network: Network, layer: Linear, tensors: dict[str, Nested]) -> Nested:
    """Linear layer whose rows have scales of their own, and outliers."""
    name, arrays = layer.input, network.arrays
    fmt, out = network.tensor(name).format, network.tensor(layer.output).format
    assert isinstance(fmt, RowUniform)
    assert isinstance(out, Uniform)
    bias, mult, shift, weight = (_list(network, layer.name, key) for key in ("bias", "mult", "shift", "weight"))
    result = []
    for t, codes in enumerate(tensors[name]):
        zero, scale = arrays[f"{name}.zero_points"].tolist()[t], arrays[f"{name}.multipliers"].tolist()[t]
        terms = [
            oracle.row_terms(q, high, low, zero, fmt.exponent)
            for q, (high, low, _) in zip(codes, tensors[name + OUTLIERS][t], strict=True)
        ]
        sums = [oracle.gemm([list(part)], weight)[0] for part in zip(*terms, strict=True)]
        acc = [sum(parts) for parts in zip(*sums, strict=True)]
        columns = zip(acc, bias, mult, shift, strict=True)
        lo, hi = oracle.code_range(out)
        result.append([oracle.requantize_row(a, b, m, s, scale, out.zero_point, lo, hi) for a, b, m, s in columns])
    return result


def _attention_scores(network: Network, layer: AttentionScores, tensors: dict[str, Nested]) -> Nested:
    q, k, _ = _split(tensors[layer.input])
    fmt = network.tensor(layer.input).format
    out = []
    for head in range(layer.heads):
        mine = _head(q, head, layer.heads), _head(k, head, layer.heads)
        acc = oracle.gemm(_decode(mine[0], fmt), mine[1])
        tokens = len(acc)
        mult, shift = (_list(network, layer.name, name)[head] for name in ("mult", "shift"))
        out.append(_each(network, layer, acc, [0] * tokens, [mult] * tokens, [shift] * tokens))
    return out


def _softmax(network: Network, layer: Softmax, tensors: dict[str, Nested]) -> Nested:
    fmt, table = network.tensor(layer.output).format, network.arrays["exp2_table"].tolist()
    return [
        [[oracle.encode_probability(p, fmt) for p in oracle.softmax_row(row, table)] for row in head]
        for head in tensors[layer.input]
    ]


def _attention_values(network: Network, layer: AttentionValues, tensors: dict[str, Nested]) -> Nested:
    _, _, v = _split(tensors[layer.values])
    fmt = network.tensor(layer.probabilities).format
    heads = []
    for head, probabilities in enumerate(tensors[layer.probabilities]):
        columns = [list(column) for column in zip(*_head(v, head, layer.heads), strict=True)]
        width = len(columns)
        acc = oracle.gemm(_decode(probabilities, fmt), columns)
        mine = slice(head * width, (head + 1) * width)
        heads.append(_requantise(network, layer, acc, [0] * width, mine))
    return [[code for part in token for code in part] for token in zip(*heads, strict=True)]


def _table(network: Network, layer: Table, tensors: dict[str, Nested]) -> Nested:
    fmt = network.tensor(layer.input).format
    assert isinstance(fmt, Uniform)
    lo, _ = oracle.code_range(fmt)
    table = _list(network, layer.name, "table")
    return [[oracle.lookup(y, lo, table) for y in row] for row in tensors[layer.input]]


def _residual(network: Network, layer: Residual, tensors: dict[str, Nested]) -> Nested:
    fmt = network.tensor(layer.output).format
    assert isinstance(fmt, ChannelScaled | Uniform)
    if layer.skip is None:
        stream = _list(network, layer.name, "constant")
    else:
        old_shifts = _channel_shifts(network, layer.skip)
        stream = [
            [oracle.rescale_skip(q, old, layer.mult, layer.shift) for q, old in zip(row, old_shifts, strict=True)]
            for row in tensors[layer.skip]
        ]
    new_shifts, bounds = _channel_shifts(network, layer.output), oracle.code_range(fmt)
    return [
        [oracle.residual_add(s, b, layer.guard_bits, new, *bounds) for s, b, new in zip(*rows, new_shifts, strict=True)]
        for rows in zip(stream, tensors[layer.branch], strict=True)
    ]


def _channel_shifts(network: Network, tensor: str) -> list[int]:
    """Shift of each channel of the residual stream; none has one where the stream has one scale."""
    spec = network.tensor(tensor)
    if isinstance(spec.format, ChannelScaled):
        return [int(shift) for shift in network.arrays[f"{tensor}.shifts"]]
    return [0] * spec.shape[-1]


def _layernorm(network: Network, layer: LayerNorm, tensors: dict[str, Nested]) -> Nested:
    out = network.tensor(layer.output).format
    shifts = _channel_shifts(network, layer.input)
    rows = [
        [oracle.term_value((code, shift)) for code, shift in zip(row, shifts, strict=True)]
        for row in tensors[layer.input][: layer.tokens]
    ]
    gamma, beta = (_list(network, layer.name, name) for name in ("gamma", "beta"))
    affine = gamma, beta, layer.shift, layer.epsilon
    if isinstance(out, Uniform):
        return [oracle.layernorm_values(row, *affine, *oracle.code_range(out)) for row in rows]
    assert isinstance(out, RowUniform)
    assert layer.encode_shift is not None
    codes, tensors[layer.output + OUTLIERS] = [], []
    for t, row in enumerate(rows):
        zero, scale = (
            int(network.arrays[f"{layer.output}.{name}"][t]) for name in ("zero_points", "encode_multipliers")
        )
        how = layer.encode_shift, out.exponent, layer.threshold, *oracle.code_range(out)
        values = oracle.layernorm_values(row, *affine, -(2**15), 2**15 - 1)
        encoded = [oracle.encode_row(v, scale, zero, *how) for v in values]
        codes.append([one[0] for one in encoded])
        tensors[layer.output + OUTLIERS].append([one[1:] for one in encoded])
    return codes


OPERATORS: dict[type, Any] = {
    Im2col: _im2col,
    Linear: _linear,
    AttentionScores: _attention_scores,
    Softmax: _softmax,
    AttentionValues: _attention_values,
    Table: _table,
    Residual: _residual,
    LayerNorm: _layernorm,
}


def _requantise(network: Network, layer: Any, acc: Nested, bias: list[int], columns: slice) -> Nested:
    mult, shift = (_list(network, layer.name, name)[columns] for name in ("mult", "shift"))
    return _each(network, layer, acc, bias, mult, shift)


def _each(network: Network, layer: Any, acc: Nested, bias: list[int], mult: list[int], shift: list[int]) -> Nested:
    fmt = network.tensor(layer.output).format
    assert isinstance(fmt, Uniform)
    lo, hi = oracle.code_range(fmt)
    columns = list(zip(bias, mult, shift, strict=True))
    return [
        [oracle.requantize(a, b, m, s, fmt.zero_point, lo, hi) for a, (b, m, s) in zip(row, columns, strict=True)]
        for row in acc
    ]


def _decode(codes: Nested, fmt: Format) -> list[list[oracle.Term]]:
    return [[oracle.decode(code, fmt) for code in row] for row in codes]


def _split(qkv: Nested) -> tuple[Nested, Nested, Nested]:
    third = len(qkv[0]) // 3
    q, k, v = ([row[part * third : (part + 1) * third] for row in qkv] for part in range(3))
    return q, k, v


def _head(codes: Nested, head: int, heads: int) -> Nested:
    width = len(codes[0]) // heads
    return [row[head * width : (head + 1) * width] for row in codes]


def _list(network: Network, layer: str, name: str) -> list[Any]:
    values = network.arrays[f"{layer}.{name}"].tolist()
    assert isinstance(values, list)
    return values
