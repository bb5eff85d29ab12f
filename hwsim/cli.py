"""The command line: each command calls one function and prints what it returns.

A mistake in the input is one sentence on stderr and exit status 2, and so is Ctrl-C.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, ParamSpec

import typer

from hwsim.errors import HwsimError

if TYPE_CHECKING:
    from hwsim.flows.run import Progress

P = ParamSpec("P")

EXIT_MISTAKE = 2
EXIT_DIFFERENT = 1
INTERRUPTED = "interrupted before the result was complete; no file is half-written"

app = typer.Typer(
    help="Run post-training-quantised vision transformers on an edge accelerator: bits, cycles, energy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Preset = Annotated[str, typer.Option("--preset", metavar="tiny|edge|large", help="Accelerator.")]
Override = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the preset; may be repeated.")
]
EveryLayer = Annotated[bool, typer.Option("--layers", help="Show each layer for itself, not one line a kind.")]


def main() -> None:
    """Entry point of the command ``hwsim``."""
    try:
        app(prog_name="hwsim")
    except KeyboardInterrupt:
        _fail(INTERRUPTED)


def _fail(sentence: str) -> NoReturn:
    print(f"hwsim: {sentence}", file=sys.stderr)
    sys.exit(EXIT_MISTAKE)


def _one_sentence(command: Callable[P, None]) -> Callable[P, None]:
    """Turn a mistake or Ctrl-C into one sentence and exit status 2."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except HwsimError as error:
            _fail(str(error))
        except KeyboardInterrupt:
            _fail(INTERRUPTED)

    return wrapped


def _print_version(wanted: bool) -> None:
    if wanted:
        from hwsim.flows.versions import versions

        print(f"hwsim {versions('hwsim')['hwsim']}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say on stderr what is being done.")] = False,
) -> None:
    logging.basicConfig(format="%(message)s", level=logging.INFO if verbose else logging.WARNING)


@app.command("run")
@_one_sentence
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
    with _progress_bar("images") as progress:
        report = run(options, progress)
    page = render_page(report) if html is not None else ""
    if json is not None:
        write_json(json, report.as_dict())
    if html is not None:
        write_text(html, page)
    print_run(report, Console(), every_layer=layers)
    written = [str(path) for path in (json, html) if path is not None]
    if written:
        print(f"written: {', '.join(written)}")


@app.command("quantize")
@_one_sentence
def quantize_command(
    model: Annotated[str, typer.Option(help="fashion_mnist_vit, or a vit_* or deit_* name of timm.")],
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
) -> None:
    """Quantise a vision transformer of timm into an integer network (needs the extra 'golden': PyTorch and timm)."""
    from hwsim.flows.method_options import choose_method
    from hwsim.flows.quantize import QuantizeOptions, quantize

    chosen = choose_method(method, bits, config, parts or (), reconstruct)
    quantize(
        QuantizeOptions(
            model=model, calib=calib, out=out, weights=weights, pretrained=pretrained, random_weights=random_weights,
            method=chosen.method, bits=chosen.bits, parts=chosen.parts, images=images, seed=seed, data=data, crop=crop,
        )
    )  # fmt: skip


@app.command("info")
@_one_sentence
def info_command(
    network: Annotated[str, typer.Argument(help="Folder of a network, or the name of a shipped one.")],
    preset: Preset = "edge",
    overrides: Override = None,
    layers: EveryLayer = False,
) -> None:
    """Describe a network: layers, formats, size, bounds proved, how it was made, accuracy."""
    from rich.console import Console

    from hwsim.flows.info import info
    from hwsim.report.network_table import print_network

    print_network(info(network, preset, tuple(overrides or ())), Console(), every_layer=layers)


@app.command("verify")
@_one_sentence
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
    with _stages() as stage:
        found = verify(options, stage)
    if json is not None:
        write_json(json, verification_dict(found))
    print_verification(found, Console())
    if not found.equal:
        sys.exit(EXIT_DIFFERENT)


@app.command("disasm")
@_one_sentence
def disasm_command(
    network: Annotated[
        str | None,
        typer.Argument(help="Folder of a network, or the name of a shipped one.", show_default="fashion_mnist_vit"),
    ] = None,
    preset: Preset = "edge",
    overrides: Override = None,
    trace: Annotated[bool, typer.Option("--trace", help="The program that stores every instruction's result.")] = False,
) -> None:
    """Print a network's program, an instruction a line."""
    from hwsim.flows.disasm import disassembly

    for line in disassembly(network, preset, tuple(overrides or ()), trace):
        print(line)


@app.command("area")
@_one_sentence
def area_command(
    preset: Preset = "edge",
    overrides: Override = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the result as JSON.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show units below 0.1 % too.")] = False,
) -> None:
    """Synthesise the Verilog: gates, registers and memory of every unit and number format (needs the extra 'rtl')."""
    from rich.console import Console

    from hwsim.flows.area import area
    from hwsim.report.area import area_dict, print_area
    from hwsim.report.files import check_outputs, write_json

    check_outputs(json)
    with _stages() as stage:
        found = area(preset, tuple(overrides or ()), stage)
    if json is not None:
        write_json(json, area_dict(found))
    print_area(found, Console(), everything=everything)
    if json is not None:
        print(f"written: {json}")


@contextmanager
def _stages() -> Iterator[Callable[[str, int, int], None]]:
    """One line on a terminal that says what is being done and how far it is."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


@contextmanager
def _progress_bar(noun: str) -> Iterator[Progress]:
    """Bar on a terminal with the time that is left; it goes when the work is done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(noun, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
