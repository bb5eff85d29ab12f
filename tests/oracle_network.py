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
    Rearrange,
    Residual,
    Softmax,
    Table,
    TokenMean,
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


def _rearrange(network: Network, layer: Rearrange, tensors: dict[str, Nested]) -> Nested:
    """A grid of rows, walked through in the order of the output."""
    rows = tensors[layer.input]
    if layer.kind == "merge":
        corners = [(y, x) for y in range(0, layer.height, 2) for x in range(0, layer.width, 2)]
        beside = [(0, 0), (1, 0), (0, 1), (1, 1)]
        return [
            [code for down, right in beside for code in rows[(y + down) * layer.width + x + right]] for y, x in corners
        ]
    order = [
        (y + layer.shift) % layer.height * layer.width + (x + layer.shift) % layer.width
        for top in range(0, layer.height, layer.size)
        for left in range(0, layer.width, layer.size)
        for y in range(top, top + layer.size)
        for x in range(left, left + layer.size)
    ]
    if layer.kind == "window":
        return [rows[row] for row in order]
    return [rows[order.index(row)] for row in range(len(rows))]


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
    assert isinstance(out, Uniform | ChannelScaled)
    bias, mult, shift, weight = (_list(network, layer.name, key) for key in ("bias", "mult", "shift", "weight"))
    result = []
    for t, codes in enumerate(tensors[name]):
        zero, scale = (int(arrays[f"{name}.{key}"][_row(network, name, t)]) for key in ("zero_points", "multipliers"))
        terms = [
            oracle.row_terms(q, high, low, zero, fmt.exponent)
            for q, (high, low, _) in zip(codes, tensors[name + OUTLIERS][t], strict=True)
        ]
        sums = [oracle.gemm([list(part)], weight)[0] for part in zip(*terms, strict=True)]
        acc = [sum(parts) for parts in zip(*sums, strict=True)]
        columns = zip(acc, bias, mult, shift, strict=True)
        lo, hi = oracle.code_range(out)
        result.append([oracle.requantize_row(a, b, m, s, scale, _zero_point(out), lo, hi) for a, b, m, s in columns])
    return result


def _row(network: Network, name: str, t: int) -> int:
    """Place of row t in the arrays of a tensor with scales of rows, which may repeat."""
    return t % len(network.arrays[f"{name}.zero_points"])


def _zero_point(fmt: Format) -> int:
    """Zero point of a linear layer's result; a residual stream has none."""
    return fmt.zero_point if isinstance(fmt, Uniform) else 0


def _attention_scores(network: Network, layer: AttentionScores, tensors: dict[str, Nested]) -> Nested:
    fmt = network.tensor(layer.input).format
    out = []
    for window, qkv in enumerate(_windows(tensors[layer.input], layer.windows)):
        q, k, _ = _split(qkv)
        for head in range(layer.heads):
            mine = _head(q, head, layer.heads), _head(k, head, layer.heads)
            acc = oracle.gemm(_decode(mine[0], fmt), mine[1])
            tokens = len(acc)
            mult, shift = (_list(network, layer.name, name)[head] for name in ("mult", "shift"))
            scores = _each(network, layer, acc, [0] * tokens, [mult] * tokens, [shift] * tokens)
            out.append(_biased(network, layer, scores, window, head))
    return out


def _windows(rows: Nested, count: int) -> list[Nested]:
    """The rows of each window."""
    tokens = len(rows) // count
    return [rows[window * tokens : (window + 1) * tokens] for window in range(count)]


def _biased(network: Network, layer: AttentionScores, scores: Nested, window: int, head: int) -> Nested:
    """Position bias and mask added as the drain adds a constant."""
    if not layer.biased:
        return scores
    kind = _list(network, layer.name, "kind")[window]
    bias = _list(network, layer.name, "bias")[kind][head]
    bounds = -(2**15), 2**15 - 1
    return [
        [oracle.residual_add(b, s, 0, 0, *bounds) for b, s in zip(*rows, strict=True)]
        for rows in zip(bias, scores, strict=True)
    ]


def _softmax(network: Network, layer: Softmax, tensors: dict[str, Nested]) -> Nested:
    fmt, table = network.tensor(layer.output).format, network.arrays["exp2_table"].tolist()
    return [
        [[oracle.encode_probability(p, fmt) for p in oracle.softmax_row(row, table)] for row in head]
        for head in tensors[layer.input]
    ]


def _attention_values(network: Network, layer: AttentionValues, tensors: dict[str, Nested]) -> Nested:
    fmt = network.tensor(layer.probabilities).format
    context = []
    for window, qkv in enumerate(_windows(tensors[layer.values], layer.windows)):
        _, _, v = _split(qkv)
        heads = []
        for head in range(layer.heads):
            columns = [list(column) for column in zip(*_head(v, head, layer.heads), strict=True)]
            width = len(columns)
            acc = oracle.gemm(_decode(tensors[layer.probabilities][window * layer.heads + head], fmt), columns)
            mine = slice(head * width, (head + 1) * width)
            heads.append(_requantise(network, layer, acc, [0] * width, mine))
        context += [[code for part in token for code in part] for token in zip(*heads, strict=True)]
    return context


def _token_mean(network: Network, layer: TokenMean, tensors: dict[str, Nested]) -> Nested:
    total = [sum(column) for column in zip(*tensors[layer.input], strict=True)]
    return _requantise(network, layer, [total], [0] * len(total), slice(None))


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
            int(network.arrays[f"{layer.output}.{name}"][_row(network, layer.output, t)])
            for name in ("zero_points", "encode_multipliers")
        )
        how = layer.encode_shift, out.exponent, layer.threshold, *oracle.code_range(out)
        values = oracle.layernorm_values(row, *affine, -(2**15), 2**15 - 1)
        encoded = [oracle.encode_row(v, scale, zero, *how) for v in values]
        codes.append([one[0] for one in encoded])
        tensors[layer.output + OUTLIERS].append([one[1:] for one in encoded])
    return codes


OPERATORS: dict[type, Any] = {
    Im2col: _im2col,
    Rearrange: _rearrange,
    Linear: _linear,
    AttentionScores: _attention_scores,
    Softmax: _softmax,
    AttentionValues: _attention_values,
    TokenMean: _token_mean,
    Table: _table,
    Residual: _residual,
    LayerNorm: _layernorm,
}


def _requantise(network: Network, layer: Any, acc: Nested, bias: list[int], columns: slice) -> Nested:
    mult, shift = (_list(network, layer.name, name)[columns] for name in ("mult", "shift"))
    return _each(network, layer, acc, bias, mult, shift)


def _each(network: Network, layer: Any, acc: Nested, bias: list[int], mult: list[int], shift: list[int]) -> Nested:
    fmt = network.tensor(layer.output).format
    assert isinstance(fmt, Uniform | ChannelScaled)
    lo, hi = oracle.code_range(fmt)
    columns = list(zip(bias, mult, shift, strict=True))
    return [
        [oracle.requantize(a, b, m, s, _zero_point(fmt), lo, hi) for a, (b, m, s) in zip(row, columns, strict=True)]
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
