"""FIFO and register slice under each simulator; ``tests/formal`` proves what these benches try."""

from __future__ import annotations

import pytest

from hwsim.config import load_preset
from tests.rtl.runner import run_bench


@pytest.mark.parametrize("unit", ["fifo", "skid_buffer"])
def test_stream_primitive(unit: str, simulator: str) -> None:
    run_bench(unit, load_preset("tiny"), simulator)
