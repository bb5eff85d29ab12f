"""The table of docs/accuracy.md: what ``hwsim compare --json`` found, beside the published rows.

``python -m benchmarks.accuracy_table FILE.json ...`` prints one table in Markdown, wide codes first. Published figures
are top-1 on ImageNet val in paper mode, reprinted where a source is named; they are of the papers' own float networks,
so their drops compare, not their top-1.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple


class Published(NamedTuple):
    """A row of somebody's table."""

    top1: float
    top1_float: float
    source: str

    @property
    def drop(self) -> float:
        """Points of top-1 that were lost."""
        return self.top1_float - self.top1


COQMOE = "arXiv 2506.08496, table 1"
GMPQ = "GMPQ-TE, table 7"
APHQ = "APHQ-ViT, table 1"
FQ_VIT = "FQ-ViT's README"
REPQ = "RepQ-ViT's README"
DEIT_TINY = {
    ("minmax", 8): Published(70.94, 72.21, FQ_VIT),
    ("percentile", 8): Published(71.47, 72.21, FQ_VIT),
    ("omse", 8): Published(71.30, 72.21, FQ_VIT),
    ("fqvit", 8): Published(71.61, 72.21, FQ_VIT),
    ("tsptq", 8): Published(71.87, 72.21, COQMOE),
    ("repq", 8): Published(71.94, 72.21, COQMOE),
    ("ptq4vit", 6): Published(69.62, 72.18, GMPQ),
    ("tsptq", 6): Published(70.82, 72.18, GMPQ),
    ("repq", 6): Published(70.76, 72.21, REPQ),
    ("ptq4vit", 4): Published(36.96, 72.18, GMPQ),
    ("tsptq", 4): Published(48.36, 72.18, GMPQ),
    ("repq", 4): Published(57.43, 72.21, REPQ),
    ("dopq", 4): Published(65.54, 72.21, f"{APHQ}, with reconstruction"),
    ("ptq4vit", 3): Published(3.50, 72.21, APHQ),
    ("repq", 3): Published(0.10, 72.21, APHQ),
    ("dopq", 3): Published(44.71, 72.21, f"{APHQ}, with reconstruction"),
}
"""DeiT-Tiny; what is not here was not found."""


def lines(rows: Iterable[dict[str, Any]]) -> Iterable[str]:
    """Markdown of the rows of a comparison."""
    columns = ("top-1 paper", "top-1 integer", "drop paper", "drop integer", "agree paper", "agree integer")
    yield f"| method | bits | {' | '.join(columns)} | published drop |"
    yield "|---|" + "---|" * (len(columns) + 2)
    for row in rows:
        yield f"| {' | '.join(cells(row))} |"


def cells(row: dict[str, Any]) -> list[str]:
    """One row."""
    method, bits = row["method"], row["bits"]
    if row.get("failure"):
        return [f"`{method}`", str(bits), str(row["failure"]), *[""] * 6]
    paper, integer, top1 = row["top1_paper"], row["top1_integer"], row["top1_float"]
    published = DEIT_TINY.get((method, bits)) if row["model"].startswith("deit_tiny") else None
    beside = (
        ""
        if published is None
        else f"{published.drop:.2f} ({published.top1} of {published.top1_float}; {published.source})"
    )
    iterations = row.get("reconstruction_iterations")
    name = f"`{method}`" + (f", reconstructed ({iterations} steps)" if iterations else "")
    return [
        name, str(bits), f"{paper:.2f}", f"{integer:.2f}", f"{top1 - paper:.2f}", f"{top1 - integer:.2f}",
        f"{row['agreement_paper']:.2f}", f"{row['agreement_integer']:.2f}", beside,
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="what hwsim compare --json wrote")
    rows = [row for path in parser.parse_args().files for row in json.loads(path.read_text())["rows"]]
    print("\n".join(lines(sorted(rows, key=lambda row: -row["bits"]))))


if __name__ == "__main__":
    main()
