"""From a network to a program: lower, check against the configuration, prove."""

from __future__ import annotations

from math import prod

from hwsim.compiler.limits import check_limits
from hwsim.compiler.lower import Pass, Product, gemm_of, lower
from hwsim.compiler.program import Instruction, Program
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
    instructions = tuple(_instruction(network, one) for one in passes)
    return Program(network=network, config=config, instructions=instructions, accumulator_bounds=bounds)


def _instruction(network: Network, one: Pass) -> Instruction:
    gemm = gemm_of(network, one.main) if isinstance(one.main, Product) else None
    shape = network.tensor(one.output).shape
    channels = gemm.columns if gemm else shape[-1]
    return Instruction(
        name=one.main.name,
        layers=tuple(layer.name for layer in one.layers),
        unit=one.unit,
        gemm=gemm,
        rows=prod(shape) // channels,
        channels=channels,
    )
