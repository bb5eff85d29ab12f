"""A method from the command line: what is said for itself counts more than the file, mistakes are one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwsim.errors import HwsimError
from hwsim.flows.method_options import MethodChoice, choose_method


def test_defaults() -> None:
    assert choose_method(None, None, None, (), False) == MethodChoice(method="tsptq", bits=8, parts={})


def test_a_file_and_parts(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text("method: adfq\nbits: 4\noutlier_threshold: 3.0\nsoftmax: log2\n")
    found = choose_method(None, 6, file, ["softmax=uniform", "reconstruction.iterations=9"], False)
    parts = {"outlier_threshold": 3.0, "softmax": "uniform", "reconstruction.iterations": 9}
    assert found == MethodChoice(method="adfq", bits=6, parts=parts)


def test_values_are_typed() -> None:
    parts = choose_method("tsptq", 4, None, ["exponent=3", "full_grid=true", "outlier_threshold=null"], True).parts
    assert parts == {"reconstruction": True, "exponent": 3, "full_grid": True, "outlier_threshold": None}


@pytest.mark.parametrize(
    ("text", "parts", "sentence"),
    [
        (None, ["softmax"], "--set takes part=value, not 'softmax'"),
        (None, ["softmax=[1"], "--set softmax=.1: not valid YAML"),
        ("- 1", [], "expected a mapping"),
        ("a: [", [], "not valid YAML"),
    ],
)
def test_mistakes(text: str | None, parts: list[str], sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(HwsimError, match=sentence):
        choose_method(None, None, None if text is None else file, parts, False)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HwsimError, match=r"no\.yaml: cannot be read"):
        choose_method(None, None, tmp_path / "no.yaml", (), False)
