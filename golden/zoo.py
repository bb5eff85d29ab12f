"""Make a network of the shipped zoo: quantise what was trained, measure it on the 10,000 test images, pack what ships.

``python -m golden.zoo --model NAME --weights F`` writes, under ``hwsim/zoo``:

* ``NAME/network.json`` and ``network.safetensors``: the integer network;
* ``NAME/float.safetensors`` and ``training.jsonl``: the float weights and how they were trained;
* ``fashion_mnist/test.npz``: the first 1,000 test images, their labels and, as ``top1_float_NAME``, the classes that
  the float model gives them (those of the other networks stay);
* ``fashion_mnist/calib.npz``: the training images that calibrate.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from golden.data import fashion_mnist, save_images
from golden.figures import figures_table
from golden.from_timm import load_model
from golden.method import method_config
from golden.pipeline import Measured, as_pixels, draw, measure, quantise, with_figures
from golden.shipped import FASHION_MNIST_VIT, SHIPPED, ZOO
from hwsim.network import save_network

CALIBRATION_IMAGES = 128
SHIPPED_IMAGES = 1000


def make_zoo(name: str, weights: Path, folder: Path, seed: int, console: Console) -> Measured:
    """Quantise, measure and write everything but the attribution; returns the figures."""
    model = load_model(name, weights)
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
    save_network(with_figures(quantised.network, measured), folder / name)
    shutil.copyfile(weights, folder / name / "float.safetensors")
    log = Path(f"{weights}.log.jsonl")
    if log.exists():
        shutil.copyfile(log, folder / name / "training.jsonl")
    save_images(folder / "fashion_mnist" / "calib.npz", images=calibration[..., 0])
    packed = folder / "fashion_mnist" / "test.npz"
    classes = {**float_classes(packed), f"top1_float_{name}": measured.top1_float[:SHIPPED_IMAGES]}
    save_images(packed, images=images[:SHIPPED_IMAGES], labels=labels[:SHIPPED_IMAGES], **classes)
    return measured


def float_classes(packed: Path) -> dict[str, Tensor]:
    """The float models' classes that a file holds already."""
    if not packed.exists():
        return {}
    with np.load(packed) as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files if key.startswith("top1_float_")}


def main() -> None:
    """Parse the command line and make the zoo."""
    parser = argparse.ArgumentParser(description="Quantise the trained network and pack the shipped zoo.")
    parser.add_argument("--model", choices=list(SHIPPED), default=FASHION_MNIST_VIT)
    parser.add_argument("--weights", type=Path, required=True, help="safetensors file that golden.train wrote")
    parser.add_argument("--out", type=Path, default=ZOO, help="folder to write")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    console = Console()
    console.print(figures_table(make_zoo(args.model, args.weights, args.out, args.seed, console)))


if __name__ == "__main__":
    main()
