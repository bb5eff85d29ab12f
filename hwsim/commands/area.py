"""``hwsim area``: gates, registers and memory of the Verilog."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwsim.commands.exits import one_sentence
from hwsim.commands.options import Override, Preset
from hwsim.commands.outputs import say_written
from hwsim.commands.progress import stages


@one_sentence
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
    with stages() as stage:
        found = area(preset, tuple(overrides or ()), stage)
    if json is not None:
        write_json(json, area_dict(found))
    print_area(found, Console(), everything=everything)
    say_written(json)
