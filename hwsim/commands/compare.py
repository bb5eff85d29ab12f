"""``hwsim compare``: the papers' table for one's own model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from hwsim.commands.exits import EXIT_DIFFERENT, one_sentence
from hwsim.commands.options import Device, Override, Preset, Scheduler
from hwsim.commands.outputs import say_written, write_found

Models = Annotated[
    list[str] | None,
    typer.Option("--models", metavar="NAME,...", show_default="fashion_mnist_vit",
                 help="fashion_mnist_vit, vit_*, deit_* or swin_* names of timm."),
]  # fmt: skip
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--methods", metavar="METHOD[:PART=VALUE,...],...", show_default="tsptq,adfq,dopq",
        help="Methods, each with parts of it changed: tsptq,dopq:softmax=tanq_c,gelu=uniform,adfq changes two parts of "
        "dopq. May be repeated.",
    ),
]  # fmt: skip
Bits = Annotated[
    list[str] | None,
    typer.Option("--bits", metavar="BITS,...", help="Bits of weights and activations.", show_default="8,6,4"),
]
Data = Annotated[
    list[str] | None,
    typer.Option("--data", metavar="[MODEL=]PATH", show_default="the shipped images",
                 help="Images to measure on: a folder or an .npz file, with labels for top-1."),
]  # fmt: skip
Calib = Annotated[
    list[str] | None,
    typer.Option("--calib", metavar="[MODEL=]PATH", show_default="the shipped images", help="Calibration images."),
]
Weights = Annotated[
    list[str] | None,
    typer.Option("--weights", metavar="[MODEL=]FILE", show_default="the shipped weights",
                 help="Weights: safetensors, .pth or .pt with timm's key names."),
]  # fmt: skip


@one_sentence
def compare_command(
    models: Models = None,
    methods: Methods = None,
    bits: Bits = None,
    data: Data = None,
    calib: Calib = None,
    weights: Weights = None,
    pretrained: Annotated[bool, typer.Option("--pretrained", help="Let timm download weights.")] = False,
    random_weights: Annotated[
        int | None, typer.Option(metavar="SEED", min=0, help="Random weights of the real shapes, to try things out.")
    ] = None,
    crop: Annotated[
        float | None, typer.Option(help="Share of the resized image that the crop keeps.", show_default="timm's own")
    ] = None,
    images: Annotated[int | None, typer.Option(min=1, help="Measure on at most this many.", show_default="all")] = None,
    calib_images: Annotated[int, typer.Option(min=1, help="Calibration images, drawn with the seed.")] = 32,
    seed: Annotated[int, typer.Option(help="Seed of the draw and of the calibration.")] = 0,
    reconstruct: Annotated[
        bool, typer.Option("--reconstruct", help="Learn how weights are rounded (AdaRound; minutes to an hour a cell).")
    ] = False,
    stress: Annotated[
        bool, typer.Option("--stress", help="First make channels differ as DeiT's do; no float logit changes.")
    ] = False,
    device: Device = "cpu",
    preset: Preset = "edge",
    overrides: Override = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Worker processes.", show_default="half as many as cores; on CUDA 1")
    ] = None,
    scheduler: Scheduler = None,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Finished cells are kept here, and the next call goes on from them.")
    ] = Path("build/compare"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute finished cells again.")] = False,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table as JSON.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table as CSV.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table as one HTML page.")] = None,
) -> None:
    """Compare methods and widths: accuracy, size, cycles, energy, gates (needs the extra 'golden')."""
    from rich.console import Console

    from hwsim.flows.compare import compare
    from hwsim.flows.compare_options import CompareOptions
    from hwsim.report.comparison_page import render_comparison
    from hwsim.report.comparison_terminal import print_comparison, watch
    from hwsim.report.files import check_outputs

    check_outputs(json, csv, html)
    lists = {"models": models, "methods": methods, "bits": bits, "data": data, "calib": calib, "weights": weights}
    options = CompareOptions(
        **{key: tuple(given) for key, given in lists.items() if given},
        pretrained=pretrained, random_weights=random_weights, crop=crop, images=images, calib_images=calib_images,
        seed=seed, reconstruct=reconstruct, stress=stress, device=device, preset=preset,
        overrides=tuple(overrides or ()), jobs=jobs, scheduler=scheduler, out=out, fresh=fresh,
    )  # fmt: skip
    with watch(Console(stderr=True)) as watcher:
        found = compare(options, watcher)
    write_found(found, json, csv, html, render_comparison)
    print_comparison(found, Console())
    say_written(json, csv, html)
    if all(row.found is None for row in found.rows):
        sys.exit(EXIT_DIFFERENT)
