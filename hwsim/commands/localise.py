"""``hwsim localise``: where accuracy goes between float and hardware."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwsim.commands.exits import one_sentence
from hwsim.commands.options import EveryLayer
from hwsim.commands.outputs import say_written, write_found
from hwsim.commands.progress import stages


@one_sentence
def localise_command(
    network: Annotated[
        str | None,
        typer.Argument(help="Folder of a network, or the name of a shipped one.", show_default="fashion_mnist_vit"),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Images: an .npz file or a folder, with labels for top-1.", show_default="the shipped images"
        ),
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="At most this many (200: under a minute as shipped).")] = 200,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Float weights that the network was quantised from.",
            show_default="the shipped weights",
        ),
    ] = None,
    pretrained: Annotated[bool, typer.Option("--pretrained", help="Let timm download the float weights.")] = False,
    random_weights: Annotated[
        int | None, typer.Option(metavar="SEED", min=0, help="Float weights that were drawn with this seed.")
    ] = None,
    per_block: Annotated[
        bool,
        typer.Option("--per-block", help="Run every layer as float, not only those of the operator that costs most."),
    ] = False,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write everything as JSON.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a line a layer as CSV.")] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write tables and picture as one HTML page.")
    ] = None,
    layers: EveryLayer = False,
) -> None:
    """Find where accuracy goes: float, paper and integer mode, layer by layer, unit by unit (needs the extra 'golden').

    If one unit were float: the whole network is run with that unit computing in float from the dequantised codes before
    it and passing its result on unrounded, while all other units stay integer, bit for bit as the hardware.
    """
    from rich.console import Console

    from hwsim.flows.localise import LocaliseOptions, localise
    from hwsim.report.files import check_outputs
    from hwsim.report.localisation_page import render_localisation
    from hwsim.report.localisation_terminal import print_localisation

    check_outputs(json, csv, html)
    options = LocaliseOptions(
        network=network, data=data, images=images, weights=weights, pretrained=pretrained,
        random_weights=random_weights, per_block=per_block,
    )  # fmt: skip
    with stages() as stage:
        found = localise(options, stage)
    write_found(found, json, csv, html, render_localisation)
    print_localisation(found, Console(), every_layer=layers)
    say_written(json, csv, html)
