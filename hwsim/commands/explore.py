"""``hwsim explore``: a preset's keys against cycles, energy, area and accuracy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from hwsim.commands.exits import EXIT_DIFFERENT, one_sentence
from hwsim.commands.options import Override, Preset, Scheduler
from hwsim.commands.outputs import say_written, write_found
from hwsim.commands.progress import progress_bar


@one_sentence
def explore_command(
    vary: Annotated[
        list[str],
        typer.Option(
            "--vary", metavar="KEY=A,B,C", help="Values of a key of the preset; repeat it for a grid of keys."
        ),
    ],
    networks: Annotated[
        list[str] | None,
        typer.Option(
            "--networks",
            metavar="NAME,...",
            show_default="fashion_mnist_vit",
            help="Folders of networks, shipped names, or deit_ and vit_{tiny,small,base}_patch16_224 with random "
            "weights.",
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="[NETWORK=]PATH",
            show_default="the shipped images",
            help="Images whose operands the energy is of: a folder or an .npz file.",
        ),
    ] = None,
    images: Annotated[int, typer.Option(min=0, help="So many of them; 0 counts no energy, and reads no image.")] = 8,
    preset: Preset = "edge",
    overrides: Override = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Worker processes on this machine.", show_default="the number of cores")
    ] = None,
    scheduler: Scheduler = None,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Finished points are kept here, and the next call goes on from them.")
    ] = Path("build/explore"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute finished points again.")] = False,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all points as JSON.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all points as CSV.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write picture and table as one HTML page.")] = None,
    every_point: Annotated[bool, typer.Option("--all", help="Show every point, not the Pareto ones only.")] = False,
) -> None:
    """Explore accelerators: cycles, energy and area of a grid of a preset's keys (needs the extra 'explore').

    Top-1 is the one that the network's file records: no key of a preset changes an integer. Area is an estimate.
    """
    from rich.console import Console

    from hwsim.flows.explore import explore
    from hwsim.flows.explore_options import ExploreOptions
    from hwsim.report.exploration_page import render_exploration
    from hwsim.report.exploration_terminal import print_exploration
    from hwsim.report.files import check_outputs

    check_outputs(json, csv, html)
    lists = {"networks": networks, "data": data}
    options = ExploreOptions(
        vary=tuple(vary), **{key: tuple(given) for key, given in lists.items() if given}, images=images, preset=preset,
        overrides=tuple(overrides or ()), jobs=jobs, scheduler=scheduler, out=out, fresh=fresh,
    )  # fmt: skip
    with progress_bar("points") as progress:
        found = explore(options, progress)
    write_found(found, json, csv, html, render_exploration)
    print_exploration(found, Console(), every_point=every_point)
    say_written(json, csv, html)
    if all(point.figures is None for point in found.points):
        sys.exit(EXIT_DIFFERENT)
