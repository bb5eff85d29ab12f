"""Chooses the simulators: ``pytest tests/rtl --sim icarus|verilator|both``."""

from __future__ import annotations

import pytest

SIMULATORS = {"icarus": ["icarus"], "verilator": ["verilator"], "both": ["icarus", "verilator"]}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sim", choices=sorted(SIMULATORS), default="both", help="simulators of the RTL benches")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "simulator" in metafunc.fixturenames:
        # The option is unknown when pytest starts above this folder; then both run.
        metafunc.parametrize("simulator", SIMULATORS[metafunc.config.getoption("--sim", default="both")])
