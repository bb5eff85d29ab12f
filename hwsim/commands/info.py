"""``hwsim info``: what a network is made of."""

from __future__ import annotations

from typing import Annotated

import typer

from hwsim.commands.exits import one_sentence
from hwsim.commands.options import EveryLayer, Override, Preset


@one_sentence
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
