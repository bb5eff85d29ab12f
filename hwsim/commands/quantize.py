"""``hwsim quantize``: from a float network to an integer network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwsim.commands.exits import one_sentence
from hwsim.commands.options import Device


@one_sentence
def quantize_command(
    model: Annotated[str, typer.Option(help="fashion_mnist_vit, or a vit_*, deit_* or swin_* name of timm.")],
    calib: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="Calibration images: a folder, an .npz file or fashion_mnist (shipped)."),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to write the integer network.")],
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights: safetensors, .pth or .pt with timm's key names.")
    ] = None,
    pretrained: Annotated[bool, typer.Option("--pretrained", help="Let timm download the weights.")] = False,
    random_weights: Annotated[
        int | None, typer.Option(metavar="SEED", min=0, help="Random weights of the real shapes, to try things out.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(("tsptq", "adfq", "dopq", "minmax", "percentile", "omse", "ptq4vit", "fqvit", "repq")),
            help="Whose choices to begin with.",
            show_default="tsptq",
        ),
    ] = None,
    bits: Annotated[
        int | None, typer.Option(metavar="3..8", help="Bits of weights and activations.", show_default="8")
    ] = None,
    parts: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PART=VALUE", help="Change a part of the method; may be repeated."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YAML file of parts, method and bits among them.")
    ] = None,
    reconstruct: Annotated[
        bool, typer.Option("--reconstruct", help="Learn how weights are rounded (AdaRound; minutes to an hour).")
    ] = False,
    images: Annotated[int, typer.Option(help="Calibration images, drawn with the seed.")] = 32,
    seed: Annotated[int, typer.Option(help="Seed of the draw and of the calibration.")] = 0,
    data: Annotated[
        Path | None,
        typer.Option(help="Images to measure on: a folder, an .npz file or fashion_mnist, with labels for top-1."),
    ] = None,
    crop: Annotated[
        float | None, typer.Option(help="Share of the resized image that the crop keeps.", show_default="timm's own")
    ] = None,
    device: Device = "cpu",
) -> None:
    """Quantise a vision transformer of timm into an integer network (needs the extra 'golden': PyTorch and timm)."""
    from hwsim.flows.method_options import choose_method
    from hwsim.flows.quantize import QuantizeOptions, quantize

    chosen = choose_method(method, bits, config, parts or (), reconstruct)
    quantize(
        QuantizeOptions(
            model=model, calib=calib, out=out, weights=weights, pretrained=pretrained, random_weights=random_weights,
            method=chosen.method, bits=chosen.bits, parts=chosen.parts, images=images, seed=seed, data=data, crop=crop,
            device=device,
        )
    )  # fmt: skip
