"""What ships: the float weights give the stored predictions, the network says how it was made and how well it does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from golden import data as golden_data
from golden.from_timm import load_model
from golden.integer import IntegerModel
from golden.shipped import FASHION_MNIST_VIT, SHIPPED, ZOO
from golden.vit import forward
from golden.zoo import float_classes
from hwsim.flows.shipped import SHIPPED_SETS, shipped_networks
from hwsim.network import load_network

WEIGHTS_BYTES_MAX = {FASHION_MNIST_VIT: 2_000_000}
TOP1_FLOAT_MIN = {FASHION_MNIST_VIT: 90.0}
each_network = pytest.mark.parametrize("name", SHIPPED)


def test_the_tables_name_the_shipped_networks() -> None:
    assert set(SHIPPED) == set(SHIPPED_SETS) == set(shipped_networks())
    assert {f"top1_float_{name}" for name in SHIPPED} == set(float_classes(ZOO / "fashion_mnist" / "test.npz"))


@each_network
def test_float_model_gives_the_stored_predictions(name: str) -> None:
    vit = load_model(name).vit
    with np.load(ZOO / "fashion_mnist" / "test.npz") as data:
        images, stored = torch.from_numpy(data["images"])[..., None], data[f"top1_float_{name}"]
    with torch.inference_mode():
        classes = torch.cat([forward(vit, images[i : i + 100]).argmax(1) for i in range(0, len(images), 100)])
    assert len(stored) == 1000
    assert (classes.numpy() == stored).all()


def test_a_packed_split_begins_with_the_shipped_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "new" / "all.npz"
    monkeypatch.setattr("sys.argv", ["golden.data", "test", str(out)])
    golden_data.main()
    with np.load(out) as packed, np.load(ZOO / "fashion_mnist" / "test.npz") as shipped:
        assert packed["images"].shape == (10_000, 28, 28)
        for key in ("images", "labels"):
            assert (packed[key][:1000] == shipped[key]).all()
    assert [path.name for path in out.parent.iterdir()] == ["all.npz"]


@each_network
def test_integer_mode_keeps_the_float_accuracy_on_the_shipped_images(name: str) -> None:
    with np.load(ZOO / "fashion_mnist" / "test.npz") as data:
        images, labels = torch.from_numpy(data["images"])[..., None], data["labels"]
        stored = data[f"top1_float_{name}"]
    model = IntegerModel(load_network(ZOO / name))
    classes = torch.cat([model(images[i : i + 100]).argmax(1) for i in range(0, len(images), 100)]).numpy()
    assert (classes == labels).sum() >= (stored == labels).sum() - 10  # a point of 1,000 images; 0.5 on all 10,000
    assert (classes == stored).mean() >= 0.97


@each_network
def test_recorded_figures_keep_the_promises(name: str) -> None:
    origin = load_network(ZOO / name).manifest.origin
    assert origin.accuracy_images == 10_000
    assert origin.top1_float is not None
    assert origin.top1_integer is not None
    assert origin.top1_float >= TOP1_FLOAT_MIN[name]
    assert origin.top1_float - origin.top1_integer <= 0.5


@each_network
def test_training_log_ends_with_the_shipped_accuracy(name: str) -> None:
    rows = [json.loads(line) for line in (ZOO / name / "training.jsonl").read_text().splitlines()]
    config = rows[0]["config"]
    assert rows[-1]["epoch"] == config["epochs"] == len(rows) - 1
    origin = load_network(ZOO / name).manifest.origin
    assert rows[-1]["test_top1"] == pytest.approx(origin.top1_float, abs=0.02)


@each_network
def test_float_weights_are_small(name: str) -> None:
    assert (ZOO / name / "float.safetensors").stat().st_size <= WEIGHTS_BYTES_MAX[name]


def test_calibration_images_come_from_elsewhere_than_the_test_images() -> None:
    with np.load(ZOO / "fashion_mnist" / "calib.npz") as calib, np.load(ZOO / "fashion_mnist" / "test.npz") as test:
        seen = {image.tobytes() for image in calib["images"]}
        assert len(calib["images"]) == 128
        assert not seen & {image.tobytes() for image in test["images"]}
