"""The command line: the commands of ``hwsim.commands`` under one name.

A mistake in the input is one sentence on stderr and exit status 2, and so is Ctrl-C.
"""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from hwsim.commands.area import area_command
from hwsim.commands.compare import compare_command
from hwsim.commands.disasm import disasm_command
from hwsim.commands.exits import INTERRUPTED, fail
from hwsim.commands.explore import explore_command
from hwsim.commands.info import info_command
from hwsim.commands.localise import localise_command
from hwsim.commands.quantize import quantize_command
from hwsim.commands.run import run_command
from hwsim.commands.verify import verify_command

app = typer.Typer(
    help="Run post-training-quantised vision transformers on an edge accelerator: bits, cycles, energy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Entry point of the command ``hwsim``."""
    try:
        app(prog_name="hwsim")
    except KeyboardInterrupt:
        fail(INTERRUPTED)


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


app.command("run")(run_command)
app.command("quantize")(quantize_command)
app.command("compare")(compare_command)
app.command("localise")(localise_command)
app.command("explore")(explore_command)
app.command("info")(info_command)
app.command("verify")(verify_command)
app.command("disasm")(disasm_command)
app.command("area")(area_command)
