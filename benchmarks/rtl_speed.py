"""Cycles a second of the whole accelerator in Verilog: Icarus and Verilator, with and without cocotb's clock.

``python -m benchmarks.rtl_speed [NETWORK --data DATA]``: one image, the production program, the same job in each run;
Icarus runs it on ``tiny`` and gives up after ``--icarus-cycles``. Building is not counted: each job runs twice.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hwsim.compiler.executable import compile_executable
from hwsim.config import AcceleratorConfig, load_preset
from hwsim.flows.shipped import data_path, network_path
from hwsim.images import load_images
from hwsim.network import load_network
from hwsim.simulators.run import Job, run_jobs, write_job
from hwsim.simulators.toolchain import Simulator
from hwsim.timing.dram import DramModel
from tests.rtl.runner import run_bench


def seconds_alone(job: Job, config: AcceleratorConfig, simulator: Simulator, limit: int) -> tuple[int, float]:
    """Cycles and seconds of a job; the first run builds."""
    for _ in range(2):
        begin = time.perf_counter()
        found = run_jobs([job], config, simulator, limit_cycles=limit)[0]
        seconds = time.perf_counter() - begin
    return found.cycles or limit, seconds


def seconds_with_cocotb(job: Job, config: AcceleratorConfig, simulator: Simulator, limit: int) -> float:
    """Seconds of the same job with cocotb's clock."""
    with tempfile.TemporaryDirectory() as folder:
        write_job(Path(folder), 0, job, config)
        arguments = (f"+folder={folder}", "+jobs=2", f"+limit={limit}")
        for _ in range(2):
            begin = time.perf_counter()
            run_bench("harness", config, simulator, top="hws_harness", plusargs=arguments)
            seconds = time.perf_counter() - begin
    return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Speed of the Verilog's simulation.")
    parser.add_argument("network", nargs="?")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--icarus-cycles", type=int, default=40_000)
    args = parser.parse_args()
    network = load_network(network_path(args.network))
    manifest = network.manifest
    images = load_images(data_path(args.data, network), manifest.preprocess, manifest.classes, count_max=1)
    table = Table("simulator", "preset", "clock", "cycles", "s", "cycles/s", box=None)
    runs: list[tuple[Simulator, str, int]] = [("verilator", "edge", 0), ("icarus", "tiny", args.icarus_cycles)]
    for simulator, preset, limit in runs:
        config = load_preset(preset)
        job = Job(
            dram=compile_executable(network, config).with_image(images.pixels[0]),
            model=DramModel(latency=20, stall=0, seed=0),
        )
        cycles, alone = seconds_alone(job, config, simulator, limit)
        table.add_row(simulator, preset, "own", f"{cycles:,}", f"{alone:.1f}", f"{cycles / alone:,.0f}")
        driven = seconds_with_cocotb(job, config, simulator, limit)
        table.add_row(simulator, preset, "cocotb", f"{cycles:,}", f"{driven:.1f}", f"{cycles / driven:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
