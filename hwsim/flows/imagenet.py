"""DeiT-Tiny on ImageNet images of your own: ``make imagenet WEIGHTS=F IMAGES=DIR``, DIR with ``calib/`` and ``val/``.

Quantises with TSPTQ-ViT at 8 bits on 32 images of ``calib/`` and measures float, paper and integer mode on ``val/``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hwsim.errors import HwsimError
from hwsim.flows.quantize import QuantizeOptions, quantize

MODEL = "deit_tiny_patch16_224"


def main() -> None:
    """Parse the command line and quantise; a mistake is one sentence and exit status 2."""
    parser = argparse.ArgumentParser(description="Quantise DeiT-Tiny and measure it on ImageNet images.")
    parser.add_argument("--weights", type=Path, required=True, help="safetensors file of deit_tiny_patch16_224")
    parser.add_argument("--images", type=Path, required=True, help="folder with calib/ and val/")
    parser.add_argument("--out", type=Path, default=Path("build") / MODEL, help="folder of the network")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    options = QuantizeOptions(
        model=MODEL,
        weights=args.weights,
        calib=args.images / "calib",
        data=args.images / "val",
        out=args.out,
        seed=args.seed,
    )
    try:
        quantize(options)
    except HwsimError as error:
        print(f"hwsim: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
