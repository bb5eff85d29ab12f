"""``hwsim quantize``: from a float network to an integer network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from hwsim.commands.exits import one_sentence
from hwsim.commands.options import Device, Preset
from hwsim.errors import HwsimError

BITS_MAX = 8
"""What a codesign without a limit is checked with."""


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
            metavar="|".join(
                ("tsptq", "adfq", "dopq", "minmax", "percentile", "omse", "ptq4vit", "fqvit", "repq", "codesign")
            ),
            help="Whose choices to begin with; codesign chooses for each tensor, within a budget.",
            show_default="tsptq",
        ),
    ] = None,
    bits: Annotated[
        int | None,
        typer.Option(
            metavar="3..8", help="Bits of weights and activations; codesign: their averages.", show_default="8"
        ),
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
    budget_energy: Annotated[
        float | None, typer.Option(metavar="UJ", help="codesign: at most so many microjoules an image.")
    ] = None,
    budget_cycles: Annotated[
        float | None, typer.Option(metavar="CYCLES", help="codesign: at most so many cycles an image.")
    ] = None,
    budget_area: Annotated[
        float | None,
        typer.Option(metavar="NAND2", help="codesign: at most so many gates of decoders and encoders (Yosys)."),
    ] = None,
    preset: Preset = "edge",
    tables: Annotated[
        Path, typer.Option(metavar="FOLDER", help="codesign: errors and prices are kept here for the next budget.")
    ] = Path("build/codesign"),
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="codesign: write the choice as JSON.")] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="codesign: write picture and tables as one HTML page.")
    ] = None,
) -> None:
    """Quantise a vision transformer of timm into an integer network (needs the extra 'golden': PyTorch and timm)."""
    from hwsim.flows.codesign import METHOD, CodesignOptions
    from hwsim.flows.method_options import choose_method
    from hwsim.flows.quantize import QuantizeOptions, quantize
    from hwsim.report.codesign import Budgets
    from hwsim.report.files import check_outputs, write_json, write_text

    chosen = choose_method(method, bits, config, parts or (), reconstruct)
    check_outputs(json, html)
    budgets = Budgets(energy_uj=budget_energy, cycles=budget_cycles, area_nand2=budget_area)
    codesign = None
    if chosen.method == METHOD:
        codesign = CodesignOptions(budgets=replace(budgets, bits=chosen.bits), preset=preset, tables=tables)
    elif budgets.given() or json or html:
        raise HwsimError("--budget-energy, --budget-cycles, --budget-area, --json, --html: go with --method codesign")
    done = quantize(
        QuantizeOptions(
            model=model, calib=calib, out=out, weights=weights, pretrained=pretrained, random_weights=random_weights,
            method=chosen.method, bits=chosen.bits or BITS_MAX, parts=chosen.parts, images=images, seed=seed,
            data=data, crop=crop, device=device, codesign=codesign,
        )
    )  # fmt: skip
    if json is not None and done.codesign is not None:
        write_json(json, done.codesign.as_dict())
    if html is not None and done.codesign is not None:
        from hwsim.report.codesign_page import render_codesign

        write_text(html, render_codesign(done.codesign))
