"""What several commands do at their end: write what was found as JSON, CSV and an HTML page, and name the files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from hwsim.report.files import write_json, write_text


class Tabular(Protocol):
    """A result with a table."""

    def as_dict(self) -> dict[str, Any]:
        """For the JSON file."""

    def as_csv(self) -> str:
        """The table alone."""


Found = TypeVar("Found", bound=Tabular)


def write_found(
    found: Found, json: Path | None, csv: Path | None, html: Path | None, render: Callable[[Found], str]
) -> None:
    """Write the files that are wanted.

    Parameters
    ----------
    found : result of the command
    json, csv, html : files to write, None where one is not wanted
    render : makes the HTML page
    """
    if json is not None:
        write_json(json, found.as_dict())
    if csv is not None:
        write_text(csv, found.as_csv())
    if html is not None:
        write_text(html, render(found))


def say_written(*paths: Path | None) -> None:
    """Name the files that were written, after the table."""
    written = [str(path) for path in paths if path is not None]
    if written:
        print(f"written: {', '.join(written)}")
