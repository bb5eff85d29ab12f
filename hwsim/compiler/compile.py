"""From a network to a program: lower, check against the configuration, prove."""

from __future__ import annotations

from math import prod

from hwsim.compiler.limits import check_limits
from hwsim.compiler.lower import Pass, Product, gemm_of, lower
from hwsim.compiler.program import PassSummary, Program
from hwsim.compiler.proof import accumulator_bounds
from hwsim.config import AcceleratorConfig
from hwsim.network import Network


def compile_network(network: Network, config: AcceleratorConfig) -> Program:
    """Compile a checked network for one configuration.

    Raises
    ------
    HwsimError
        If a layer has no unit, does not fit the configuration, or could overflow an accumulator.
    """
    passes = lower(network)
    check_limits(network, passes, config)
    bounds = accumulator_bounds(network, passes, config)
    summaries = tuple(_summary(network, one) for one in passes)
    return Program(network=network, config=config, passes=summaries, accumulator_bounds=bounds)


def _summary(network: Network, one: Pass) -> PassSummary:
    gemm = gemm_of(network, one.main) if isinstance(one.main, Product) else None
    shape = network.tensor(one.output).shape
    channels = gemm.columns if gemm else shape[-1]
    return PassSummary(
        name=one.main.name,
        layers=tuple(layer.name for layer in one.layers),
        unit=one.unit,
        gemm=gemm,
        rows=prod(shape) // channels,
        channels=channels,
    )
