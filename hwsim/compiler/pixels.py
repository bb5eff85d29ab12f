"""The image as the rows of the patch embedding: a load takes pixels from DRAM to the rows of their patches."""

from __future__ import annotations

import numpy as np

from hwsim.compiler.operations import Access, Buffer, Operation, Section
from hwsim.compiler.plan import Plan
from hwsim.compiler.support import is_halfwords, refuse_format
from hwsim.formats import Uniform
from hwsim.isa import LOAD_TARGETS
from hwsim.network import Im2col


def image_loads(plan: Plan, layer: Im2col, stage: int, grid_rows: range | None = None) -> list[Operation]:
    """Loads of the class token's row and of the image, pixel by pixel as they lie in memory.

    Parameters
    ----------
    grid_rows : rows of the grid of patches, of an image without class token; None is all
    """
    network = plan.network
    height, width, channels = network.tensor(network.manifest.input).shape
    tokens, depth = network.tensor(layer.output).shape
    fmt = network.tensor(layer.output).format
    if not isinstance(fmt, Uniform) or is_halfwords(fmt):
        refuse_format(network, layer.name, layer.output, "pixels of 8 bits")
    pixels = plan.streams.get(network.manifest.input)
    if pixels is None:
        pixels = plan.section("input", np.zeros(height * width * channels, np.uint8))
        plan.streams[network.manifest.input] = pixels
    run_bytes, runs = layer.patch * channels, width // layer.patch
    if grid_rows is not None:
        order = tuple(range(grid_rows.start * runs, grid_rows.stop * runs))
        buffer = plan.place(layer.output, len(order), depth, False, order)
        load = _load(plan, layer, stage, buffer, pixels, (run_bytes, runs), len(order) * depth)
        load.offset = grid_rows.start * runs * depth
        return [load]
    buffer = plan.place(layer.output, tokens, depth, False)
    loads = []
    if layer.class_token:
        token = plan.section("class token", np.full(depth, fmt.zero_point & 255, np.uint8))
        loads = [_load(plan, layer, stage, buffer, token, (depth, 1), depth)]
    first = int(layer.class_token)
    return [*loads, _load(plan, layer, stage, buffer, pixels, (run_bytes, runs), height * width * channels, first)]


def _load(
    plan: Plan, layer: Im2col, stage: int, buffer: Buffer, section: Section, run: tuple[int, int], count: int,
    first: int = 0,
) -> Operation:  # fmt: skip
    """Load of so many bytes to the rows from ``first`` on: runs of so many bytes, so many runs a line."""
    run_bytes, runs = run
    end, depth = first + count // buffer.channels, buffer.channels
    return Operation(
        operation="load",
        layer=layer.name,
        stage=stage,
        fields={
            "target": LOAD_TARGETS.index("codes"), "beats": -(-count // plan.config.beat_bytes), "first_row": first,
            "run_bytes": run_bytes, "runs": runs, "lines": depth // run_bytes, "bytes": count,
        },
        places={"": buffer},
        accesses=[Access("write_dma", buffer, first, end, 0, depth)],
        section=section,
    )  # fmt: skip
