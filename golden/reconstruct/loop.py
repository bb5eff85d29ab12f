"""Reconstruction of a calibrated network, module after module (AMO of ADFQ-ViT; BRECQ's and QDrop's scheme).

    for each module:  learn the rounding with O(quantised prefix) -> O(float network), harden, keep it if the
                      prediction on other images is no worse, move both streams on

Known (ADFQ-ViT, arXiv 2407.02763, released code): units, input, target, loss, optimisers. Reconstructed for DopQ-ViT
(arXiv 2408.03291), which has such a stage. One module's tensors are held at a time, beside the two residual streams.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from golden.augment import enough_images
from golden.paper import PaperModel
from golden.parameters import Calibrated
from golden.quantizers.uniform import UniformQuantiser
from golden.reconstruct.branch import Branch, branches
from golden.reconstruct.checkpoint import Checkpoints, fingerprint
from golden.reconstruct.config import ReconstructionConfig
from golden.reconstruct.judge import Judge, Verdict, split
from golden.reconstruct.losses import output_error
from golden.reconstruct.optimise import Learnt, Student, optimise
from golden.reconstruct.sensitivity import token_weights
from golden.reconstruct.streams import Example, Streams
from golden.vit import Vit
from hwsim.errors import HwsimError

Report = Callable[[str], None]


def reconstruct(
    calibrated: Calibrated,
    images: Tensor,
    config: ReconstructionConfig,
    report: Report,
    checkpoint: Path | None = None,
) -> Calibrated:
    """Round the weights of the blocks so that each module's output comes close to the float network's.

    Parameters
    ----------
    calibrated : the scales stay, but for the learnt steps; the codes of the blocks' weights change; its ``vit`` is
        the float network
    images : uint8[n, H, W, C], on the device of the network; crops of them stand in where ``config`` asks for more
    report : called with a sentence after each module: the output's squared error over the target's square, the
        divergence of the prediction, and which rounding stays
    checkpoint : folder of one file a module, from which a later run continues to the same bits; None: none

    Raises
    ------
    HwsimError
        If there are no images.
    """
    if len(images) == 0:
        raise HwsimError("reconstruction needs images, there are none")
    if config.iterations == 0:
        return calibrated
    seen, unseen = split(images, config.judging_share, config.seed)
    seen = enough_images(seen, config.images, config.seed)
    parameters = (calibrated.weights, calibrated.activations, calibrated.vit)
    key = fingerprint(seen.device.type, config, *parameters, seen, unseen)
    checkpoints = Checkpoints(checkpoint, key, report)
    order, model = branches(calibrated.vit), PaperModel(calibrated)
    streams, weights = Streams(calibrated.vit, model, seen), _token_weights(calibrated.vit, seen, config)
    judge = Judge(calibrated.vit, model, unseen) if len(unseen) else None
    for position, branch in enumerate(order):
        streams.enter(branch, model)
        if judge:
            judge.enter(branch, model)
        example = streams.example(branch, config, weights[branch.name])
        learnt = _load(checkpoints, branch, calibrated, seen.device)
        if learnt is None:
            generator = torch.Generator(seen.device).manual_seed(config.seed * len(order) + position)
            learnt = optimise(Student(branch, calibrated, config), example, config, generator)
            _save(checkpoints, branch, learnt)
        candidate = replace(
            calibrated,
            weights=calibrated.weights | learnt.weights,
            activations=calibrated.activations | learnt.quantisers,
        )
        nearest, reconstructed = model, PaperModel(candidate)
        outputs = [streams.quantised_output(branch, each) for each in (nearest, reconstructed)]
        errors = [_relative_error(output, example) for output in outputs]
        verdict = judge.hear(branch, nearest, reconstructed) if judge else Verdict()
        if verdict.keeps:
            calibrated, model = candidate, reconstructed
        report(f"{branch.name}: output error {errors[0]:.4f} nearest, {errors[1]:.4f} reconstructed{verdict}")
        streams.advance(branch, model, outputs[verdict.keeps], example.target)
        if judge:
            judge.advance(branch, model)
    return calibrated


def _token_weights(vit: Vit, images: Tensor, config: ReconstructionConfig) -> dict[str, Tensor]:
    if config.loss == "sensitivity":
        return token_weights(vit, images, config.even_share, config.seed)
    tokens = {branch.name: vit.block_tokens(branch.index) for branch in branches(vit)}
    return {name: torch.ones(count, device=images.device) for name, count in tokens.items()}


def _relative_error(output: Tensor, example: Example) -> float:
    nothing = torch.zeros_like(output)
    return float(
        output_error(output, example.target, example.weight) / output_error(nothing, example.target, example.weight)
    )


def _save(checkpoints: Checkpoints, branch: Branch, learnt: Learnt) -> None:
    codes = {f"{name}.codes": found.codes for name, found in learnt.weights.items()}
    steps = {f"{name}.scale": found.scale for name, found in learnt.quantisers.items()}
    checkpoints.save(branch.name, codes | steps)


def _load(checkpoints: Checkpoints, branch: Branch, calibrated: Calibrated, device: torch.device) -> Learnt | None:
    tensors = checkpoints.load(branch.name)
    if tensors is None:
        return None
    weights = {
        name: replace(calibrated.weights[name], codes=tensors[f"{name}.codes"].to(device))
        for name in map(branch.layer_name, branch.layers)
    }
    quantisers: dict[str, UniformQuantiser] = {}
    for name in branch.inputs:
        old = calibrated.activations.get(name)
        if isinstance(old, UniformQuantiser) and f"{name}.scale" in tensors:
            quantisers[name] = replace(old, scale=tensors[f"{name}.scale"].to(device))
    return Learnt(weights=weights, quantisers=quantisers)
