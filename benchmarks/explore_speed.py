"""Points a second of ``hwsim explore``'s evaluator, in one process: CPU seconds, so that other load does not count.

``python -m benchmarks.explore_speed`` measures the shipped network and the shape of DeiT-Tiny, each without images:

    grid        array shape, drain lanes, PE style, both buffers, DRAM, clock: most points share a program with others
    programs    array shape and lanes only, so that nearly every point is another program to compile

Every fiftieth point of the grid is compared with the compiler and the schedule themselves: the cycles must be equal.
"""

from __future__ import annotations

import sys
import time

from hwsim.compiler.executable import compile_executable
from hwsim.config import build_config, load_preset
from hwsim.errors import HwsimError
from hwsim.flows.explore_options import parse_grid, settings_of
from hwsim.flows.explore_point import Evaluator
from hwsim.flows.explore_shapes import shape_network
from hwsim.flows.shipped import network_path
from hwsim.network import Network, load_network
from hwsim.timing.dram import LATENCY_CYCLES, DramModel
from hwsim.timing.schedule import schedule

GRID = [
    "array_rows=8,16,32", "array_columns=16,32", "drain_lanes=8,16", "pe_style=shift,two_accumulator",
    "weight_buffer_bytes=65536,131072", "activation_buffer_bytes=262144,524288", "dma_outstanding=2,8",
    "queue_depth=2,4", "freq_mhz=200,400,800",
]  # fmt: skip
PROGRAMS = ["array_rows=4,8,16,32", "array_columns=8,16,32", "drain_lanes=2,4,8", "softmax_lanes=4,8"]
CHECKED_EVERY = 50


def measure(network: Network, vary: list[str]) -> None:
    base = load_preset("edge").model_dump()
    configs = [build_config(base | settings, "preset edge") for settings in settings_of(parse_grid(vary, []))]
    Evaluator(network, None).figures(load_preset("edge"))  # compiles the kernels
    evaluator, refused = Evaluator(network, None), 0
    cycles: dict[int, int] = {}
    begin = time.process_time()
    for index, config in enumerate(configs):
        try:
            cycles[index] = evaluator.figures(config).cycles
        except HwsimError:
            refused += 1
    seconds = time.process_time() - begin
    print(
        f"{network.name}: {len(configs)} points, {refused} refused, {evaluator.compiled.computed} programs: "
        f"{seconds:.1f} s, {len(configs) / seconds:.0f} points a second and core"
    )
    for index in list(cycles)[::CHECKED_EVERY]:
        program = compile_executable(network, configs[index]).program
        if schedule(program, configs[index], DramModel(latency=LATENCY_CYCLES)).cycles != cycles[index]:
            sys.exit(f"{configs[index]}: {cycles[index]} cycles, but the schedule has others")


def main() -> None:
    for network in (load_network(network_path(None)), shape_network("deit_tiny_patch16_224")):
        for vary in (GRID, PROGRAMS):
            measure(network, vary)


if __name__ == "__main__":
    main()
