"""Reconstruction on the tiny network at 4 bits: what it gains, what it may change, and what each setting does."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from golden.calibrate import calibrate
from golden.from_timm import Model
from golden.method import method_config
from golden.paper import PaperModel
from golden.parameters import Calibrated
from golden.quantizers.uniform import UniformQuantiser
from golden.reconstruct.branch import Branch, branches
from golden.reconstruct.config import ReconstructionConfig
from golden.reconstruct.loop import reconstruct
from golden.reconstruct.losses import output_error
from golden.reconstruct.optimise import Student, optimise
from golden.reconstruct.streams import Example, Streams
from golden.vit import Vit, forward
from hwsim.errors import HwsimError

BITS = 4
SHORT = ReconstructionConfig(judging_share=0, iterations=6, images=16, batch=4, rounding_rate=2.5, step_rate=0.03)
LONG = ReconstructionConfig(judging_share=0, iterations=200, images=32, batch=16, rounding_rate=0.075, step_rate=1e-3)


@pytest.fixture(scope="module")
def vit(tiny_model: Model) -> Vit:
    return tiny_model.vit


@pytest.fixture(scope="module")
def low(vit: Vit, tiny_images: Tensor) -> Calibrated:
    return calibrate(vit, tiny_images[:16], method_config("tsptq", BITS), lambda _: None)


class Long(NamedTuple):
    """A run of some length."""

    before: Calibrated
    after: Calibrated
    reports: list[str]


def long(before: Calibrated, images: Tensor) -> Long:
    reports: list[str] = []
    return Long(before, reconstruct(before, images[:32], LONG, reports.append), reports)


@pytest.fixture(scope="module")
def long_run(low: Calibrated, tiny_images: Tensor) -> Long:
    return long(low, tiny_images)


def short_run(low: Calibrated, pixels: Tensor, **changes: object) -> Calibrated:
    return reconstruct(low, pixels, SHORT.model_copy(update=changes), lambda _: None)


def same(a: Calibrated, b: Calibrated) -> bool:
    """Whether two calibrations have the same codes and steps, bit for bit."""
    scales = [(a.activations[n].scale, p.scale) for n, p in b.activations.items() if isinstance(p, UniformQuantiser)]
    codes = [(a.weights[n].codes, p.codes) for n, p in b.weights.items()]
    return all(torch.equal(x, y) for x, y in scales + codes)


def error(calibrated: Calibrated, images: Tensor) -> float:
    """Squared error of paper mode's logits."""
    return float((PaperModel(calibrated)(images) - forward(calibrated.vit, images)).square().mean())


def layers(vit: Vit) -> list[tuple[str, Tensor]]:
    """Name and float weight of every linear layer of the blocks."""
    return [(b.layer_name(layer), b.weight(vit, layer)) for b in branches(vit) for layer in b.layers]


def test_held_out_logits_come_closer_to_float(long_run: Long, tiny_images: Tensor) -> None:
    held_out = tiny_images[32:]
    assert error(long_run.after, held_out) < error(long_run.before, held_out)


def test_with_float_activations_they_come_much_closer(low: Calibrated, tiny_images: Tensor) -> None:
    run = long(replace(low, activations={}), tiny_images)
    held_out = tiny_images[32:]
    assert error(run.after, held_out) < 0.6 * error(run.before, held_out)


@pytest.mark.parametrize("kind", ["attn", "mlp"])
def test_the_hardened_module_has_less_error_than_nearest_rounding(
    vit: Vit, low: Calibrated, tiny_images: Tensor, kind: str
) -> None:
    branch = Branch(0, kind)  # type: ignore[arg-type]
    model = PaperModel(low)
    streams = Streams(vit, model, tiny_images[:32])
    example = streams.example(branch, LONG, torch.ones(vit.tokens))
    learnt = optimise(Student(branch, low, LONG), example, LONG, torch.Generator().manual_seed(0))
    after = PaperModel(
        replace(low, weights=low.weights | learnt.weights, activations={**low.activations, **learnt.quantisers})
    )
    outputs = (streams.quantised_output(branch, m) for m in (model, after))
    nearest, found = (output_error(output, example.target, example.weight) for output in outputs)
    assert found < 0.9 * nearest


@pytest.mark.parametrize(("float_share", "unread"), [(1.0, "stream"), (0.0, "float_input")])
def test_the_float_share_says_which_input_is_read(
    low: Calibrated, tiny_images: Tensor, float_share: float, unread: str
) -> None:
    branch, config = Branch(0, "mlp"), SHORT.model_copy(update={"float_share": float_share})
    streams = Streams(low.vit, PaperModel(low), tiny_images[:8])
    example = streams.example(branch, config, torch.ones(low.vit.tokens))
    other = replace(example, **{unread: torch.zeros_like(example.stream)})

    def codes(seen: Example) -> list[Tensor]:
        learnt = optimise(Student(branch, low, config), seen, config, torch.Generator().manual_seed(0))
        return [found.codes for found in learnt.weights.values()]

    assert all(torch.equal(a, b) for a, b in zip(codes(example), codes(other), strict=True))


