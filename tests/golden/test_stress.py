"""Stress moves outliers between channels and leaves the function alone."""

from __future__ import annotations

import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from golden import stress as stress_module
from golden.from_timm import Model, load_model
from golden.shipped import FASHION_MNIST_VIT
from golden.spread import Spread, describe
from golden.stress import StressConfig, check_same_function, stress
from golden.vit import Affine, Block, Vit, forward
from hwsim.errors import HwsimError

ZOO = Path(__file__).parents[2] / "hwsim" / "zoo"
WEIGHTS = ZOO / "fashion_mnist_vit" / "float.safetensors"
CALIBRATION = ZOO / "fashion_mnist" / "calib.npz"
NOTHING = StressConfig(residual_strength=0)


def taps(vit: Vit, images: Tensor) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}
    forward(vit, images, seen.setdefault)
    return seen


@pytest.fixture(scope="module")
def shipped() -> tuple[Vit, Tensor]:
    with np.load(CALIBRATION) as archive:
        images = torch.from_numpy(archive["images"][:32])[..., None]
    return load_model(FASHION_MNIST_VIT, WEIGHTS).vit, images


@pytest.mark.parametrize(
    "config",
    [
        NOTHING,
        StressConfig(norm_spread=0.7, norm_outliers=3, norm_strength=20, residual_strength=0),
        StressConfig(residual_strength=4.4),
        StressConfig(norm_spread=0.7, norm_outliers=3, norm_strength=20, residual_strength=4.4, seed=1),
    ],
    ids=["nothing", "norm", "residual", "both"],
)
def test_float_function_stays_the_same(config: StressConfig, tiny_model: Model, tiny_images: Tensor) -> None:
    model = replace(tiny_model, vit=stress(tiny_model.vit, tiny_images[:32], config))
    expected, found = forward(tiny_model.vit, tiny_images), forward(model.vit, tiny_images)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert torch.equal(found.argmax(1), expected.argmax(1))
    assert found.dtype == torch.float32
    assert all(not x.is_inference() for x in (model.vit.position, model.vit.head.weight))  # calibration needs gradients


def test_norm_factors_are_those_asked_for(tiny_model: Model, tiny_images: Tensor) -> None:
    config = StressConfig(norm_outliers=3, norm_strength=16, residual_strength=0)
    before, after = taps(tiny_model.vit, tiny_images), taps(stress(tiny_model.vit, tiny_images, config), tiny_images)
    chosen = set()
    for name in ("blocks.0.norm1", "blocks.1.norm2", "norm"):
        factor = after[name].flatten(0, -2).abs().amax(0) / before[name].flatten(0, -2).abs().amax(0)
        assert sorted(factor.tolist()) == pytest.approx([1.0] * 21 + [16.0] * 3, rel=1e-4)
        chosen.add(tuple(factor.topk(3).indices.sort().values.tolist()))
    assert len(chosen) > 1
    assert torch.equal(after["embed"], before["embed"])


def test_norm_spread_is_log_normal(shipped: tuple[Vit, Tensor]) -> None:
    vit, images = shipped
    stressed = stress(vit, images[:2], StressConfig(norm_spread=0.5, residual_strength=0))
    logs = torch.cat(
        [
            (new.weight / old.weight).log()
            for block, other in zip(vit.blocks, stressed.blocks, strict=True)
            for old, new in ((block.norm1, other.norm1), (block.norm2, other.norm2))
        ]
    )
    assert abs(float(logs.mean())) < 0.05  # 1152 draws: three standard errors are 0.044
    assert abs(float(logs.std()) - 0.5) < 0.035


def test_residual_reaches_its_strength_and_keeps_the_norms_statistics(shipped: tuple[Vit, Tensor]) -> None:
    vit, images = shipped
    stressed = stress(vit, images, StressConfig(residual_strength=7))
    assert describe(vit, images)["residual"].ratio < 4.5
    assert 7 <= describe(stressed, images)["residual"].ratio < 8
    before, after = taps(vit, images), taps(stressed, images)
    for name in ("blocks.0.norm1", "blocks.5.norm2", "norm"):
        old, new = before[name].flatten(0, -2), after[name].flatten(0, -2)
        assert torch.allclose(new.mean(0), old.mean(0), atol=1e-4)
        assert torch.allclose(new.std(0), old.std(0), rtol=1e-3)
    for name in ("blocks.0.attn.qkv", "blocks.5.mlp.fc1"):
        assert torch.allclose(after[name], before[name], atol=1e-4)
    x, y = before["blocks.3.mlp.add"], after["blocks.3.mlp.add"]
    assert torch.allclose(y.norm(dim=2), x.norm(dim=2), rtol=1e-5)  # a rotation
    assert torch.allclose(y.mean(2), x.mean(2), atol=1e-5)  # that keeps the all-ones vector


def test_default_is_as_hard_as_deit_tiny(shipped: tuple[Vit, Tensor]) -> None:
    """Figures of DeiT-Tiny on 32 ImageNet images, from ``python -m golden.stress``."""
    vit, images = shipped
    found = describe(stress(vit, images, StressConfig()), images)
    assert 0.95 < found["residual"].ratio / 5.95 < 1.1
    assert found["norm1"].ratio > 2.07
    assert 0.8 < found["norm2"].ratio / 2.99 < 1.2


