"""Lines of the Verilog that random programs, random networks and the shipped network execute, by module.

``python -m benchmarks.rtl_coverage [--cases N] [--seed S]``: Verilator's line coverage of the whole accelerator
(``tiny``, both PE styles), without cocotb; the benches of single units come on top of it.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
from collections import defaultdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hwsim.compiler.executable import compile_executable
from hwsim.config import load_preset
from hwsim.flows.shipped import data_path, network_path
from hwsim.images import load_images
from hwsim.network import load_network
from hwsim.simulators.run import Job, run_jobs
from hwsim.timing.dram import DramModel
from tests.rtl.accelerator import Case

Points = dict[tuple[str, str], int]
"""Count by (file, place)."""


def random_cases(count: int, seed: int) -> list[Case]:
    """Cases as the tests draw them, without hypothesis."""
    rng = random.Random(seed)
    return [
        Case(
            kind=rng.choice(["program", "program", "network"]), seed=rng.getrandbits(31), chains=rng.randint(1, 6),
            trace=rng.random() < 0.5, latency=rng.randint(0, 60), stall=rng.choice([0, 20, 80, 200]),
            dram_seed=rng.getrandbits(31), row_scales=rng.random() < 0.5, wide_stream=rng.random() < 0.5,
            narrow_weights=rng.random() < 0.5,
        )
        for _ in range(count)
    ]  # fmt: skip


def counts(path: Path) -> Points:
    """Counts of one run."""
    found: Points = {}
    for line in path.read_text(errors="replace").splitlines():
        match = re.match(r"C '(.*)' (\d+)$", line)
        if match is None:
            continue
        keys = dict(part.split("\x02", 1) for part in match[1].split("\x01") if "\x02" in part)
        place = (Path(keys["f"]).stem, "/".join(keys.get(key, "") for key in ("l", "n", "o", "S")))
        found[place] = found.get(place, 0) + int(match[2])
    return found


def main() -> None:
    """Run, add up, print."""
    parser = argparse.ArgumentParser(description="Line coverage of the Verilog.")
    parser.add_argument("--cases", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    total: Points = defaultdict(int)
    network = load_network(network_path(None))
    manifest = network.manifest
    images = load_images(data_path(None, network), manifest.preprocess, manifest.classes, count_max=1)
    for style in ("shift", "two_accumulator"):
        config = load_preset("tiny", [f"pe_style={style}"])
        jobs = [Job(dram=case.memory(config), model=case.model) for case in random_cases(args.cases, args.seed)]
        shipped = compile_executable(network, config).with_image(images.pixels[0])
        jobs.append(Job(dram=shipped, model=DramModel(latency=20, stall=0, seed=0)))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "coverage.dat"
            run_jobs(jobs, config, "verilator", coverage=path)
            for place, count in counts(path).items():
                total[place] += count
    table = Table("module", "points", "executed", "%", "not executed (lines)", box=None)
    modules = sorted({name for name, _ in total})
    for module in modules:
        mine = {place: count for (name, place), count in total.items() if name == module}
        missing = sorted({int(place.split("/")[0]) for place, count in mine.items() if count == 0})
        hit = sum(count > 0 for count in mine.values())
        table.add_row(
            module, str(len(mine)), str(hit), f"{100 * hit / len(mine):.0f}", ", ".join(map(str, missing)),
        )  # fmt: skip
    hit = sum(count > 0 for count in total.values())
    table.add_row("all", str(len(total)), str(hit), f"{100 * hit / len(total):.1f}", "")
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
