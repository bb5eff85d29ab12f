"""``hwsim.flows.quantize`` from weights and images to a network folder, and each mistake as one sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from safetensors.torch import save_file

from golden.from_timm import load_model
from golden.pipeline import as_pixels
from golden.preprocess import load_image
from golden.shipped import FASHION_MNIST_VIT, build_model
from hwsim.errors import HwsimError
from hwsim.flows.quantize import QuantizeOptions, quantize
from hwsim.flows.quantize_inputs import PixelBatches, calibration_images, images_to_measure
from hwsim.images import read_image
from hwsim.network import Preprocess, load_network


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> QuantizeOptions:
    folder = tmp_path_factory.mktemp("quantize")
    torch.manual_seed(0)
    save_file(build_model(FASHION_MNIST_VIT).state_dict(), folder / "w.safetensors")
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
    assert origin.options["float_weights"] == "w.safetensors"
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
        ({"weights": None, "pretrained": True}, "timm has no weights of fashion_mnist_vit"),
        ({"random_weights": 0}, "needs one of --weights FILE, --pretrained and --random-weights SEED, not 2"),
        ({"images": 13}, "images.npz: has 12 images, but --images asks for 13 to calibrate with"),
        ({"calib": Path("fashion_mnist"), "images": 129}, "fashion_mnist: has 128 images, but --images asks for 129"),
    ],
)
def test_mistakes(options: QuantizeOptions, changes: dict, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(HwsimError, match=sentence):
        quantize(replace(options, out=tmp_path / "net", **changes))
    assert not (tmp_path / "net" / "network.json").exists()


def test_shipped_images_and_random_weights(options: QuantizeOptions, tmp_path: Path) -> None:
    shipped = Path("fashion_mnist")
    report = quantize(
        replace(options, weights=None, random_weights=7, calib=shipped, data=None, images=2, out=tmp_path / "net")
    )
    assert report.network.manifest.origin.options["float_weights"] == "random, seed 7"
    assert report.network.manifest.origin.options["calibration_data"] == "fashion_mnist"
    model = load_model(FASHION_MNIST_VIT)
    assert len(images_to_measure(shipped, model)) == 1000
    assert len(calibration_images(shipped, 128, 0, model)) == 128


def test_calibration_images_are_drawn_from_a_folder_of_some_classes(tmp_path: Path) -> None:
    model = load_model(FASHION_MNIST_VIT)
    for index in range(6):
        path = tmp_path / f"n0{index % 2}" / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((28, 28), index, np.uint8)).save(path)
    drawn = [calibration_images(tmp_path, 3, seed, model) for seed in (0, 0, 1)]
    assert drawn[0].shape == (3, 28, 28, 1)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert len(drawn[0].unique()) == 3


def test_measuring_in_batches_is_measuring_at_once(tmp_path: Path) -> None:
    model = load_model(FASHION_MNIST_VIT)
    for index in range(5):
        Image.fromarray(np.full((28, 28), index, np.uint8)).save(tmp_path / f"{index}_a.png")
    source = images_to_measure(tmp_path, model)
    batches = list(PixelBatches(source).split(2))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert torch.equal(torch.cat(batches), as_pixels(source.read(range(5))))
    assert len(PixelBatches(source)) == 5


def broken_image(folder: Path) -> None:
    (folder / "1_b.png").write_text("this is text")


def class_out_of_range(folder: Path) -> None:
    Image.new("L", (28, 28)).save(folder / "10_b.png")


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (broken_image, r"1_b\.png: not a readable image"),
        (class_out_of_range, "labels must be 0 to 9 for this network, not 10"),
    ],
)
def test_images_to_measure_are_checked_before_the_work(
    break_it: Callable[[Path], None], sentence: str, options: QuantizeOptions, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("L", (28, 28)).save(folder / "0_a.png")
    break_it(folder)
    with pytest.raises(HwsimError, match=sentence):
        quantize(replace(options, data=folder, out=tmp_path / "net"))


def test_an_image_that_was_drawn_and_cannot_be_read(options: QuantizeOptions, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(HwsimError, match=r"a\.jpg: not a readable image"):
        quantize(replace(options, calib=tmp_path, images=1, out=tmp_path / "net"))


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
