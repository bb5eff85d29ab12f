"""Names the first difference between two memories: the instruction, the layer, the element, both values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler.executable import Executable, TracedResult
from hwsim.report.verification import Mismatch


def first_mismatch(executable: Executable, expected: NDArray[np.uint8], found: NDArray[np.uint8]) -> Mismatch | None:
    """Difference in the result of the earliest instruction; else in the logits; else anywhere.

    Parameters
    ----------
    expected, found : uint8[bytes], memory after the model's and the Verilog's run
    """
    if np.array_equal(expected, found):
        return None
    for result in sorted(executable.results, key=lambda one: one.instruction):
        wanted, got = result.codes(expected), result.codes(found)
        if not np.array_equal(wanted, got):
            return _in_result(result, wanted, got)
    wanted_logits, got_logits = executable.logits(expected), executable.logits(found)
    name = executable.network.manifest.logits
    if not np.array_equal(wanted_logits, got_logits):
        index = int((wanted_logits != got_logits).argmax())
        return Mismatch(
            instruction=None,
            layer=executable.network.layers[-1].name,
            tensor=name,
            element=(0, index),
            address=executable.logits_address + 2 * index,
            expected=int(wanted_logits[index]) & 0xFFFF,
            found=int(got_logits[index]) & 0xFFFF,
        )
    address = int((expected != found).argmax())
    return Mismatch(
        instruction=None,
        layer="none",
        tensor="DRAM",
        element=(address,),
        address=address,
        expected=int(expected[address]),
        found=int(found[address]),
    )


def _in_result(result: TracedResult, wanted: NDArray[np.unsignedinteger], got: NDArray[np.unsignedinteger]) -> Mismatch:
    row, channel = (int(i) for i in np.unravel_index(int((wanted != got).argmax()), wanted.shape))
    head = () if result.head is None else (result.head,)
    return Mismatch(
        instruction=result.instruction,
        layer=result.layer,
        tensor=result.tensor,
        element=(*head, result.row(row), result.channel(channel)),
        address=result.address + row * result.row_bytes + result.offset_bytes + channel * result.element_bytes,
        expected=int(wanted[row, channel]),
        found=int(got[row, channel]),
    )
