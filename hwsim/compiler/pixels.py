"""The image as the rows of the patch embedding: one load takes every pixel from DRAM to the row of its patch."""

from __future__ import annotations

import numpy as np

from hwsim.compiler.operations import Access, Operation
from hwsim.compiler.plan import Placed, Plan
from hwsim.compiler.support import is_halfwords, refuse_format
from hwsim.formats import Uniform
from hwsim.isa import LOAD_TARGETS
from hwsim.network import Im2col


def load_image(plan: Plan, layer: Im2col, stage: int) -> Placed:
    """Loads of the class token's row and of the whole image, pixel by pixel as they lie in memory."""
    network, beat = plan.network, plan.config.beat_bytes
    height, width, channels = network.tensor(network.manifest.input).shape
    tokens, depth = network.tensor(layer.output).shape
    fmt = network.tensor(layer.output).format
    if not isinstance(fmt, Uniform) or is_halfwords(fmt):
        refuse_format(network, layer.name, layer.output, "pixels of 8 bits")
    buffer = plan.place(layer.output, tokens, depth, False)
    streams = [("input", np.zeros(height * width * channels, np.uint8), layer.patch * channels, width // layer.patch)]
    if layer.class_token:
        streams.insert(0, ("class token", np.full(depth, fmt.zero_point & 255, np.uint8), depth, 1))
    for name, data, run_bytes, runs in streams:
        first = int(layer.class_token) if name == "input" else 0
        end = tokens if name == "input" else 1
        plan.add(
            Operation(
                operation="load",
                layer=layer.name,
                stage=stage,
                fields={
                    "target": LOAD_TARGETS.index("codes"), "beats": -(-len(data) // beat), "first_row": first,
                    "run_bytes": run_bytes, "runs": runs, "lines": depth // run_bytes, "bytes": len(data),
                },
                places={"": buffer},
                accesses=[Access("write_dma", buffer, first, end, 0, depth)],
                section=plan.section(name, data),
            )
        )  # fmt: skip
    return plan.tensors[layer.output]
