"""``hwsim.flows.quantize`` from weights and images to a network folder, and each mistake as one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from safetensors.torch import save_file

from golden.from_timm import FASHION_MNIST_VIT
from golden.preprocess import load_image
from golden.train import build_model
from hwsim.errors import HwsimError
from hwsim.flows.quantize import QuantizeOptions, quantize
from hwsim.images import read_image
from hwsim.network import Preprocess, load_network


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> QuantizeOptions:
    folder = tmp_path_factory.mktemp("quantize")
    torch.manual_seed(0)
    save_file(build_model(96, 6, 3, 2.0).state_dict(), folder / "w.safetensors")
    images = np.random.default_rng(0).integers(0, 256, (12, 28, 28), dtype=np.uint8)
    np.savez(folder / "images.npz", images=images, labels=np.arange(12) % 10)
    return QuantizeOptions(
        model=FASHION_MNIST_VIT,
        weights=folder / "w.safetensors",
        calib=folder / "images.npz",
        data=folder / "images.npz",
        images=4,
        out=folder / "net",
    )


def test_from_weights_to_a_network(options: QuantizeOptions) -> None:
    console = Console(record=True, width=120)
    report = quantize(options, console)
    network = load_network(options.out)
    origin = network.manifest.origin
    assert (origin.model, origin.method, origin.bits, origin.calibration_images) == (FASHION_MNIST_VIT, "tsptq", 8, 4)
    assert origin.accuracy_images == 12
    assert origin.top1_integer == pytest.approx(report.measured.figures["integer"].top1, abs=1e-4)
    assert origin.options["calibration_data"] == "images.npz"
    assert len(origin.options["gelu_exponents"]) == 6
    assert str(options.out.parent) not in (options.out / "network.json").read_text()
    printed = console.export_text()
    for word in ("float", "paper", "integer", "top-1"):
        assert word in printed


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"method": "magic"}, "method must be tsptq, .* or repq, not 'magic'"),
        ({"bits": 9}, "bits: input should be less than or equal to 8, not 9"),
        ({"images": 0}, "images must be 1 or more, not 0"),
        ({"crop": 1.5}, "crop must be above 0 and at most 1, not 1.5"),
        ({"parts": {"channel_rule": "luck"}}, "channel_rule: input should be .*, not 'luck'"),
        ({"model": "resnet18"}, "not 'resnet18'"),
        ({"weights": Path("nothing.safetensors")}, "no weights file"),
        ({"calib": Path("nothing")}, "no such file or folder"),
        ({"data": Path("nothing")}, "no such file or folder"),
    ],
)
def test_mistakes(options: QuantizeOptions, changes: dict, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(HwsimError, match=sentence):
        quantize(replace(options, out=tmp_path / "net", **changes))
    assert not (tmp_path / "net" / "network.json").exists()


def test_out_that_is_a_file(options: QuantizeOptions, tmp_path: Path) -> None:
    (tmp_path / "net").write_text("")
    with pytest.raises(HwsimError, match="cannot be a folder"):
        quantize(replace(options, out=tmp_path / "net"))


@pytest.mark.parametrize(("mode", "size", "resize"), [("RGB", 224, 248), ("RGB", 224, 256), ("L", 28, 28)])
def test_golden_and_the_simulator_see_the_same_codes(mode: str, size: int, resize: int, tmp_path: Path) -> None:
    preprocess = Preprocess(mode=mode, size=size, resize=resize, interpolation="bicubic")
    for seed, shape in enumerate([(300, 401), (500, 333), (256, 256), (97, 61)]):
        noise = np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)
        path = tmp_path / f"{seed}.png"
        Image.fromarray(noise).save(path)
        assert np.array_equal(load_image(path, preprocess), read_image(path, preprocess))
