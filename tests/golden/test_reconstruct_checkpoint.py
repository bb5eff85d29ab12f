"""Checkpoints of the reconstruction: a run that continues ends on the same bits; files of other runs are not used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from golden.calibrate import calibrate
from golden.from_timm import Model
from golden.method import method_config
from golden.parameters import Calibrated, WeightParameters
from golden.quantizers.uniform import UniformQuantiser
from golden.reconstruct import loop
from golden.reconstruct.checkpoint import Checkpoints, fingerprint
from golden.reconstruct.config import ReconstructionConfig

CONFIG = ReconstructionConfig(iterations=6, images=16, batch=4, rounding_rate=2.5, step_rate=0.03)
MODULES = ["blocks.0.attn", "blocks.0.mlp", "blocks.1.attn", "blocks.1.mlp"]


class Run:
    """A reconstruction of the tiny network that counts the modules it has to optimise."""

    def __init__(self, low: Calibrated, images: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
        self.low, self.images = low, images
        self.optimised: list[str] = []
        self.reports: list[str] = []
        self.fail_at: str | None = None
        optimise = loop.optimise

        def counted(student, *rest):
            if student.branch.name == self.fail_at:
                raise KeyboardInterrupt
            self.optimised.append(student.branch.name)
            return optimise(student, *rest)

        monkeypatch.setattr(loop, "optimise", counted)

    def __call__(self, folder: Path | None, config: ReconstructionConfig = CONFIG) -> Calibrated:
        self.optimised.clear()
        self.reports.clear()
        return loop.reconstruct(self.low, self.images, config, self.reports.append, folder)


@pytest.fixture(scope="module")
def low(tiny_model: Model, tiny_images: Tensor) -> Calibrated:
    return calibrate(tiny_model.vit, tiny_images[:16], method_config("tsptq", 4), lambda _: None)


@pytest.fixture
def run(low: Calibrated, tiny_images: Tensor, monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(low, tiny_images[:16], monkeypatch)


def assert_same(a: Calibrated, b: Calibrated) -> None:
    for name, found in a.weights.items():
        assert torch.equal(found.codes, b.weights[name].codes), name
        assert torch.equal(found.scale, b.weights[name].scale), name
    for name, quantiser in a.activations.items():
        other = b.activations[name]
        assert quantiser.format == other.format
        if isinstance(quantiser, UniformQuantiser):
            assert isinstance(other, UniformQuantiser)
            assert torch.equal(quantiser.scale, other.scale), name


def test_a_run_continues_after_the_last_finished_module(run: Run, tmp_path: Path) -> None:
    whole = run(None)
    assert run.optimised == MODULES
    run.fail_at = MODULES[2]
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{name}.safetensors" for name in MODULES[:2]]
    run.fail_at = None
    assert_same(run(tmp_path), whole)
    assert run.optimised == MODULES[2:]
    assert_same(run(tmp_path), whole)
    assert run.optimised == []


@pytest.mark.parametrize("what", ["config", "weights", "activations", "vit", "images"])
def test_files_of_another_run_are_not_used(run: Run, tmp_path: Path, what: str) -> None:
    run(tmp_path)
    config = CONFIG
    if what == "config":
        config = CONFIG.model_copy(update={"seed": 1})
    if what == "weights":
        changed = replace(run.low.weights["head"], scale=run.low.weights["head"].scale * 2)
        run.low = replace(run.low, weights={**run.low.weights, "head": changed})
    if what == "activations":
        quantiser = run.low.activations["norm"]
        assert isinstance(quantiser, UniformQuantiser)
        run.low = replace(run.low, activations={**run.low.activations, "norm": quantiser.scaled(2.0)})
    if what == "vit":
        vit = replace(run.low.vit, class_token=run.low.vit.class_token + 1)
        run.low = replace(run.low, vit=vit)
    if what == "images":
        run.images = run.images.flip(0)
    found = run(tmp_path, config)
    assert run.optimised == MODULES
    told = [r for r in run.reports if "was made with other settings, parameters or images" in r]
    assert [r.split("safetensors: ")[0].endswith(f"{name}.") for r, name in zip(told, MODULES, strict=True)] == [
        True
    ] * 4
    assert_same(run(tmp_path, config), found)
    assert run.optimised == []


def test_a_file_that_cannot_be_read_is_made_anew(run: Run, tmp_path: Path) -> None:
    whole = run(tmp_path)
    path = tmp_path / f"{MODULES[1]}.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    assert_same(run(tmp_path), whole)
    assert run.optimised == [MODULES[1]]
    assert any(str(path) in r and "cannot be read" in r for r in run.reports)


def test_nothing_but_the_files_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    checkpoints = Checkpoints(folder, "key", lambda _: None)
    assert checkpoints.load("a") is None
    checkpoints.save("a", {"x": torch.arange(3)})
    assert [p.name for p in folder.iterdir()] == ["a.safetensors"]
    found = checkpoints.load("a")
    assert found is not None
    assert torch.equal(found["x"], torch.arange(3))


def test_fingerprints_tell_values_apart() -> None:
    values = [
        torch.zeros(2), torch.zeros(2, dtype=torch.int32), torch.zeros(2, 1), torch.tensor([0.0, 1.0]),
        np.zeros(2, np.int8), {"a": 1}, {"b": 1}, {"a": 2}, [1, 2], (2, 1), "1", 1, 1.0, True, None, CONFIG,
        WeightParameters(codes=torch.zeros(1, 1), scale=torch.ones(1), bits=8),
        WeightParameters(codes=torch.zeros(1, 1), scale=torch.ones(1), bits=4),
        WeightParameters(codes=torch.zeros(1, 1), scale=torch.zeros(1), bits=8),
    ]  # fmt: skip
    assert len({fingerprint(value) for value in values}) == len(values)
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint(1, 2) != fingerprint(2, 1)


def test_a_fingerprint_of_anything_else_is_refused() -> None:
    with pytest.raises(TypeError, match="SimpleNamespace"):
        fingerprint(SimpleNamespace())
