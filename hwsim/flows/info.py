"""Describe a network: its layers and formats, what the compiler proves of it and how it was made."""

from __future__ import annotations

from hwsim.compiler import compile_network
from hwsim.config import load_preset
from hwsim.flows.shipped import network_path
from hwsim.network import load_network
from hwsim.report.network_table import NetworkReport


def info(network: str, preset: str = "edge", overrides: tuple[str, ...] = ()) -> NetworkReport:
    """Load and compile a network without running it.

    Parameters
    ----------
    network : folder of a network or the name of a shipped one

    Raises
    ------
    HwsimError
        If the network or the preset is not usable, or the compiler refuses the network.
    """
    config = load_preset(preset, list(overrides))
    return NetworkReport(program=compile_network(load_network(network_path(network)), config))
