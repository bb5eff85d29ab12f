"""Images that no module learns from decide whether its learnt rounding stays."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from golden.calibrate import calibrate
from golden.from_timm import Model
from golden.measure import compare
from golden.method import method_config
from golden.paper import PaperModel
from golden.parameters import Calibrated, WeightParameters
from golden.reconstruct import loop
from golden.reconstruct.branch import Branch, branches
from golden.reconstruct.config import ReconstructionConfig
from golden.reconstruct.judge import Judge, Verdict, split
from golden.reconstruct.optimise import Learnt, Student
from golden.vit import forward

SHORT = ReconstructionConfig(iterations=6, images=16, batch=4, rounding_rate=2.5)


@pytest.fixture(scope="module")
def low(tiny_model: Model, tiny_images: Tensor) -> Calibrated:
    return calibrate(tiny_model.vit, tiny_images[:16], method_config("minmax", 4), lambda _: None)


def test_every_image_is_on_one_side_and_the_seed_draws_them() -> None:
    images = torch.arange(10)[:, None]
    seen, unseen = split(images, 0.25, seed=0)
    assert (len(seen), len(unseen)) == (8, 2)
    assert sorted(torch.cat([seen, unseen]).flatten().tolist()) == list(range(10))
    assert not torch.equal(unseen, split(images, 0.25, seed=1)[1])
    assert len(split(images, 0.0, seed=0)[1]) == 0


def test_the_rest_of_the_network_is_what_forward_does(tiny_model: Model, tiny_images: Tensor) -> None:
    seen: dict[str, Tensor] = {}

    def keep(name: str, x: Tensor) -> Tensor:
        seen[name] = x
        return x

    logits = forward(tiny_model.vit, tiny_images[:4], keep)
    for branch in branches(tiny_model.vit):
        assert torch.equal(branch.rest(tiny_model.vit, seen[branch.stream]), logits)


def test_behind_the_last_module_the_divergence_is_that_of_paper_mode(low: Calibrated, tiny_images: Tensor) -> None:
    low = replace(low, weights=low.weights | {"head": _exact(low, "head")})
    model = PaperModel(low)
    judge = Judge(low.vit, model, tiny_images[:8])
    order = branches(low.vit)
    for branch in order[:-1]:
        judge.advance(branch, model)
    model.quantisers.pop("norm")
    verdict = judge.hear(order[-1], model, model)
    reference = forward(low.vit, tiny_images[:8]).double()
    assert verdict.nearest == compare(model(tiny_images[:8]).double(), reference, None).kl > 0


def _exact(low: Calibrated, layer: str) -> WeightParameters:
    """Codes of 1 at the scale of each weight: the float weight itself."""
    weight = low.vit.head.weight
    return _Float(codes=low.weights[layer].codes, scale=weight, bits=low.weights[layer].bits)


class _Float(WeightParameters):
    def dequantize(self) -> Tensor:
        return self.scale


def test_what_makes_the_prediction_worse_is_left_at_nearest(
    low: Calibrated, tiny_images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second module learns nonsense; the others learn nothing."""
    bad = Branch(0, "mlp")

    def optimise(student: Student, *_: object) -> Learnt:
        names = [student.branch.layer_name(layer) for layer in student.branch.layers]
        found = {name: low.weights[name] for name in names}
        if student.branch == bad:
            found = {name: replace(w, codes=-w.codes) for name, w in found.items()}
        return Learnt(weights=found, quantisers={})

    monkeypatch.setattr(loop, "optimise", optimise)
    reports: list[str] = []
    kept = loop.reconstruct(low, tiny_images[:16], SHORT, reports.append)
    assert all(torch.equal(kept.weights[name].codes, w.codes) for name, w in low.weights.items())
    assert [report.endswith("left at nearest") for report in reports] == [False, True, False, False]

    unjudged = loop.reconstruct(low, tiny_images[:16], SHORT.model_copy(update={"judging_share": 0}), reports.append)
    assert torch.equal(unjudged.weights["blocks.0.mlp.fc1"].codes, -low.weights["blocks.0.mlp.fc1"].codes)


def test_equal_divergence_keeps_what_was_learnt() -> None:
    assert Verdict(nearest=0.5, reconstructed=0.5).keeps
    assert not Verdict(nearest=0.5, reconstructed=0.6).keeps
    assert str(Verdict()) == ""
