"""DeiT-Tiny whole on the 16x16 array in Verilog: ``make verify-deit [WEIGHTS=F IMAGES=DIR]``.

With weights and images (a folder with ``calib/`` and ``val/``) the network is quantised first, unless its folder is
there, and the class must be right at the end; without them the weights are random and of the real shapes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.console import Console

from hwsim.errors import HwsimError
from hwsim.flows.explore_shapes import random_pixels, shape_network
from hwsim.flows.quantize import QuantizeOptions, quantize
from hwsim.flows.verify import VerifyOptions, verify
from hwsim.network import JSON_NAME, save_network
from hwsim.report.files import write_json
from hwsim.report.verification import print_verification, verification_dict

MODEL = "deit_tiny_patch16_224"
BUILD = Path("build")


def real_network(weights: Path, images: Path) -> tuple[Path, Path]:
    """Folder of the quantised network, made where it is missing, and of the images to run."""
    out = BUILD / MODEL
    if not (out / JSON_NAME).is_file():
        print(f"quantising {MODEL} into {out} ...", file=sys.stderr)
        quantize(QuantizeOptions(model=MODEL, weights=weights, calib=images / "calib", out=out))
    return out, images / "val"


def random_weights() -> tuple[Path, Path]:
    """Folder of a random network of DeiT-Tiny's shape, and a file with one random image."""
    out, data = BUILD / f"{MODEL}-random", BUILD / f"{MODEL}-random.npz"
    network = shape_network(MODEL)
    save_network(network, out)
    np.savez(data, images=random_pixels(network, 1))
    return out, data


def main() -> int:
    """Verify; 1 where anything differs or the class is wrong, 2 for a mistake in the input."""
    parser = argparse.ArgumentParser(description="Run DeiT-Tiny on the Verilog and compare every byte and cycle.")
    parser.add_argument("--weights", type=Path, help="safetensors file of deit_tiny_patch16_224")
    parser.add_argument("--images", type=Path, help="folder with calib/ and val/")
    parser.add_argument("--trace", choices=("all", "none"), default="all")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    real = args.weights is not None and args.images is not None
    try:
        network, data = real_network(args.weights, args.images) if real else random_weights()
        found = verify(VerifyOptions(network=str(network), data=data, preset="edge", trace=args.trace))
    except HwsimError as error:
        print(f"verify_deit: {error}", file=sys.stderr)
        return 2
    print_verification(found, Console())
    if args.json is not None:
        write_json(args.json, verification_dict(found))
    right = not real or all(one.label == one.class_name for one in found.comparisons)
    return 0 if found.equal and right else 1


if __name__ == "__main__":
    sys.exit(main())
