"""``hwsim disasm``: a network's program, an instruction a line."""

from __future__ import annotations

from typing import Annotated

import typer

from hwsim.commands.exits import one_sentence
from hwsim.commands.options import Override, Preset


@one_sentence
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
