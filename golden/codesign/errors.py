"""What an option costs: the Hessian-weighted error of the tensor's values, in nats of KL from the float network.

    KL = 1/2 e^T F e = 1/2 mean over y ~ p of (g_y . e)**2        g_y = d log p_y / dx,   e = Q(x) - x

F is the Fisher matrix at the float point, there the Hessian of KL(p_float || p): whole, not its diagonal, so errors
of an image that point the same way add up and others cancel. An estimate from few images and labels (our decision);
the papers' searches take the diagonal. Errors of different tensors count as independent, so their KL adds up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from golden.calibrate import Calibration
from golden.observe import BATCH, Boundaries
from golden.parameters import WeightParameters
from golden.tensor_parts import INPUTS
from golden.vit import Affine, Vit, run_block
from golden.windows import restore

OUTPUTS = {
    "merge.reduction": "merge.reduction", "attn.qkv": "attn.qkv", "attn.proj": "attn.add", "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.add",
}  # fmt: skip
"""Tensor whose gradient is that of each linear layer's result."""


class BlockErrors:
    """Errors of one block's tensors, summed over batches of images.

    Parameters
    ----------
    index : of the block
    counted : for each calibration, the tensors of the block (full names) whose error is asked for
    """

    def __init__(self, vit: Vit, index: int, counted: Sequence[tuple[Calibration, Iterable[str]]]) -> None:
        self.vit, self.index, self.prefix = vit, index, f"blocks.{index}."
        self.counted = [(run, [name.removeprefix(self.prefix) for name in names]) for run, names in counted]
        self.sums: list[dict[str, float]] = [dict.fromkeys(names, 0.0) for _, names in self.counted]
        self.samples = 0

    def run(self, boundaries: Boundaries) -> list[dict[str, float]]:
        """KL in nats of each tensor counted, by its full name, for each calibration."""
        for start in range(0, len(boundaries.stream[0]), BATCH):
            part = slice(start, start + BATCH)
            self._batch(boundaries.stream[self.index][part], boundaries.gradients[self.index + 1][:, part])
        return [{self.prefix + name: value / (2 * self.samples) for name, value in sums.items()} for sums in self.sums]

    def _batch(self, x: Tensor, output_gradients: Tensor) -> None:
        values, gradients = self._gradients(x, output_gradients)
        self.samples += output_gradients.shape[0] * len(x)
        for (run, names), sums in zip(self.counted, self.sums, strict=True):
            for name in names:
                layer = name.removesuffix(".weight")
                found, error = (
                    (name, self._activation_error(run, name, values[name]))
                    if layer == name
                    else (OUTPUTS[layer], self._output_error(run, layer, values))
                )
                felt = torch.einsum("dbn,bn->db", gradients[found].flatten(2), error.flatten(1))
                sums[name] += float(felt.double().square().sum())

    def _gradients(self, x: Tensor, output_gradients: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Every tensor of the block, and its gradients, [draws, ...] of it."""
        seen: dict[str, Tensor] = {}

        def tap(name: str, tensor: Tensor) -> Tensor:
            return seen.setdefault(name.removeprefix(self.prefix), tensor)

        with torch.enable_grad():
            output = run_block(self.vit, self.index, x.detach().requires_grad_(), tap)
        names = list(seen)
        drawn = [
            torch.autograd.grad(output, [seen[n] for n in names], gradient, retain_graph=True)
            for gradient in output_gradients
        ]
        stacked = {name: torch.stack(g) for name, g in zip(names, zip(*drawn, strict=True), strict=True)}
        return {name: tensor.detach() for name, tensor in seen.items()}, stacked

    def _activation_error(self, run: Calibration, name: str, x: Tensor) -> Tensor:
        """Q(x) - x, where scales were folded into LayerNorm in the units of the old one."""
        quantiser, fold = run.activations[self.prefix + name], run.folds.get(self.prefix + name)
        if fold is None:
            return quantiser.fake_quantize(x) - x
        moved = fold.transform(x)
        return (quantiser.fake_quantize(moved) - moved) * fold.r

    def _output_error(self, run: Calibration, layer: str, values: dict[str, Tensor]) -> Tensor:
        """X (Q(W) - W)^T, tokens in the order of the layer's result."""
        x, windows = values[INPUTS[layer]], self.vit.blocks[self.index].windows
        if layer == "attn.proj" and windows is not None:
            x = restore(x, windows)
        return x @ _weight_error(run.weights[self.prefix + layer], self._linear(layer)).T

    def _linear(self, layer: str) -> Affine:
        block = self.vit.blocks[self.index]
        if block.merge is not None and layer == "merge.reduction":
            return block.merge.reduction
        return {"attn.qkv": block.qkv, "attn.proj": block.proj, "mlp.fc1": block.fc1, "mlp.fc2": block.fc2}[layer]


def _weight_error(weight: WeightParameters, linear: Affine) -> Tensor:
    return weight.dequantize() - linear.weight
