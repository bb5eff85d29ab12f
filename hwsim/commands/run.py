"""``hwsim run``: a network on images, its classes, cycles and energy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwsim.commands.exits import one_sentence
from hwsim.commands.options import EveryLayer, Override, Preset
from hwsim.commands.outputs import say_written
from hwsim.commands.progress import progress_bar


@one_sentence
def run_command(
    network: Annotated[
        str | None,
        typer.Argument(help="Folder of a network, or the name of a shipped one.", show_default="fashion_mnist_vit"),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="An .npz file with uint8 images (and labels), or a folder: class folders, or images whose names "
            "begin with the class index (0008_hen.jpg).",
            show_default="the shipped images",
        ),
    ] = None,
    images: Annotated[int | None, typer.Option(min=1, help="At most this many.", show_default="all")] = None,
    preset: Preset = "edge",
    overrides: Override = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the result as JSON.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as one HTML page.")] = None,
    layers: EveryLayer = False,
) -> None:
    """Run a network on images, bit for bit as the hardware: classes, cycles, energy."""
    from rich.console import Console

    from hwsim.flows.run import RunOptions, run
    from hwsim.report.files import check_outputs, write_json, write_text
    from hwsim.report.page import render_page
    from hwsim.report.terminal import print_run

    check_outputs(json, html)
    options = RunOptions(network=network, data=data, images=images, preset=preset, overrides=tuple(overrides or ()))
    with progress_bar("images") as progress:
        report = run(options, progress)
    page = render_page(report) if html is not None else ""
    if json is not None:
        write_json(json, report.as_dict())
    if html is not None:
        write_text(html, page)
    print_run(report, Console(), every_layer=layers)
    say_written(json, html)
