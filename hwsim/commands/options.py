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
EveryLayer = Annotated[bool, typer.Option("--layers", help="Show each layer for itself, not one line a kind.")]
