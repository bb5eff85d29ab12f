"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Preset = Annotated[str, typer.Option("--preset", metavar="tiny|edge|large", help="Accelerator.")]
Override = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the preset; may be repeated.")
]
Device = Annotated[
    str, typer.Option("--device", metavar="cpu|cuda[:N]", help="Where PyTorch calibrates, reconstructs and measures.")
]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="A running Dask scheduler (tcp://host:8786); its workers see the files."),
]
EveryLayer = Annotated[bool, typer.Option("--layers", help="Show each layer for itself, not one line a kind.")]
