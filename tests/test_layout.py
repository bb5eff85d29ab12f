"""The shape of the repository: one noun, four faces; small files; no path of one machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Units whose Verilog is not written yet. A unit leaves this list when its module and bench arrive.
WITHOUT_RTL = {"im2col"}
# timing.py is every unit's cycle formula; its benches are those of the units.
NOT_A_UNIT = {"__init__", "timing"}
PYTHON_LINES_MAX = 400
RTL_LINES_MAX = 250


def tracked(*suffixes: str) -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    return [ROOT / name for name in names if name.endswith(suffixes) and (ROOT / name).is_file()]


def units() -> list[str]:
    return sorted(p.stem for p in (ROOT / "hwsim/units").glob("*.py") if p.stem not in NOT_A_UNIT)


def test_every_unit_has_a_test() -> None:
    missing = [unit for unit in units() if not (ROOT / f"tests/units/test_{unit}.py").is_file()]
    assert not missing


@pytest.mark.parametrize("face", ["rtl/hws_{}.sv", "tests/rtl/bench_{}.py"])
def test_every_unit_with_rtl_has_its_faces(face: str) -> None:
    with_rtl = [unit for unit in units() if unit not in WITHOUT_RTL]
    missing = [face.format(unit) for unit in with_rtl if not (ROOT / face.format(unit)).is_file()]
    assert not missing


def test_list_of_units_without_rtl_is_not_stale() -> None:
    assert set(units()) >= WITHOUT_RTL
    assert not [unit for unit in WITHOUT_RTL if (ROOT / f"rtl/hws_{unit}.sv").is_file()]


def test_every_rtl_module_bears_its_file_name() -> None:
    for path in tracked(".sv"):
        if path.stem == "hws_pkg" or path.parent.name == "tests":
            continue
        assert f"module {path.stem}" in path.read_text(), path


def test_files_stay_small() -> None:
    too_long = [
        f"{path.relative_to(ROOT)}: {count} lines"
        for path in tracked(".py", ".sv")
        if path.stem != "hws_pkg"  # generated, a constant a line
        if (count := len(path.read_text().splitlines())) > (RTL_LINES_MAX if path.suffix == ".sv" else PYTHON_LINES_MAX)
    ]
    assert not too_long


def test_generated_data_stays_small() -> None:
    vectors = sum(p.stat().st_size for p in (ROOT / "tests/rtl/vectors").glob("*.npz"))
    assert 0 < vectors < 1_000_000
    zoo = sum(p.stat().st_size for p in (ROOT / "hwsim/zoo").rglob("*") if p.is_file())
    assert zoo < 6_000_000


def test_no_path_of_one_machine_and_no_registry_host() -> None:
    forbidden = ["/" + "work/", "/" + "root/", "pypi" + ".org", "python" + "hosted"]
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in tracked(".py", ".sv", ".md", ".yaml", ".toml", ".sh", ".ipynb", ".json", "Makefile")
        for word in forbidden
        if word in path.read_text()
    ]
    assert not found


def test_readme_names_the_two_commands_first() -> None:
    head = (ROOT / "README.md").read_text()[:2500]
    assert "make demo" in head
    assert "make test" in head


def test_no_test_module_hides_a_package() -> None:
    # pytest puts the folders of tests on the path: tests/rtl/golden.py once answered to "import golden"
    packages = {"golden", "hwsim", "benchmarks", "tests"}
    assert not [path for path in (ROOT / "tests").rglob("*.py") if path.stem in packages]
