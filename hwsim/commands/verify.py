"""``hwsim verify``: the same program on the model and on the Verilog."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from hwsim.commands.exits import EXIT_DIFFERENT, one_sentence
from hwsim.commands.options import Override, Preset
from hwsim.commands.progress import stages


@one_sentence
def verify_command(
    network: Annotated[
        str | None,
        typer.Argument(help="Folder of a network, or the name of a shipped one.", show_default="fashion_mnist_vit"),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Images: an .npz file or a folder.", show_default="the shipped images")
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="How many.")] = 1,
    sim: Annotated[str, typer.Option(metavar="icarus|verilator", help="Simulator of the Verilog.")] = "verilator",
    preset: Preset = "edge",
    overrides: Override = None,
    trace: Annotated[
        str, typer.Option(metavar="all|none", help="all: first a program that stores every instruction's result.")
    ] = "all",
    latency: Annotated[int, typer.Option(min=0, max=1000, help="Cycles of DRAM to a burst's first beat.")] = 20,
    stall: Annotated[int, typer.Option(min=0, max=255, help="Share of delayed beats, in 1/256.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of DRAM's delays.")] = 0,
    waves: Annotated[
        Path | None,
        typer.Option(metavar="FILE.fst", help="Record all waves.", show_default="mismatch.fst where one is found"),
    ] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write what was found as JSON.")] = None,
) -> None:
    """Run the same program on the model and on the Verilog; compare every byte and cycle (exit status 1: not equal)."""
    from rich.console import Console

    from hwsim.flows.verify import VerifyOptions, verify
    from hwsim.report.files import check_outputs, write_json
    from hwsim.report.verification import print_verification, verification_dict

    check_outputs(json, waves)
    options = VerifyOptions(
        network=network, data=data, images=images, simulator=sim, preset=preset, overrides=tuple(overrides or ()),
        trace=trace, latency=latency, stall=stall, seed=seed, waves=waves,
    )  # fmt: skip
    with stages() as stage:
        found = verify(options, stage)
    if json is not None:
        write_json(json, verification_dict(found))
    print_verification(found, Console())
    if not found.equal:
        sys.exit(EXIT_DIFFERENT)