def test_each_report_names_its_module_and_falls(long_run: Long) -> None:
    names = [report.split(":")[0] for report in long_run.reports]
    assert names == ["blocks.0.attn", "blocks.0.mlp", "blocks.1.attn", "blocks.1.mlp"]
    for report in long_run.reports:
        nearest, found = (float(word) for word in report.replace(",", "").split() if word[0] == "0")
        assert found < nearest


def test_codes_are_in_range_and_floor_or_ceiling(vit: Vit, low: Calibrated, long_run: Long) -> None:
    for name, weight in layers(vit):
        found = long_run.after.weights[name]
        steps = weight / low.weights[name].scale[:, None]
        assert found.codes.dtype == torch.int8
        assert torch.equal(found.scale, low.weights[name].scale)
        lower, upper = steps.floor().clamp(-8, 7), (steps.floor() + 1).clamp(-8, 7)
        assert torch.all((found.codes == lower) | (found.codes == upper)), name
        assert not torch.equal(found.codes, low.weights[name].codes), name


def test_patch_embed_head_and_the_given_calibration_stay(vit: Vit, low: Calibrated, tiny_images: Tensor) -> None:
    before = {name: found.codes.clone() for name, found in low.weights.items()}
    found = short_run(low, tiny_images)
    assert all(torch.equal(before[name], low.weights[name].codes) for name in before)
    assert not same(found, low)
    for name in ("patch_embed", "head"):
        assert found.weights[name] is low.weights[name]


def test_only_the_steps_of_the_linear_layers_uniform_inputs_are_learnt(
    vit: Vit, low: Calibrated, tiny_images: Tensor
) -> None:
    found = short_run(low, tiny_images)
    moved = {name for name, p in found.activations.items() if p is not low.activations[name]}
    inputs = {name for branch in branches(vit) for name in branch.inputs}
    assert moved == {name for name in inputs if isinstance(low.activations[name], UniformQuantiser)}
    for name in moved:
        assert found.activations[name].format == low.activations[name].format
        assert found.activations[name].unit != low.activations[name].unit
    fixed = short_run(low, tiny_images, learn_steps=False)
    assert all(p is low.activations[name] for name, p in fixed.activations.items())


@pytest.mark.parametrize(
    "changes",
    [
        {"attention_weight": 10.0},
        {"attention_weight": 10.0, "attention_axis": "heads"},
        {"float_share": 0.0},
        {"rounding_rate": 0.5},
        {"step_rate": 1e-2},
        {"regulariser": 10.0},
        {"seed": 1},
        {"batch": 5},
        {"images": 8},
        {"loss": "mse"},
        {"even_share": 0.0},
    ],
    ids="-".join,
)
def test_every_setting_changes_the_result(low: Calibrated, tiny_images: Tensor, changes: dict[str, object]) -> None:
    assert not same(short_run(low, tiny_images), short_run(low, tiny_images, **changes))


@pytest.mark.parametrize(
    "changes",
    [{"attention_axis": "heads"}, {"temperature": 1.0}, {"attention_weight": 1.0}],
    ids="-".join,
)
def test_every_setting_of_the_attention_term_counts(
    low: Calibrated, tiny_images: Tensor, changes: dict[str, object]
) -> None:
    strong = {"attention_weight": 100.0}
    assert not same(short_run(low, tiny_images, **strong), short_run(low, tiny_images, **strong | changes))


def test_a_seed_decides_every_bit(low: Calibrated, tiny_images: Tensor) -> None:
    assert same(short_run(low, tiny_images), short_run(low, tiny_images))


def test_it_runs_where_gradients_are_off(low: Calibrated, tiny_images: Tensor) -> None:
    with torch.no_grad():
        found = short_run(low, tiny_images)
    assert same(found, short_run(low, tiny_images))


def test_the_first_images_are_used(low: Calibrated, tiny_images: Tensor) -> None:
    assert same(short_run(low, tiny_images), short_run(low, tiny_images[:16]))


def test_no_iterations_change_nothing(low: Calibrated, tiny_images: Tensor) -> None:
    assert short_run(low, tiny_images, iterations=0) is low


def test_no_images_are_an_error(low: Calibrated, tiny_images: Tensor) -> None:
    with pytest.raises(HwsimError, match="reconstruction needs images, there are none"):
        short_run(low, tiny_images[:0])
