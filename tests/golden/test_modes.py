"""Paper mode follows float, integer mode follows paper mode; calibration is reproducible and keeps to its widths."""

from __future__ import annotations

import pytest
import torch

from golden.calibrate import calibrate
from golden.from_timm import Model
from golden.integer import IntegerModel
from golden.measure import compare
from golden.method import method_config
from golden.paper import PaperModel
from golden.pipeline import Quantised, measure, quantise, with_figures
from golden.vit import forward
from hwsim.formats import TwoScale


def test_modes_agree_on_a_tiny_network(tiny: Quantised, tiny_images: torch.Tensor) -> None:
    held_out = tiny_images[16:]
    labels = forward(tiny.model.vit, held_out).argmax(1)
    measured = measure(tiny, held_out, labels, "blotches", lambda _mode, _done: None)
    assert measured.figures["float"].agreement == 100
    assert measured.figures["paper"].agreement >= 90
    assert measured.figures["integer"].agreement >= 90
    assert measured.figures["integer"].kl < 0.02
    assert measured.figures["integer"].top1 == pytest.approx(measured.figures["integer"].agreement)
    origin = with_figures(tiny.network, measured).manifest.origin
    assert origin.top1_float == 100
    assert (origin.accuracy_images, origin.accuracy_data) == (48, "blotches")


def test_integer_logits_are_close_to_paper_logits(tiny: Quantised, tiny_images: torch.Tensor) -> None:
    float_logits = forward(tiny.model.vit, tiny_images)
    paper = PaperModel(tiny.calibrated)(tiny_images)
    integer = IntegerModel(tiny.network)(tiny_images) * tiny.network.tensor("head").scale
    spread = float_logits.std()
    assert (paper - float_logits).square().mean().sqrt() < 0.1 * spread
    assert (integer - float_logits).square().mean().sqrt() < 0.1 * spread
    assert (integer - paper).square().mean().sqrt() < 0.1 * spread


def test_calibration_is_reproducible(tiny: Quantised, tiny_images: torch.Tensor) -> None:
    again = quantise(tiny.model, tiny_images[:16], method_config("tsptq", 8), lambda _: None)
    assert again.network.manifest.tensors == tiny.network.manifest.tensors
    for name, array in tiny.network.arrays.items():
        assert (array == again.network.arrays[name]).all(), name


def test_low_widths_keep_the_edges_at_8_bits(tiny_model: Model, tiny_images: torch.Tensor) -> None:
    quantised = quantise(tiny_model, tiny_images[:8], method_config("tsptq", 4, {"rounds": 1}), lambda _: None)
    weights, tensors = quantised.calibrated.weights, quantised.network.manifest.tensors
    assert all(w.codes.abs().max() <= 8 for n, w in weights.items() if n.startswith("blocks"))
    assert all(weights[n].codes.abs().max() > 8 for n in ("patch_embed", "head"))
    widths = {name: spec.format.bits for name, spec in tensors.items()}
    assert {widths[n] for n in ("image", "embed", "norm", "blocks.0.mlp.add")} == {8}
    for name in ("norm1", "attn.qkv", "attn.softmax", "attn.values", "norm2", "mlp.gelu"):
        assert widths[f"blocks.0.{name}"] == 4
    assert isinstance(tensors["blocks.0.attn.softmax"].format, TwoScale)
    measured = measure(quantised, tiny_images[16:], None, "blotches", lambda _mode, _done: None)
    assert measured.figures["integer"].top1 is None


def test_both_residual_rules_calibrate(tiny_model: Model, tiny_images: torch.Tensor) -> None:
    options = method_config("tsptq", 8, {"channel_rule": "mse", "rounds": 1})
    stages: list[str] = []
    calibrated = calibrate(tiny_model.vit, tiny_images[:8], options, stages.append)
    assert len(stages) == len(tiny_model.vit.blocks) + 2
    assert len(calibrated.notes["residual_shifts"]) == 5


def test_figures_count_changes() -> None:
    reference = torch.eye(4).double() * 5
    logits = reference.clone()
    logits[0] = torch.tensor([0.0, 9.0, 0.0, 0.0])
    found = compare(logits, reference, torch.tensor([1, 1, 2, 0]))
    assert (found.changed, found.agreement, found.top1) == (1, 75.0, 75.0)
    assert compare(reference, reference, None).kl == 0
