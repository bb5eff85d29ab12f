"""Runs jobs on a built harness: memory images in, memory images, status, cycles and busy cycles out."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError
from hwsim.isa import QUEUES
from hwsim.simulators.build import build_harness
from hwsim.simulators.toolchain import Simulator
from hwsim.timing.dram import DramModel

WATCHDOG_CYCLES = 1_000_000
ERRORS = ("none", "illegal", "address", "axi_read", "axi_write", "conflict", "watchdog", "token_overflow")
NO_QUEUE = "none"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One program on one memory image."""

    dram: NDArray[np.uint8]
    """uint8[bytes]: DRAM from address 0, whole beats."""
    model: DramModel
    program_address: int = 0
    watchdog_cycles: int = WATCHDOG_CYCLES
    error_address: int | None = None
    """A burst that touches this byte address is answered with an error."""


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """What the registers and DRAM say after a job."""

    done: bool
    error: str
    """One of ``ERRORS``."""
    error_queue: str
    error_tag: int
    cycles: int
    busy_cycles: dict[str, int]
    dram: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Waves:
    """A window of one job to record."""

    path: Path
    job: int = 0
    first_cycle: int = 0
    last_cycle: int = (1 << 31) - 1


def run_jobs(
    jobs: Sequence[Job],
    config: AcceleratorConfig,
    simulator: Simulator,
    *,
    waves: Waves | None = None,
    coverage: Path | None = None,
    limit_cycles: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[JobResult]:
    """Run jobs one after another in one simulator process.

    Parameters
    ----------
    coverage : Verilator only: file of line counts to write
    limit_cycles : a job that takes more is given up; 0: never
    progress : called about once a second with job and cycle (Verilator)

    Raises
    ------
    HwsimError
        For a build that fails, a simulator that stops early, or unknown bits in the memory that it leaves.
    """
    words = max(len(job.dram) for job in jobs) // config.beat_bytes
    product = build_harness(config, simulator, words, waves=waves is not None, coverage=coverage is not None)
    with tempfile.TemporaryDirectory(prefix="hwsim-") as name:
        folder = Path(name)
        for index, job in enumerate(jobs):
            write_job(folder, index, job, config)
        command = [str(product)] if simulator == "verilator" else ["vvp", "-n", str(product), "-fst"]
        command += [f"+folder={folder}", f"+jobs={len(jobs)}", f"+limit={limit_cycles}"]
        if coverage is not None:
            command += [f"+coverage={coverage}"]
        if waves is not None:
            command += [f"+waves={waves.path}", f"+wave_job={waves.job}"]
            command += [f"+wave_from={waves.first_cycle}", f"+wave_to={waves.last_cycle}"]
        tail = _execute(command, progress)
        lines = (folder / "results.txt").read_text().splitlines() if (folder / "results.txt").is_file() else []
        if len(lines) != len(jobs):
            raise HwsimError(f"{simulator} ended after {len(lines)} of {len(jobs)} jobs: {tail}")
        return [
            _read_result(folder, index, line, job, config)
            for index, (line, job) in enumerate(zip(lines, jobs, strict=True))
        ]


def write_job(folder: Path, index: int, job: Job, config: AcceleratorConfig) -> None:
    """Files of a job for ``hws_harness``."""
    beat = config.beat_bytes
    if len(job.dram) % beat:
        raise HwsimError(f"the memory image has {len(job.dram)} bytes, expected whole beats of {beat}")
    digits = np.ascontiguousarray(job.dram.reshape(-1, beat)[:, ::-1]).tobytes().hex()
    width = 2 * beat
    (folder / f"{index}.hex").write_text("\n".join(digits[i : i + width] for i in range(0, len(digits), width)) + "\n")
    error = -1 if job.error_address is None else job.error_address
    values = [len(job.dram) // beat - 1, job.model.latency, job.model.stall, job.model.seed]
    values += [job.program_address, len(job.dram), job.watchdog_cycles, error]
    (folder / f"{index}.cfg").write_text(" ".join(map(str, values)) + "\n")


def _execute(command: list[str], progress: Callable[[int, int], None] | None) -> str:
    tail: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("progress "):
                if progress is not None:
                    job, cycle = map(int, line.split()[1:])
                    progress(job, cycle)
            else:
                tail = [*tail[-4:], line.strip()]
    return " | ".join(tail) or f"exit status {process.returncode}"


def _read_result(folder: Path, index: int, line: str, job: Job, config: AcceleratorConfig) -> JobResult:
    numbers = [int(text) for text in line.split()]
    status, low, high, *busy = numbers[1:]
    queue = (status >> 12) & 15
    return JobResult(
        done=bool(status & 2),
        error=ERRORS[(status >> 8) & 15],
        error_queue=QUEUES[queue] if queue < len(QUEUES) else NO_QUEUE,
        error_tag=(status >> 16) & 0xFFFF,
        cycles=low | high << 32,
        busy_cycles=dict(zip(QUEUES, busy, strict=True)),
        dram=_read_dump(folder / f"{index}.out", len(job.dram), config.beat_bytes),
    )


def _read_dump(path: Path, size: int, beat: int) -> NDArray[np.uint8]:
    digits = "".join(_words(path))
    if "x" in digits or "X" in digits:
        word = min(place for place in (digits.find("x"), digits.find("X")) if place >= 0) // (2 * beat)
        raise HwsimError(f"DRAM holds unknown bits at byte address {word * beat:#x} after the run")
    data = np.frombuffer(bytes.fromhex(digits), np.uint8).reshape(-1, beat)[:, ::-1].reshape(-1)
    if len(data) != size:
        raise HwsimError(f"the simulator left {len(data)} bytes of DRAM, expected {size}")
    return np.ascontiguousarray(data)


def _words(path: Path) -> Iterator[str]:
    for line in path.read_text().splitlines():
        if line and line[0] not in "/@":
            yield line.strip().replace(" ", "")