def test_a_network_that_is_as_hard_already_stays_as_it_is(shipped: tuple[Vit, Tensor]) -> None:
    vit, images = shipped
    stressed = stress(vit, images, StressConfig(residual_strength=2))
    assert torch.allclose(stressed.patch_embed.weight, vit.patch_embed.weight, rtol=0, atol=1e-7)


def test_same_seed_same_network(tiny_model: Model, tiny_images: Tensor) -> None:
    config = StressConfig(norm_spread=0.5, norm_outliers=1, norm_strength=4, residual_strength=4)
    first, again = (stress(tiny_model.vit, tiny_images, config) for _ in range(2))
    other = stress(tiny_model.vit, tiny_images, replace(config, seed=1))
    assert torch.equal(first.blocks[1].norm2.weight, again.blocks[1].norm2.weight)
    assert not torch.equal(first.blocks[1].norm2.weight, other.blocks[1].norm2.weight)


def test_describe_measures_channels() -> None:
    """One block that adds nothing to a stream of known channels."""
    zero = Affine(weight=torch.zeros(4, 4), bias=torch.zeros(4))
    norm = Affine(weight=torch.ones(4), bias=torch.zeros(4))
    qkv = Affine(weight=torch.zeros(12, 4), bias=torch.zeros(12))
    block = Block(heads=1, norm1=norm, norm2=norm, qkv=qkv, proj=zero, fc1=zero, fc2=zero)
    vit = Vit(
        image_size=1,
        patch_size=1,
        mean=(0.0,),
        std=(1.0,),
        patch_embed=Affine(weight=torch.zeros(4, 1), bias=torch.zeros(4)),
        class_token=torch.zeros(4),
        position=torch.tensor([[1.0, -1, 2, -8], [-1, 1, -2, 8]]),
        blocks=(block,),
        norm=norm,
        head=zero,
        epsilon=1e-6,
    )
    found = describe(vit, torch.zeros(1, 1, 1, 1, dtype=torch.uint8))["residual"]
    # maxima 1, 1, 2, 8 (lower median 1), squares 1, 1, 4, 64, fourth powers 1, 1, 16, 4096
    deviation = float(torch.tensor([1.0, 1, 2, 8]).log().std())
    assert [getattr(found, field.name) for field in fields(Spread)] == pytest.approx(
        [8, 8, deviation, (4114 / 4) / (70 / 4) ** 2, 64 / 70]
    )


@pytest.mark.parametrize(
    ("config", "match"),
    [
        (StressConfig(norm_spread=-1), "norm_spread = -1, expected 0 or more"),
        (StressConfig(norm_outliers=25), "norm_outliers = 25, expected 0 to 24 channels"),
        (StressConfig(norm_strength=0), "norm_strength = 0, expected a factor above 0"),
        (StressConfig(residual_strength=float("nan")), "residual_strength = nan, expected 0 or more"),
        (StressConfig(residual_strength=1000), r"residual_strength = 1000, but rotations of this stream reach \d"),
    ],
)
def test_impossible_settings_are_refused(
    config: StressConfig, match: str, tiny_model: Model, tiny_images: Tensor
) -> None:
    with pytest.raises(HwsimError, match=match):
        stress(tiny_model.vit, tiny_images[:8], config)
    with pytest.raises(HwsimError, match="0 images, expected at least 1"):
        stress(tiny_model.vit, tiny_images[:0], NOTHING)


def test_a_changed_function_is_refused(tiny_model: Model, tiny_images: Tensor) -> None:
    vit = tiny_model.vit
    moved = replace(vit, head=replace(vit.head, bias=vit.head.bias + torch.eye(10)[3] * 1e-2))
    with pytest.raises(HwsimError, match="logits moved by"):
        check_same_function(vit, moved, tiny_images[:4])
    broken = replace(vit, position=vit.position * float("nan"))
    with pytest.raises(HwsimError, match="logits moved by nan"):
        check_same_function(vit, broken, tiny_images[:4])


def test_a_changed_class_is_refused_however_small_the_change(tiny_model: Model, tiny_images: Tensor) -> None:
    vit = replace(tiny_model.vit, head=Affine(weight=torch.zeros(2, 24), bias=torch.tensor([1.0, 1 + 1e-6])))
    other = replace(vit, head=replace(vit.head, bias=vit.head.bias.flip(0)))
    with pytest.raises(HwsimError, match="3 of 3 images changed class, expected none"):
        check_same_function(vit, other, tiny_images[:3])


def command(monkeypatch: pytest.MonkeyPatch, data: Path, *options: str) -> None:
    arguments = ["stress", "--model", FASHION_MNIST_VIT, "--weights", str(WEIGHTS), "--data", str(data)]
    monkeypatch.setattr(sys, "argv", [*arguments, "--images", "8", *options])
    stress_module.main()


def test_command_describes_plain_and_stressed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command(monkeypatch, CALIBRATION, "--norm-outliers", "2", "--norm-strength", "8")
    output = capsys.readouterr().out
    assert "norm_outliers=2" in output
    assert output.count("residual │") == 2


def test_command_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command(monkeypatch, Path("nowhere.npz"))
    assert stopped.value.code == 2
    assert "nowhere.npz: expected a folder of images or an .npz file" in capsys.readouterr().err
