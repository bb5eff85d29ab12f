"""Random programs and random networks on the whole accelerator: equal in every byte and every cycle."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hwsim.config import load_preset
from tests.rtl.accelerator import Case, check_cases

CASES_PER_PROCESS = 30
PROCESSES = 2
PROCESSES_LONG = 20
CONFIGURATIONS = [
    (preset, style) for preset in ("tiny", "edge") for style in ("shift", "two_accumulator")
]  # 4 configurations, 240 cases; with --long 2,400

CASES = st.builds(
    Case,
    kind=st.sampled_from(["program", "network"]),
    seed=st.integers(0, 2**31 - 1),
    chains=st.integers(1, 6),
    trace=st.booleans(),
    latency=st.integers(0, 60),
    stall=st.sampled_from([0, 20, 80, 200]),
    dram_seed=st.integers(0, 2**31 - 1),
    row_scales=st.booleans(),
    wide_stream=st.booleans(),
    narrow_weights=st.booleans(),
)


def run_random(preset: str, style: str, processes: int) -> None:
    config = load_preset(preset, [f"pe_style={style}"])

    @settings(
        max_examples=processes,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(CASES, min_size=CASES_PER_PROCESS, max_size=CASES_PER_PROCESS, unique=True))
    def check(cases: list[Case]) -> None:
        cycles = check_cases(cases, config, "verilator")
        print(f"{preset} {style}: {len(cases)} cases, {cycles:,} cycles, difference 0")

    check()


@pytest.mark.parametrize(("preset", "style"), CONFIGURATIONS)
def test_random_programs(preset: str, style: str) -> None:
    run_random(preset, style, PROCESSES)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("preset", "style"), CONFIGURATIONS)
def test_many_random_programs(preset: str, style: str) -> None:
    run_random(preset, style, PROCESSES_LONG)


def test_icarus_knows_every_bit() -> None:
    """A two-layer network and programs in four states: an unknown bit in DRAM or in a register would be an error."""
    common = {"chains": 3, "trace": True, "latency": 5, "stall": 60, "dram_seed": 1}
    cases = [Case(kind=kind, seed=seed, **common) for kind in ("network", "program") for seed in range(3)]
    cases += [Case(kind="network", seed=3, narrow_weights=True, **common)]
    check_cases(cases, load_preset("tiny"), "icarus")
