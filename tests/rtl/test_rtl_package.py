"""The generated package: the committed one is that of ``edge``, and a mistake is one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwsim.config import load_preset
from hwsim.errors import HwsimError
from hwsim.rtl import main, package_text, rtl_folder


def test_committed_package_is_that_of_edge() -> None:
    committed = (rtl_folder() / "hws_pkg.sv").read_text()
    assert committed == package_text(load_preset("edge")), "run: python -m hwsim.rtl --preset edge"


def test_command_writes_another_preset_where_it_is_told(tmp_path: Path) -> None:
    out = tmp_path / "folder" / "hws_pkg.sv"
    assert main(["--preset", "tiny", "--set", "pe_style=two_accumulator", "--out", str(out)]) == 0
    assert "localparam int ArrayRows = 4;" in out.read_text()
    assert "localparam int PeStyle = PeTwoAccumulator;" in out.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "huge"], "'huge'"),
        (["--preset", "tiny"], "--out is needed"),
        (["--set", "drain_lanes=8"], "--out is needed"),
        (["--set", "drain_lanes=7", "--out", "x"], "drain_lanes must divide"),
        (
            ["--preset", "tiny", "--set", "activation_buffer_bytes=6144", "--out", "x"],
            "activation_buffer_bytes is 6144, expected a power of two of words of 8 bytes in each of activation_banks",
        ),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_decoders_need_nine_bits() -> None:
    with pytest.raises(HwsimError, match="mantissa_bits must be 9 or more"):
        package_text(load_preset("edge", ["mantissa_bits=8"]))
