"""The shipped network, all layers, on the whole accelerator: the traced program and the production program."""

from __future__ import annotations

import pytest

from hwsim.flows.verify import VerifyOptions, verify


@pytest.mark.parametrize("style", ["shift", "two_accumulator"])
def test_the_shipped_network_on_edge(style: str) -> None:
    found = verify(VerifyOptions(preset="edge", overrides=(f"pe_style={style}",), stall=30, seed=1))
    for one in found.comparisons:
        print(f"{one.program}: {one.bytes_compared:,} bytes, {one.cycles_rtl:,} cycles")
        assert one.error == "none"
        assert one.mismatched_bytes == 0
        assert one.cycles_model == one.cycles_rtl
        assert one.busy_model == one.busy_rtl
        assert one.class_name == one.label
    assert len(found.comparisons) == 2


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_shipped_network_on_tiny() -> None:
    assert verify(VerifyOptions(preset="tiny", images=2)).equal
