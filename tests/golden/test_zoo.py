"""What ships: the float weights give the stored predictions, the network says how it was made and how well it does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import hwsim
from golden import data as golden_data
from golden.from_timm import FASHION_MNIST_VIT, load_model
from golden.integer import IntegerModel
from golden.vit import forward
from hwsim.network import load_network

ZOO = Path(hwsim.__file__).parent / "zoo"
WEIGHTS_BYTES_MAX = 2_000_000


def test_float_model_gives_the_stored_predictions() -> None:
    vit = load_model(FASHION_MNIST_VIT, ZOO / "fashion_mnist_vit" / "float.safetensors").vit
    with np.load(ZOO / "fashion_mnist" / "test.npz") as data:
        images, stored = torch.from_numpy(data["images"])[..., None], data["top1_float"]
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
        for name in ("images", "labels"):
            assert (packed[name][:1000] == shipped[name]).all()
    assert [path.name for path in out.parent.iterdir()] == ["all.npz"]


def test_integer_mode_keeps_the_float_accuracy_on_the_shipped_images() -> None:
    with np.load(ZOO / "fashion_mnist" / "test.npz") as data:
        images, labels, stored = torch.from_numpy(data["images"])[..., None], data["labels"], data["top1_float"]
    model = IntegerModel(load_network(ZOO / "fashion_mnist_vit"))
    classes = torch.cat([model(images[i : i + 100]).argmax(1) for i in range(0, len(images), 100)]).numpy()
    assert (classes == labels).sum() >= (stored == labels).sum() - 10  # a point of 1,000 images; 0.5 on all 10,000
    assert (classes == stored).mean() >= 0.97


def test_recorded_figures_keep_the_promises() -> None:
    origin = load_network(ZOO / "fashion_mnist_vit").manifest.origin
    assert origin.accuracy_images == 10_000
    assert origin.top1_float is not None
    assert origin.top1_integer is not None
    assert origin.top1_float >= 90.0
    assert origin.top1_float - origin.top1_integer <= 0.5


def test_training_log_ends_with_the_shipped_accuracy() -> None:
    rows = [json.loads(line) for line in (ZOO / "fashion_mnist_vit" / "training.jsonl").read_text().splitlines()]
    config = rows[0]["config"]
    assert rows[-1]["epoch"] == config["epochs"] == len(rows) - 1
    origin = load_network(ZOO / "fashion_mnist_vit").manifest.origin
    assert rows[-1]["test_top1"] == pytest.approx(origin.top1_float, abs=0.02)


def test_float_weights_are_small() -> None:
    assert (ZOO / "fashion_mnist_vit" / "float.safetensors").stat().st_size <= WEIGHTS_BYTES_MAX


def test_calibration_images_come_from_elsewhere_than_the_test_images() -> None:
    with np.load(ZOO / "fashion_mnist" / "calib.npz") as calib, np.load(ZOO / "fashion_mnist" / "test.npz") as test:
        seen = {image.tobytes() for image in calib["images"]}
        assert len(calib["images"]) == 128
        assert not seen & {image.tobytes() for image in test["images"]}
