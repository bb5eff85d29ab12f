"""What methods keep of the float network on calibration images that were held out: how options are chosen.

``python -m benchmarks.held_out --weights FILE --calib FOLDER METHOD:BITS[:PART=VALUE]...`` calibrates DeiT-Tiny on 32
images of the folder and compares it with float on the others, so that no choice is made on images that a table reports.
With ``--pool N``, N images (the 32 among them) are for calibration and reconstruction, and the rest is held out.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from golden.from_timm import Model, load_model
from golden.integer import IntegerModel
from golden.measure import compare, predict
from golden.method import MethodConfig, method_config
from golden.paper import PaperModel
from golden.pipeline import Quantised, Reconstruction, as_pixels, quantise
from golden.vit import forward
from hwsim.flows.method_options import parse_part
from hwsim.images import load_images

CALIBRATION_IMAGES = 32
BATCH = 16


@dataclass(frozen=True, kw_only=True)
class Split:
    """The images of a folder in an order drawn with a seed, uint8[n, H, W, C] each."""

    calibration: Tensor
    pool: Tensor
    held_out: Tensor


def split(images: Tensor, pool: int, seed: int) -> Split:
    """The first images of the order calibrate, the first ``pool`` reconstruct, those behind them are held out."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    first, more, rest = (part.sort().values for part in (order[:CALIBRATION_IMAGES], order[:pool], order[pool:]))
    return Split(calibration=images[first], pool=images[more], held_out=images[rest])


def parse(text: str) -> MethodConfig:
    """``dopq:4:weights=search``: method, bits and parts."""
    method, bits, *parts = text.split(":")
    return method_config(method, int(bits), dict(map(parse_part, parts)))


def rows(model: Model, images: Split, specs: list[str]) -> Iterator[str]:
    """Markdown of one table row a specification."""
    yield f"| method, {len(images.held_out)} images | KL paper | KL integer | agree paper | agree integer | seconds |"
    yield "|---|---|---|---|---|---|"
    reference = _logits(lambda x: forward(model.vit, x), images.held_out)
    for spec in specs:
        begin = time.perf_counter()
        made = quantise(
            model, images.calibration, parse(spec), lambda _: None, reconstruction=Reconstruction(images=images.pool)
        )
        seconds = time.perf_counter() - begin
        paper, integer = (compare(logits, reference, None) for logits in _both(made, images.held_out))
        cells = (f"{paper.kl:.4f}", f"{integer.kl:.4f}", f"{paper.agreement:.1f}", f"{integer.agreement:.1f}")
        yield f"| `{spec}` | {' | '.join(cells)} | {seconds:.0f} |"


def _both(made: Quantised, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits in paper and in integer mode."""
    scale = made.network.tensor(made.network.manifest.logits).scale
    return _logits(PaperModel(made.calibrated), images), _logits(IntegerModel(made.network), images) * scale


def _logits(model: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    return predict({"": model}, images, BATCH, lambda *_: None)[""]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specs", nargs="+", metavar="METHOD:BITS[:PART=VALUE]...")
    parser.add_argument("--model", default="deit_tiny_patch16_224")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--calib", type=Path, required=True)
    parser.add_argument("--pool", type=int, default=CALIBRATION_IMAGES)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    model = load_model(options.model, options.weights)
    pixels = as_pixels(load_images(options.calib, model.preprocess, model.classes).pixels)
    for line in rows(model, split(pixels, options.pool, options.seed), options.specs):
        print(line, flush=True)


if __name__ == "__main__":
    main()
