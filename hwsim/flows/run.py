"""Run a network on images: bits from the machine, cycles and energy from the program that the accelerator would run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler import compile_network
from hwsim.compiler.executable import Executable, compile_executable
from hwsim.config import load_preset
from hwsim.cost.cycles import profile
from hwsim.cost.energy_table import load_energy_table
from hwsim.cost.estimate import estimate
from hwsim.errors import HwsimError
from hwsim.flows.interrupt import deferred_interrupt
from hwsim.flows.shipped import data_path, network_path
from hwsim.flows.versions import versions
from hwsim.images import load_images
from hwsim.interpreter import run_program
from hwsim.machine import Machine
from hwsim.network import load_network
from hwsim.report.result import RunReport

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with the number of images done and the number of all images."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What to run on what."""

    network: str | None = None
    """Folder of a network or the name of a shipped one; None is the shipped Fashion-MNIST transformer."""
    data: Path | None = None
    """``.npz`` file or folder of images; None is the test images of a shipped network."""
    images: int | None = None
    """At most this many images."""
    preset: str = "edge"
    overrides: tuple[str, ...] = ()
    """``key=value`` for keys of the preset."""


def run(options: RunOptions, progress: Progress | None = None) -> RunReport:
    """Run a network bit-accurately and count what it costs.

    Raises
    ------
    HwsimError
        If the network, the images, the preset or the energy table is not usable, or the compiler refuses the network.
    """
    if options.images is not None and options.images < 1:
        raise HwsimError(f"--images must be 1 or more, not {options.images}")
    config = load_preset(options.preset, list(options.overrides))
    load_energy_table(config.energy_table)
    network = load_network(network_path(options.network))
    manifest = network.manifest
    images = load_images(
        data_path(options.data, network), manifest.preprocess, manifest.classes, count_max=options.images,
        model=manifest.origin.model,
    )  # fmt: skip
    program = compile_network(network, config)
    executable = compile_executable(network, config)
    times = profile(executable, program, tile_steps(executable, images.pixels[0]))
    machine = Machine(program)
    machine.run(images.pixels[:1])  # compiles the kernels, so that the time below is the machine's own
    log.info("running %d images on %s", len(images), config.name)
    begin = time.perf_counter()
    with deferred_interrupt() as check_interrupt:

        def on_image(done: int) -> None:
            check_interrupt()
            if progress is not None:
                progress(done, len(images))

        result = machine.run(images.pixels, progress=on_image)
    wall_seconds = time.perf_counter() - begin
    return RunReport(
        network=network,
        config=config,
        overrides=options.overrides,
        images=images,
        logits=result.logits,
        cost=estimate(program, times, result.operand_counts, len(images)),
        accumulator_bounds=program.accumulator_bounds,
        wall_seconds=wall_seconds,
        versions=versions("hwsim", "numpy", "numba"),
    )


def tile_steps(executable: Executable, pixels: NDArray[np.uint8]) -> dict[int, NDArray[np.int64]] | None:
    """Steps of each tile in one image, where outliers add some; None where every image takes the same."""
    if not any(one.operation == "gemm" and one["outliers"] for one in executable.program):
        return None
    return run_program(executable.with_image(pixels), executable.config).tile_steps
