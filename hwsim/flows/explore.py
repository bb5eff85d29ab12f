"""``hwsim explore``: a grid of a preset's keys against cycles, energy, area and accuracy, on the workers of Dask.

All input is checked before work begins; finished points are kept, and a second call goes on from them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from hwsim.config import build_config, load_preset
from hwsim.cost.area_estimate import SYNTHESISED, estimate_area, fitted, memory_bit_nand2
from hwsim.cost.energy_table import load_energy_table
from hwsim.errors import HwsimError
from hwsim.flows.compare_options import by_model, split_list
from hwsim.flows.explore_options import ExploreOptions, parse_grid, settings_of
from hwsim.flows.explore_shapes import SHAPES
from hwsim.flows.explore_work import TOPIC, Batch, NetworkSource, load_source, run_batch
from hwsim.flows.shipped import data_path, network_path, shipped_networks
from hwsim.flows.store import ResultStore, code, content, key_of
from hwsim.flows.versions import versions
from hwsim.flows.workers import check_installed, compute, cores, local_workers, remote_workers
from hwsim.network import Network
from hwsim.report.exploration import Exploration, Figures, Point, Value, pareto

Progress = Callable[[int, int], None]
"""Called with the number of points done and the number of all points."""
VERSIONS = ("hwsim", "numpy", "numba")
BATCH_MAX = 64
BATCHES_A_WORKER = 4
"""At least so many, so that no worker idles at the end."""
CHEAP_KEYS = frozenset(
    ("freq_mhz", "energy_table", "pe_style", "queue_depth", "dma_outstanding", "weight_buffer_bytes")
)
"""Keys that change no program; points that differ in these only go to one worker, which compiles once."""


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A network with what the table says about it."""

    source: NetworkSource
    top1: float | None


@dataclass(frozen=True, kw_only=True)
class _Planned:
    """A point with its place in the store."""

    source: NetworkSource
    top1: float | None
    settings: dict[str, Value]
    config: dict[str, Any]
    key: str
    decided_by: dict[str, Any]

    def point(self, result: dict[str, Any], reused: bool) -> Point:
        """Point of the exploration."""
        found = result.get("found")
        return Point(
            network=self.source.name,
            settings=self.settings,
            top1=self.top1,
            figures=None if found is None else Figures(**found),
            failure=result.get("refused", result.get("failure")),
            reused=reused,
        )


def explore(options: ExploreOptions, progress: Progress | None = None) -> Exploration:
    """Compute what is not known yet.

    Raises
    ------
    HwsimError
        If an option, a network or its images are not usable, Dask is not installed, no scheduler answers, or the work
        was interrupted.
    """
    grid = parse_grid(options.vary, options.overrides)
    _check(options)
    store = ResultStore(options.out, "point")
    store.prepare()
    planned = _plan(options, settings_of(grid))
    points = {} if options.fresh else _known(planned, store)
    tell = progress or (lambda done, total: None)
    tell(len(points), len(planned))
    try:
        _compute(options, planned, points, store, tell)
    except KeyboardInterrupt as interrupt:
        raise HwsimError(
            f"interrupted with {len(points)} of {len(planned)} points finished; the same command goes on from them "
            f"(they are kept in {options.out})"
        ) from interrupt
    ordered = [points[number] for number in range(len(planned))]
    marked = [replace(point, pareto=mark) for point, mark in zip(ordered, pareto(ordered), strict=True)]
    return Exploration(
        points=tuple(marked),
        keys=tuple(grid),
        preset=options.preset,
        overrides=options.overrides,
        images=options.images,
        remarks=tuple(_remarks(options, planned)),
        versions=versions(*VERSIONS, "distributed"),
    )


def _check(options: ExploreOptions) -> None:
    """What needs no files."""
    if options.images < 0:
        raise HwsimError(f"--images must be 0 or more, not {options.images}")
    if options.jobs is not None and options.jobs < 1:
        raise HwsimError(f"--jobs must be 1 or more, not {options.jobs}")
    if options.jobs is not None and options.scheduler is not None:
        raise HwsimError("--jobs and --scheduler: expected one of them (a scheduler has its own workers)")
    load_energy_table(load_preset(options.preset, list(options.overrides)).energy_table)
    check_installed("explore", "explore")


# What is asked for


def _plan(options: ExploreOptions, settings: list[dict[str, Value]]) -> list[_Planned]:
    base = load_preset(options.preset, list(options.overrides)).model_dump()
    own_tables = {
        str(table): content(Path(str(table)))
        for table in {base["energy_table"], *(one.get("energy_table", "horowitz_45nm") for one in settings)}
        if str(table).endswith(".yaml")
    }
    shared = {"code": code(("hwsim",)), "versions": versions(*VERSIONS), "tables": own_tables}
    planned = []
    for one in _sources(options):
        for setting in settings:
            config = base | setting
            decided_by = {**shared, "network": one.source.name, "digest": one.source.digest, "config": config}
            planned.append(
                _Planned(
                    source=one.source, top1=one.top1, settings=setting, config=config, key=key_of(decided_by),
                    decided_by=decided_by,
                )
            )  # fmt: skip
    return planned


