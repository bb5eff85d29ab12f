"""Runs the same program bytes and the same memory image on the model and on ``rtl/hws_top.sv``, and compares all of it.

Two programs an image: one in which the result of every instruction is also stored to DRAM (``trace``), and the
production program. Compared: every byte of DRAM, the total of cycles, the busy cycles of every queue; difference 0.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hwsim.compiler.executable import Executable, compile_executable
from hwsim.config import AcceleratorConfig, load_preset
from hwsim.errors import HwsimError
from hwsim.flows.mismatch import first_mismatch
from hwsim.flows.shipped import data_path, network_path
from hwsim.images import ImageSet, load_images
from hwsim.interpreter import run_program
from hwsim.network import Network, load_network
from hwsim.report.files import check_outputs
from hwsim.report.verification import Comparison, Verification
from hwsim.simulators.run import Job, JobResult, Waves, run_jobs
from hwsim.simulators.toolchain import SIMULATORS, Simulator, require_simulator
from hwsim.timing.dram import LATENCY_CYCLES, DramModel
from hwsim.timing.schedule import Timeline, schedule

TRACES = ("all", "none")
Stage = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

WAVE_CYCLES_BEFORE, WAVE_CYCLES_MAX = 50, 3_000
MISMATCH_WAVES = Path("mismatch.fst")


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """What to compare on what."""

    network: str | None = None
    data: Path | None = None
    images: int = 1
    simulator: str = "verilator"
    preset: str = "edge"
    overrides: tuple[str, ...] = ()
    trace: str = "all"
    latency: int = LATENCY_CYCLES
    """Cycles of DRAM from a burst's address to its first beat."""
    stall: int = 0
    """Share of beats, in 1/256, that DRAM delays."""
    seed: int = 0
    """Of the delays."""
    waves: Path | None = None


@dataclass(frozen=True, kw_only=True)
class _Run:
    program: Literal["trace", "production"]
    executable: Executable
    image: int
    job: Job
    dram: NDArray[np.uint8]
    timeline: Timeline


def verify(options: VerifyOptions, stage: Stage | None = None) -> Verification:
    """Compare model and RTL.

    Raises
    ------
    HwsimError
        For a simulator that is not installed, a network that does not fit the preset, a file that cannot be written.
    """
    if options.simulator not in SIMULATORS:
        raise HwsimError(f"--sim must be one of {', '.join(SIMULATORS)}, not {options.simulator!r}")
    if options.trace not in TRACES:
        raise HwsimError(f"--trace must be one of {', '.join(TRACES)}, not {options.trace!r}")
    say: Stage = stage or (lambda _what, _done, _all: None)
    check_outputs(options.waves)
    require_simulator(options.simulator)
    config = load_preset(options.preset, list(options.overrides))
    network = load_network(network_path(options.network))
    manifest = network.manifest
    path = data_path(options.data, network)
    images = load_images(path, manifest.preprocess, manifest.classes, count_max=options.images)
    model = DramModel(latency=options.latency, stall=options.stall, seed=options.seed)
    begin = time.perf_counter()
    runs = _model_runs(network, config, images, model, options, say)
    model_seconds = time.perf_counter() - begin
    total = sum(run.timeline.cycles for run in runs)
    before = [sum(run.timeline.cycles for run in runs[:index]) for index in range(len(runs))]

    def on_progress(job: int, cycle: int) -> None:
        say("simulating cycles of the Verilog", min(before[job] + cycle, total), total)

    say(f"building the Verilog with {options.simulator}", 0, 1)
    waves = Waves(path=options.waves) if options.waves is not None else None
    begin = time.perf_counter()
    results = run_jobs([run.job for run in runs], config, options.simulator, waves=waves, progress=on_progress)
    rtl_seconds = time.perf_counter() - begin
    comparisons = [_compare(run, result, network, images) for run, result in zip(runs, results, strict=True)]
    recorded = options.waves
    wrong = next((index for index, one in enumerate(comparisons) if one.first_mismatch is not None), None)
    if wrong is not None and recorded is None:
        recorded = MISMATCH_WAVES
        _record(runs[wrong], comparisons[wrong], config, options.simulator, recorded)
    return Verification(
        network=network.name,
        config=config,
        simulator=options.simulator,
        dram=model,
        comparisons=tuple(comparisons),
        model_seconds=model_seconds,
        rtl_seconds=rtl_seconds,
        waves=recorded,
    )


def _model_runs(
    network: Network,
    config: AcceleratorConfig,
    images: ImageSet,
    model: DramModel,
    options: VerifyOptions,
    say: Stage,
) -> list[_Run]:
    programs: list[Literal["trace", "production"]] = (
        ["trace", "production"] if options.trace == "all" else ["production"]
    )
    runs: list[_Run] = []
    for program in programs:
        say("compiling", len(runs), len(programs))
        executable = compile_executable(network, config, trace=program == "trace")
        for image in range(len(images)):
            say("running the model", len(runs), len(programs) * len(images))
            dram = executable.with_image(images.pixels[image])
            result = run_program(dram, config)
            timeline = schedule(result.instructions, config, model, result.tile_steps)
            job = Job(dram=dram, model=model)
            runs.append(
                _Run(
                    program=program, executable=executable, image=image, job=job, dram=result.dram, timeline=timeline
                )
            )  # fmt: skip
    return runs


def _compare(run: _Run, result: JobResult, network: Network, images: ImageSet) -> Comparison:
    classes = network.manifest.classes
    logits = run.executable.logits(result.dram)
    label = None if images.labels is None else classes[int(images.labels[run.image])]
    return Comparison(
        program=run.program,
        image=run.image,
        instructions=len(run.executable.program),
        bytes_compared=len(run.dram),
        mismatched_bytes=int(np.count_nonzero(run.dram != result.dram)),
        cycles_model=run.timeline.cycles,
        cycles_rtl=result.cycles,
        busy_model=run.timeline.busy_cycles,
        busy_rtl=result.busy_cycles,
        error=result.error,
        class_name=classes[int(logits.argmax())],
        label=label,
        first_mismatch=first_mismatch(run.executable, run.dram, result.dram),
    )


def _record(run: _Run, comparison: Comparison, config: AcceleratorConfig, simulator: Simulator, path: Path) -> None:
    """Simulate again and record the instruction that went wrong first."""
    mismatch = comparison.first_mismatch
    assert mismatch is not None
    check_outputs(path)
    events = {event.index: event for event in run.timeline.events}
    event = events.get(mismatch.instruction if mismatch.instruction is not None else -1)
    first = max(0, (event.start if event is not None else 0) - WAVE_CYCLES_BEFORE)
    last = min(event.done + WAVE_CYCLES_BEFORE if event is not None else WAVE_CYCLES_MAX, first + WAVE_CYCLES_MAX)
    run_jobs([run.job], config, simulator, waves=Waves(path=path, first_cycle=first, last_cycle=last))
