"""Every notebook runs from its first cell to its last."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
FIGURES = {
    "01_one_image": 8,
    "02_quantisers": 4,
    "03_two_scales_in_gates": 4,
    "04_where_accuracy_goes": 2,
    "05_codesign": 3,
}
"""How many pictures each one draws, at least."""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("default")  # what jupyter's packages warn of is not ours
def test_notebook_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(path.parents[1]))
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "strip the outputs: nbstripout notebooks/*.ipynb"
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    figures = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert len(figures) >= FIGURES[path.stem]
