"""The shipped network in the methods of the three papers, at 8 and at 4 bits, on the whole accelerator."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwsim.flows.quantize import QuantizeOptions, quantize
from hwsim.flows.verify import VerifyOptions, verify


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("method", ["tsptq", "adfq", "dopq"])
def test_the_shipped_network_in_each_method(method: str, bits: int, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    quantize(
        QuantizeOptions(
            model="fashion_mnist_vit", calib=Path("fashion_mnist"), out=folder, method=method, bits=bits, images=8,
            parts={"rounds": 1, "sampled_rows": 256},
        )
    )  # fmt: skip
    found = verify(VerifyOptions(network=str(folder), preset="edge"))
    assert len(found.comparisons) == 2
    for one in found.comparisons:
        assert one.error == "none"
        assert one.mismatched_bytes == 0
        assert one.cycles_model == one.cycles_rtl
        assert one.busy_model == one.busy_rtl
    assert found.equal
