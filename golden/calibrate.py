"""Calibration: from a float network and a few unlabelled images to the quantiser of every tensor.

Each operator is calibrated alone, its inputs and its target being the float network's (as PTQ4ViT does), in the way
that the method's parts say (``golden.method``). Patch embedding, head and what they read have 8 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from golden.attention_search import search_attention
from golden.finite import check_finite
from golden.fold import Folded
from golden.method import MethodConfig
from golden.observe import BATCH, RESIDUAL, Boundaries, Observed, even, join, observe_block, observe_boundaries, ones
from golden.operands import (
    Normed,
    OperandConfigs,
    fit_alone,
    fit_column,
    fit_gelu,
    fit_linear,
    fit_norm,
    fit_pre_activation,
    fit_weight,
)
from golden.parameters import Calibrated, WeightParameters
from golden.quantizers.base import Quantiser
from golden.quantizers.channel_scale import ChannelScaleQuantiser
from golden.quantizers.rows import TABLE_ROWS, RowQuantiser
from golden.quantizers.two_scale import TwoScaleQuantiser
from golden.residual import WIDE_BITS, calibrate_residual, calibrate_wide, covering, stages
from golden.search import Target
from golden.tensor_parts import EDGE_BITS, check_patterns, tensor_names
from golden.vit import Affine, Block, Merge, Vit, embed, layernorm, patches

LABEL_DRAWS = 4
"""Labels drawn from each float prediction for the sensitivity."""
QKV_PARTS = 3
NORMS = ("merge.norm", "norm1", "norm2")

Report = Callable[[str], None]


def input_zero_point(vit: Vit) -> int:
    """Zero point of the pixels: the mean grey."""
    return round(255 * sum(vit.mean) / len(vit.mean))


def pixel_weight(vit: Vit) -> Tensor:
    """Patch embedding's weight for raw pixels, ``W / (255 std)``, float32[D, K]."""
    per_channel = vit.patch_embed.weight.reshape(vit.width, vit.channels, -1)
    std = torch.tensor(vit.std, device=per_channel.device)
    return (per_channel / (255 * std[:, None])).flatten(1)


@torch.no_grad()
def calibrate(vit: Vit, images: Tensor, config: MethodConfig, report: Report) -> Calibrated:
    """Find every parameter.

    Parameters
    ----------
    images : uint8[n, H, W, C]
    report : called with a few words before each stage, ``len(vit.blocks) + 2`` times

    Raises
    ------
    HwsimError
        If an activation is not a finite number.
    """
    one = Calibration(vit, images, config)
    report("float network")
    needed = config.metric == "sensitivity" or config.channel_rule == "sensitivity"
    boundaries = observe_network(vit, images, LABEL_DRAWS if needed else 0, one.generator)
    one.begin(boundaries)
    for index in range(len(vit.blocks)):
        report(f"block {index + 1} of {len(vit.blocks)}")
        one.block(index, observe_block(vit, index, boundaries, one.tokens, one.generator, one.whole(index)))
    report("classifier")
    return one.end(boundaries)


def observe_network(vit: Vit, images: Tensor, draws: int, generator: torch.Generator) -> Boundaries:
    """What is between the blocks, on all images (uint8[n, H, W, C]), with the gradients of so many labels drawn.

    Raises
    ------
    HwsimError
        If an activation is not a finite number.
    """
    found = join(list(observe_boundaries(vit, images, draws, generator)))
    for index, x in enumerate(found.stream):
        check_finite("embed" if index == 0 else f"blocks.{index - 1}.mlp.add", x)
    return found


