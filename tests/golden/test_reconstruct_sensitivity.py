"""The weights of the tokens in a module's loss: their definition, and that they move error off what matters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from golden.calibrate import calibrate
from golden.from_timm import Model
from golden.method import method_config
from golden.paper import PaperModel
from golden.parameters import Calibrated
from golden.reconstruct import loop, sensitivity
from golden.reconstruct.branch import Branch, branches
from golden.reconstruct.config import ReconstructionConfig
from golden.reconstruct.optimise import Learnt, Student, optimise
from golden.reconstruct.sensitivity import token_weights
from golden.reconstruct.streams import Example, Streams
from golden.vit import Vit, embed, forward

CONFIG = ReconstructionConfig(judging_share=0, iterations=120, images=32, batch=16, rounding_rate=0.075, step_rate=1e-3)


@pytest.fixture(scope="module")
def vit(tiny_model: Model) -> Vit:
    return tiny_model.vit


@pytest.fixture(scope="module")
def low(vit: Vit, tiny_images: Tensor) -> Calibrated:
    return calibrate(vit, tiny_images[:16], method_config("tsptq", 4), lambda _: None)


def log_likelihood(vit: Vit, image: Tensor, label: int, stream: str, addend: Tensor) -> Tensor:
    """``log p_y`` of one image with something added to a branch's output."""

    def tap(name: str, x: Tensor) -> Tensor:
        return x + addend if name == stream else x

    found: Tensor = forward(vit, image[None], tap).log_softmax(1)[0, label]
    return found


def test_weights_are_the_mean_squared_gradients_of_drawn_labels(vit: Vit, tiny_images: Tensor) -> None:
    images = tiny_images[:11]  # two batches, the second is not full
    found = token_weights(vit, images, even_share=0.25, seed=3)
    generator = torch.Generator().manual_seed(3)
    batches = torch.split(images, sensitivity.BATCH)
    labels = torch.cat([forward(vit, b).softmax(1).multinomial(1, generator=generator)[:, 0] for b in batches])
    assert len(set(labels.tolist())) > 1
    for branch in branches(vit):
        squares = torch.zeros(vit.tokens)
        for image, label in zip(images, labels.tolist(), strict=True):
            addend = torch.zeros(vit.tokens, vit.width, requires_grad=True)
            (gradient,) = torch.autograd.grad(log_likelihood(vit, image, label, branch.stream, addend), addend)
            squares += gradient.square().sum(1)
        expected = 0.25 + 0.75 * squares / squares.mean()
        assert torch.allclose(found[branch.name], expected, rtol=1e-3), branch.name


def test_after_the_last_attention_the_class_token_has_all_weight_but_the_even_share(
    vit: Vit, tiny_images: Tensor
) -> None:
    found = token_weights(vit, tiny_images[:8], even_share=0.5, seed=0)
    for kind in ("attn", "mlp"):
        weight = found[f"blocks.{len(vit.blocks) - 1}.{kind}"]
        assert torch.all(weight[1:] == 0.5)
        assert weight[0] == pytest.approx(0.5 + 0.5 * vit.tokens)
    first = found["blocks.0.attn"]
    assert torch.all(first[1:] > 0.5)
    assert first.mean() == pytest.approx(1)


def test_tokens_weigh_alike_where_the_prediction_is_too_sure_to_feel_any(vit: Vit, tiny_images: Tensor) -> None:
    sure = replace(vit, head=replace(vit.head, bias=vit.head.bias + 1000 * (torch.arange(10) == 3)))
    found = token_weights(sure, tiny_images[:8], even_share=0.0, seed=0)
    assert all(torch.equal(weight, torch.ones(vit.tokens)) for weight in found.values())


def test_the_seed_draws_the_labels(vit: Vit, tiny_images: Tensor) -> None:
    one, again, other = (token_weights(vit, tiny_images[:8], 0.0, seed)["blocks.0.mlp"] for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("kind", ["attn", "mlp"])
def test_tokens_with_weight_have_less_error(vit: Vit, low: Calibrated, tiny_images: Tensor, kind: str) -> None:
    branch, model = Branch(1, kind), PaperModel(low)  # type: ignore[arg-type]
    streams = Streams(vit, model, tiny_images[:32])
    low_half = torch.arange(vit.tokens) < vit.tokens // 2

    def errors(weight: Tensor) -> tuple[Tensor, Tensor]:
        """Of the first half of the tokens and of the others."""
        example = streams.example(branch, CONFIG, 2 * weight.float())
        learnt = optimise(Student(branch, low, CONFIG), example, CONFIG, torch.Generator().manual_seed(0))
        after = PaperModel(
            replace(low, weights=low.weights | learnt.weights, activations={**low.activations, **learnt.quantisers})
        )
        squares = (streams.quantised_output(branch, after) - example.target).square()
        return squares[:, low_half].mean(), squares[:, ~low_half].mean()

    (felt_first, unfelt_others), (unfelt_first, felt_others) = errors(low_half), errors(~low_half)
    assert felt_first < 0.8 * unfelt_first
    assert felt_others < 0.8 * unfelt_others


def test_an_even_share_of_one_is_the_unweighed_loss(low: Calibrated, tiny_images: Tensor) -> None:
    def codes(**changes: object) -> list[Tensor]:
        config = CONFIG.model_copy(update={"iterations": 5, "rounding_rate": 2.5} | changes)
        found = loop.reconstruct(low, tiny_images, config, lambda _: None)
        return [weight.codes for weight in found.weights.values()]

    even = codes(loss="sensitivity", even_share=1.0)
    assert all(torch.equal(a, b) for a, b in zip(even, codes(loss="mse"), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(even, codes(loss="sensitivity", even_share=0.0), strict=True))


def test_each_module_gets_its_own_weights(
    low: Calibrated, tiny_images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, seen = CONFIG.model_copy(update={"iterations": 1, "images": 9, "seed": 2}), {}

    def spy(student: Student, example: Example, *rest: Any) -> Learnt:
        seen[student.branch.name] = example.weight
        return optimise(student, example, *rest)

    monkeypatch.setattr(loop, "optimise", spy)
    loop.reconstruct(low, tiny_images, config, lambda _: None)
    expected = token_weights(low.vit, tiny_images[:9], config.even_share, seed=2)
    assert list(seen) == list(expected)
    assert all(torch.equal(seen[name], weight) for name, weight in expected.items())


def test_gradients_are_found_where_they_are_off(vit: Vit, tiny_images: Tensor) -> None:
    with torch.no_grad():
        found = token_weights(vit, tiny_images[:8], 0.5, 0)
        assert not embed(vit, tiny_images[:1]).requires_grad
    assert torch.equal(found["blocks.1.mlp"], token_weights(vit, tiny_images[:8], 0.5, 0)["blocks.1.mlp"])
