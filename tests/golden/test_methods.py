"""Every method at every width, in all three modes: golden's integers are the machine's, word for word.

Tiny networks in ``make test``; DeiT-Tiny's shape (197 tokens, 192 wide) with one block for each paper, too.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from golden.from_timm import Model, load_model
from golden.integer import IntegerModel
from golden.method import METHODS, method_config
from golden.pipeline import Quantised, measure, quantise
from hwsim.compiler import compile_network
from hwsim.config import load_preset
from hwsim.errors import HwsimError
from hwsim.machine import Machine
from hwsim.network_check import check_network

PAPERS = ("tsptq", "adfq", "dopq")


def mismatched_words(quantised: Quantised, images: torch.Tensor) -> tuple[int, int]:
    """Words that differ between golden and the machine, and words compared, over every tensor."""
    expected = IntegerModel(quantised.network).trace(images)
    result = Machine(compile_network(quantised.network, load_preset("edge"))).run(images.numpy(), trace=True)
    assert set(result.trace) == set(expected) - {quantised.network.manifest.input}
    assert np.array_equal(result.logits, expected[quantised.network.manifest.logits].flatten(1).numpy())
    differing = sum(int((expected[name].numpy() != words).sum()) for name, words in result.trace.items())
    return differing, sum(words.size for words in result.trace.values())


@pytest.mark.parametrize("bits", [8, 6, 4, 3])
@pytest.mark.parametrize("method", METHODS)
def test_machine_equals_golden(method: str, bits: int, tiny_model: Model, tiny_images: torch.Tensor) -> None:
    quantised = quantise(tiny_model, tiny_images[:12], method_config(method, bits, {"rounds": 1}), lambda _: None)
    check_network(quantised.network, Path("tiny"))
    differing, compared = mismatched_words(quantised, tiny_images[12:20])
    assert compared > 8 * 17 * 24
    assert differing == 0


@pytest.mark.parametrize("method", METHODS)
def test_integer_mode_follows_paper_mode(method: str, tiny_model: Model, tiny_images: torch.Tensor) -> None:
    quantised = quantise(tiny_model, tiny_images[:16], method_config(method, 8), lambda _: None)
    figures = measure(quantised, tiny_images[16:], None, "blotches", lambda _mode, _done: None).figures
    assert abs(figures["integer"].kl - figures["paper"].kl) < 0.01


@pytest.mark.parametrize(
    ("method", "parts"),
    [
        ("tsptq", {"channel_rule": "kmeans", "scales": 4}),
        ("tsptq", {"channel_rule": "threshold"}),
        ("tsptq", {"channel_rule": "prefix", "gelu": "sign_split"}),
        ("tsptq", {"exponent": 2}),
        ("tsptq", {"fold": "smooth"}),
        ("adfq", {"gelu": "shift_log2", "softmax": "log2"}),
        ("adfq", {"outlier_threshold": 1.5}),
        ("adfq", {"outlier_threshold": None}),
        ("dopq", {"softmax": "tanq_c"}),
        ("dopq", {"ranges": "search", "weights": "search"}),
        ("repq", {"softmax_scale": "one"}),
        ("minmax", {"softmax_scale": "search"}),
    ],
)
def test_each_part_alone(method: str, parts: dict, tiny_model: Model, tiny_images: torch.Tensor) -> None:
    config = method_config(method, 4, {"rounds": 1, **parts})
    quantised = quantise(tiny_model, tiny_images[:12], config, lambda _: None)
    assert quantised.network.manifest.origin.options.items() >= parts.items()
    assert mismatched_words(quantised, tiny_images[12:20])[0] == 0


@pytest.mark.parametrize("method", PAPERS)
def test_machine_equals_golden_at_the_shape_of_deit_tiny(method: str) -> None:
    whole = load_model("deit_tiny_patch16_224", random_seed=0)
    model = replace(whole, vit=replace(whole.vit, blocks=whole.vit.blocks[:1]))
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(3, 3, 9, 9, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, 224, mode="bicubic").clamp(0, 1)
    images = (smooth * 255).permute(0, 2, 3, 1).to(torch.uint8)
    quantised = quantise(model, images[:2], method_config(method, 4, {"rounds": 1}), lambda _: None)
    differing, compared = mismatched_words(quantised, images[2:])
    assert compared > 197 * 192 * 12
    assert differing == 0


def test_the_share_of_outliers_is_noted(tiny_model: Model, tiny_images: torch.Tensor) -> None:
    few, many = (
        quantise(tiny_model, tiny_images[:8], method_config("adfq", 8, {"outlier_threshold": t}), lambda _: None)
        for t in (2.5, 1.0)
    )
    shares = [q.network.manifest.origin.options["outliers_percent"] for q in (few, many)]
    assert [len(s) for s in shares] == [2 * len(tiny_model.vit.blocks)] * 2
    assert all(0 <= low < high < 100 for low, high in zip(*shares, strict=True))


def test_activations_that_are_not_finite_are_named(tiny_model: Model, tiny_images: torch.Tensor) -> None:
    vit = tiny_model.vit
    block = replace(vit.blocks[1], fc2=replace(vit.blocks[1].fc2, bias=vit.blocks[1].fc2.bias * torch.nan))
    broken = replace(tiny_model, vit=replace(vit, blocks=(vit.blocks[0], block)))
    with pytest.raises(HwsimError, match=r"blocks\.1\.mlp\.add: .* not finite"):
        quantise(broken, tiny_images[:4], method_config("minmax", 8), lambda _: None)