class Calibration:
    """One set of choices, calibrated block by block on what was observed.

    Parameters
    ----------
    images : uint8[n, H, W, C]

    Raises
    ------
    HwsimError
        If something that has choices of its own is no tensor of the network.
    """

    def __init__(self, vit: Vit, images: Tensor, config: MethodConfig) -> None:
        check_patterns(config.tensors, tensor_names(vit))
        self.vit, self.images, self.config = vit, images, config
        self.generator = torch.Generator().manual_seed(config.seed)
        self.tokens = max(4, config.sampled_rows // len(images))
        self.weights: dict[str, WeightParameters] = {}
        self.activations: dict[str, Quantiser] = {}
        self.blocks: list[Block] = []
        self.folds: dict[str, Folded] = {}
        self.notes: dict[str, object] = {}
        self.stream_ranges: dict[str, float] = {}
        self.widest = {name: width for names, width in stages(vit) for name in names}

    def begin(self, boundaries: Boundaries) -> None:
        """What is before the blocks."""
        self._patch_embed(boundaries)
        self._residual("embed", boundaries.stream[0], boundaries.sensitivity(0))

    def whole(self, index: int) -> list[str]:
        """Tensors of a block of which every token is to be observed."""
        return [norm for norm in NORMS if self.config.at(f"blocks.{index}.{norm}").norm == "row"]

    def end(self, boundaries: Boundaries) -> Calibrated:
        """What is behind the blocks, and all that was found."""
        self._classifier(boundaries)
        if self.config.residual == "wide":
            self.activations |= calibrate_wide(self.stream_ranges, self.vit)
        folded = replace(self.vit, blocks=tuple(self.blocks))
        return Calibrated(
            vit=folded, weights=self.weights, activations=self.activations, folds=self.folds, notes=self._notes()
        )

    def block(self, index: int, observed: Observed) -> None:
        """One block."""
        observed = self._evened(observed)
        config, name, block = self.config, f"blocks.{index}", self.vit.blocks[index]
        merge = None if block.merge is None else self._merge(name, observed, block, block.merge)
        normed1 = self._norm(name, observed, "norm1", block.norm1, "attn.qkv", block.qkv, block)
        self._keep(f"{name}.norm1", f"{name}.attn.qkv", normed1.quantiser, normed1.weight)
        self.activations |= search_attention(name, observed, block.heads, config)
        to_proj = self._target(observed, "attn.values", block.proj, "attn.proj")
        found = fit_linear(to_proj, observed.ranges["attn.values"], self._configs(name, "attn.values", "attn.proj"))
        self._keep(f"{name}.attn.values", f"{name}.attn.proj", *found)
        normed2 = self._norm(name, observed, "norm2", block.norm2, "mlp.fc1", block.fc1, block)
        self._keep(f"{name}.norm2", f"{name}.mlp.fc1", normed2.quantiser, normed2.weight)
        self.activations[f"{name}.mlp.fc1"] = fit_pre_activation(observed)
        to_fc2 = self._target(observed, "mlp.gelu", block.fc2, "mlp.fc2")
        found = fit_gelu(to_fc2, observed.ranges["mlp.gelu"], self._configs(name, "mlp.gelu", "mlp.fc2"))
        self._keep(f"{name}.mlp.gelu", f"{name}.mlp.fc2", *found)
        for residual in (each for each in RESIDUAL if each in observed.values):
            self._residual(f"{name}.{residual}", observed.values[residual], observed.sensitivity[residual])
        self.blocks.append(
            replace(block, norm1=normed1.norm, qkv=normed1.linear, norm2=normed2.norm, fc1=normed2.linear, merge=merge)
        )
        if any(norm.startswith(f"{name}.norm") for norm in self.folds):
            ratios = [found.largest_r for norm, found in self.folds.items() if norm.startswith(f"{name}.norm")]
            self.notes[f"{name}.largest_ratio"] = round(max(ratios), 2)

    def _merge(self, name: str, observed: Observed, block: Block, merge: Merge) -> Merge:
        """Patch merging's LayerNorm and weight, as those of the other layers that read a LayerNorm."""
        found = self._norm(name, observed, "merge.norm", merge.norm, "merge.reduction", merge.reduction, block)
        self._keep(f"{name}.merge.norm", f"{name}.merge.reduction", found.quantiser, found.weight)
        return replace(merge, norm=found.norm, reduction=found.linear)

    def _evened(self, observed: Observed) -> Observed:
        """All but the residual tensors, of which some tokens count nothing."""
        evened = {name: s if name in RESIDUAL else self._even(s) for name, s in observed.sensitivity.items()}
        return replace(observed, sensitivity=evened)

    def _even(self, sensitivity: Tensor) -> Tensor:
        return even(sensitivity, self.config.even_share)

    def _configs(self, block: str, tensor: str, layer: str) -> OperandConfigs:
        """The choices for what a linear layer reads and for its weight."""
        at = self.config.at
        return OperandConfigs(input=at(f"{block}.{tensor}"), weight=at(f"{block}.{layer}.weight"))

    def _keep(self, source: str, layer: str, quantiser: Quantiser, weight: WeightParameters) -> None:
        self.activations[source], self.weights[layer] = quantiser, weight

    def _norm(
        self, name: str, observed: Observed, norm: str, affine: Affine, layer: str, linear: Affine, block: Block
    ) -> Normed:
        configs = self._configs(name, norm, layer)
        values = observed.values[norm]
        rows = observed.normed_rows if norm == "norm1" else observed.rows
        if configs.input.norm == "row":
            sampled = replace(observed, values={**observed.values, norm: values[:, rows]})
        else:
            sampled = observed
        target = self._target(sampled, norm, linear, layer)
        period = _row_period(norm, block)
        found = fit_norm(target, affine, linear, values, rows, observed.ranges[norm], configs, period)
        if found.folded is not None:
            self.folds[f"{name}.{norm}"] = found.folded
        if isinstance(found.quantiser, RowQuantiser):
            shares = self.notes.setdefault("outliers_percent", [])
            assert isinstance(shares, list)
            shares.append(round(100 * found.quantiser.share_of_outliers(values), 3))
        return found

    def _target(self, observed: Observed, inputs: str, linear: Affine, outputs: str) -> Target:
        sensitivity = observed.sensitivity[outputs]
        if outputs in RESIDUAL:
            sensitivity = sensitivity[:, observed.rows]
        if self.config.metric == "mse":
            sensitivity = torch.ones((), device=sensitivity.device).expand(sensitivity.shape)
        return Target(
            inputs=observed.values[inputs].flatten(0, 1),
            weight=linear.weight,
            bias=linear.bias,
            sensitivity=sensitivity.flatten(0, 1),
            groups=self._groups(len(linear.weight), QKV_PARTS if outputs == "attn.qkv" else 1),
        )

    def _groups(self, outputs: int, parts: int) -> Tensor:
        channel = torch.arange(outputs, device=self.images.device)
        return channel if self.config.weight_scales == "channel" else channel // (outputs // parts)

    def _residual(self, name: str, x: Tensor, sensitivity: Tensor) -> None:
        """Residual tensor, both float32[B, T, D]; tokens that nothing reads do not count."""
        if self.config.residual == "wide":
            self.stream_ranges[name] = float(x.abs().max())
            return
        read = sensitivity.sum((0, 2)) > 0
        rows, weights = x[:, read].flatten(0, 1), self._even(sensitivity[:, read]).flatten(0, 1)
        self.activations[name] = calibrate_residual(rows, weights, EDGE_BITS, self.config, self.widest[name])

    def _patch_embed(self, boundaries: Boundaries) -> None:
        """Weight on raw pixels; the input is exact."""
        vit, images = self.vit, self.images
        mean = 255 * torch.tensor(vit.mean, device=images.device)[:, None, None]
        pixels = patches(vit, images.permute(0, 3, 1, 2).float() - mean)
        class_tokens = vit.tokens - pixels.shape[1]
        rows = torch.randperm(pixels.shape[1], generator=self.generator)[: self.tokens].to(images.device)
        weight = pixel_weight(vit)
        # behind a LayerNorm the stream's sensitivity is not that of the embedding
        felt = boundaries.sensitivity(0) if vit.patch_norm is None else ones(boundaries.stream[0])
        target = Target(
            inputs=pixels[:, rows].flatten(0, 1),
            weight=weight,
            bias=vit.patch_embed.bias,
            sensitivity=self._even(felt[:, rows + class_tokens]).flatten(0, 1),
            groups=self._groups(len(weight), 1),
        )
        self.weights["patch_embed"] = fit_weight(target, target.inputs, self.config.at_width(EDGE_BITS))
        if vit.patch_norm is not None:
            self._patch_norm(rows)

    def _patch_norm(self, rows: Tensor) -> None:
        """The embedding before LayerNorm at 16 bits, and LayerNorm's output, from which the stream is made."""
        parts: list[dict[str, Tensor]] = []
        for batch in torch.split(self.images, BATCH):
            parts.append({})
            embed(self.vit, batch, parts[-1].setdefault)
        largest = max(float(part["patch_embed"].abs().max()) for part in parts)
        self.activations["patch_embed"] = covering(largest, WIDE_BITS)
        sampled = torch.cat([part["patch_norm"][:, rows] for part in parts])
        self.activations["patch_norm"] = fit_alone(sampled, EDGE_BITS, self.config)

    def _classifier(self, boundaries: Boundaries) -> None:
        x, head = boundaries.head_input, self.vit.head
        if self.vit.class_token is None:
            normed = layernorm(boundaries.stream[-1], self.vit.norm, self.vit.epsilon)
            self.activations["norm"] = fit_column(normed, EDGE_BITS, self.config)
        target = Target(
            inputs=x,
            weight=head.weight,
            bias=head.bias,
            sensitivity=self._even(boundaries.head_sensitivity),
            groups=self._groups(len(head.weight), 1),
        )
        edge = self.config.at_width(EDGE_BITS)
        found = fit_linear(target, (float(x.min()), float(x.max())), OperandConfigs(input=edge, weight=edge))
        self._keep(self.vit.head_input, "head", *found)

    def _notes(self) -> dict[str, object]:
        """Exponents and formats chosen, in the order of the blocks."""
        found: dict[str, list[int]] = {}
        for name, quantiser in self.activations.items():
            if isinstance(quantiser, TwoScaleQuantiser):
                found.setdefault(f"{name.rpartition('.')[2]}_exponents", []).append(quantiser.format.exponent)
            if isinstance(quantiser, ChannelScaleQuantiser):
                found.setdefault("residual_shifts", []).append(int(quantiser.shifts.max()))
        return {**found, **self.notes}


def _row_period(norm: str, block: Block) -> int | None:
    """After how many tokens the scales of LayerNorm's rows repeat; None: never, which the row table holds.

    Otherwise (our decision) a scale for each place in a window, and in the order of the image for each place in a
    strip of the grid that is one window high.
    """
    windows = block.windows
    if windows is None or windows.height * windows.width <= TABLE_ROWS:
        return None
    return windows.area if norm == "norm1" else windows.size * windows.width
