"""Make the shipped zoo: quantise the trained network, measure it on the 10,000 test images, pack what ships.

``python -m golden.zoo --weights F`` writes, under ``hwsim/zoo``:

* ``fashion_mnist_vit/network.json`` and ``network.safetensors``: the integer network;
* ``fashion_mnist_vit/float.safetensors`` and ``training.jsonl``: the float weights and how they were trained;
* ``fashion_mnist/test.npz``: the first 1,000 test images, their labels and the float model's classes (``top1_float``);
* ``fashion_mnist/calib.npz``: the training images that calibrate.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from rich.console import Console

from golden.data import fashion_mnist, save_images
from golden.figures import figures_table
from golden.from_timm import FASHION_MNIST_VIT, load_model
from golden.method import method_config
from golden.pipeline import Measured, as_pixels, draw, measure, quantise, with_figures
from hwsim.network import save_network

ZOO = Path(__file__).parent.parent / "hwsim" / "zoo"
CALIBRATION_IMAGES = 128
SHIPPED_IMAGES = 1000


def make_zoo(weights: Path, folder: Path, seed: int, console: Console) -> Measured:
    """Quantise, measure and write everything but the attribution; returns the figures."""
    model = load_model(FASHION_MNIST_VIT, weights)
    calibration = draw(as_pixels(fashion_mnist("train")[0].numpy()), CALIBRATION_IMAGES, seed)
    with console.status("calibrating") as status:
        quantised = quantise(model, calibration, method_config("tsptq", 8, {"seed": seed}), status.update)
    images, labels = fashion_mnist("test")
    with console.status("measuring") as status:
        measured = measure(
            quantised,
            as_pixels(images.numpy()),
            labels,
            "the Fashion-MNIST test set",
            lambda mode, done: status.update(f"{mode}: {done} of {len(images)} images"),
        )
    save_network(with_figures(quantised.network, measured), folder / FASHION_MNIST_VIT)
    shutil.copyfile(weights, folder / FASHION_MNIST_VIT / "float.safetensors")
    log = Path(f"{weights}.log.jsonl")
    if log.exists():
        shutil.copyfile(log, folder / FASHION_MNIST_VIT / "training.jsonl")
    save_images(folder / "fashion_mnist" / "calib.npz", images=calibration[..., 0])
    save_images(
        folder / "fashion_mnist" / "test.npz",
        images=images[:SHIPPED_IMAGES],
        labels=labels[:SHIPPED_IMAGES],
        top1_float=measured.top1_float[:SHIPPED_IMAGES],
    )
    return measured


def main() -> None:
    """Parse the command line and make the zoo."""
    parser = argparse.ArgumentParser(description="Quantise the trained network and pack the shipped zoo.")
    parser.add_argument("--weights", type=Path, required=True, help="safetensors file that golden.train wrote")
    parser.add_argument("--out", type=Path, default=ZOO, help="folder to write")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    console = Console()
    console.print(figures_table(make_zoo(args.weights, args.out, args.seed, console)))


if __name__ == "__main__":
    main()