def _sources(options: ExploreOptions) -> list[_Source]:
    names = split_list(options.networks, "--networks")
    data = by_model(options.data, names, "--data", shared=True)
    return [_source(name, data.get(name), options.images) for name in names]


def _source(name: str, data: Path | None, images: int) -> _Source:
    """A network that can be read, with images that can be."""
    if name in SHAPES and not Path(name).exists():
        if data is not None:
            raise HwsimError(f"--data: {name} has random weights and takes random pixels (expected a network's folder)")
        return _Source(source=NetworkSource(name=name, folder=None, data=None, images=images, digest=f"{images}"),
                       top1=None)  # fmt: skip
    if not Path(name).exists() and name not in shipped_networks():
        known = ", ".join([*shipped_networks(), *SHAPES])
        raise HwsimError(f"--networks: there is no network {name!r} (expected a folder, or one of {known})")
    folder = network_path(name).absolute()
    network, _ = load_source(NetworkSource(name=name, folder=folder, data=None, images=0, digest=""))
    pixels = data_path(data, network).absolute() if images else None
    digest = _digest(network, pixels, images)
    source = NetworkSource(name=name, folder=folder, data=pixels, images=images, digest=digest)
    load_source(source)
    return _Source(source=source, top1=network.manifest.origin.top1_integer)


def _digest(network: Network, pixels: Path | None, images: int) -> str:
    """SHA-256 of all of a network, of the images and of their number."""
    parts = (network.manifest.model_dump_json(), "" if pixels is None else content(pixels), str(images))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


# The work


def _known(planned: list[_Planned], store: ResultStore) -> dict[int, Point]:
    found: dict[int, Point] = {}
    for number, one in enumerate(planned):
        values = store.read_values(one.source.name, one.key)
        try:
            if values is not None:
                found[number] = one.point(values, reused=True)
        except TypeError:  # a damaged file
            continue
    return found


def _compute(
    options: ExploreOptions, planned: list[_Planned], points: dict[int, Point], store: ResultStore, tell: Progress
) -> None:
    """Add the missing points; each is kept as soon as it is there."""
    left = [number for number in range(len(planned)) if number not in points]
    if not left:
        return
    jobs = min(options.jobs or cores(), len(left))
    with remote_workers(options.scheduler) if options.scheduler is not None else local_workers(jobs) as client:
        workers = len(client.scheduler_info(n_workers=-1)["workers"])
        numbers = _batches(planned, left, workers)
        batches = [
            Batch(source=planned[batch[0]].source, configs=tuple(planned[number].config for number in batch))
            for batch in numbers
        ]
        for index, answer in compute(client, run_batch, batches, TOPIC, lambda _index, _what: None):
            mine = numbers[index]
            results = answer.get("results", [answer] * len(mine))  # a lost worker is a failure of all its points
            for number, result in zip(mine, results, strict=True):
                one = planned[number]
                if "failure" not in result:
                    store.write_values(one.source.name, one.key, one.decided_by, result)
                points[number] = one.point(result, reused=False)
            tell(len(points), len(planned))


def _batches(planned: list[_Planned], left: list[int], workers: int) -> list[list[int]]:
    """Numbers of the points of each batch: of one network, those of one program beside each other."""

    def program(number: int) -> tuple[str, list[str]]:
        one = planned[number]
        return one.source.name, [f"{key}={value}" for key, value in one.settings.items() if key not in CHEAP_KEYS]

    size = max(1, min(BATCH_MAX, len(left) // (workers * BATCHES_A_WORKER)))
    batches: list[list[int]] = []
    for _, group in groupby(sorted(left, key=program), key=lambda number: planned[number].source.name):
        numbers = list(group)
        batches += [numbers[first : first + size] for first in range(0, len(numbers), size)]
    return batches


# What a reader must know


def _remarks(options: ExploreOptions, planned: Iterable[_Planned]) -> list[str]:
    lines = [_area_remark()]
    unknown = sorted({key for one in planned for key in _without_estimate(one.config)})
    if unknown:
        values = ", ".join(f"{key} = {SYNTHESISED[key]}" for key in unknown)
        lines.append(f"No area where it was not synthesised: the units' gates are known for {values} only.")
    random = sorted({one.source.name for one in planned if one.source.folder is None})
    if random and options.images:
        lines.append(f"{', '.join(random)}: random weights and pixels, so energy is that of random operands.")
    if not options.images:
        lines.append("No energy: --images 0 reads no image.")
    return lines


def _without_estimate(values: dict[str, Any]) -> tuple[str, ...]:
    try:
        return estimate_area(build_config(values, "")).unknown
    except HwsimError:
        return ()


def _area_remark() -> str:
    synthesised = " and ".join(" ".join([one["preset"], *one["overrides"]]) for one in fitted())
    return (
        f"Area is an estimate: units times the gates of each, a straight line through what was synthesised for "
        f"{synthesised} (hwsim area synthesises one point); a bit of memory counts as {memory_bit_nand2()} NAND2 gates."
    )
