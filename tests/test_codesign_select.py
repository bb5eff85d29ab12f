"""The choice within budgets against every combination of a small table, and what can't be met in one sentence."""

from __future__ import annotations

import itertools
import os
import re

import numpy as np
import pytest

from hwsim.errors import HwsimError
from hwsim.flows.codesign_select import select
from hwsim.report.codesign import Budgets, OptionTable, PricedOption, TensorOptions, Totals

UNITS = (("row decoder", "uniform"), ("row decoder", "log2"), ("softmax encoder", "log2"))


def random_table(seed: int, tensors: int = 4) -> OptionTable:
    rng = np.random.default_rng(seed)

    def option(number: int) -> PricedOption:
        return PricedOption(
            format="ab"[number % 2],
            bits=3 + number,
            kl=float("inf") if rng.random() < 0.15 and number else float(rng.exponential() * 2.0**-number),
            energy_uj=float(rng.normal() + 3 * number),
            cycles=int(rng.integers(0, 50)),
            units=tuple(unit for unit in UNITS if rng.random() < 0.4) or UNITS[:1],
        )

    return OptionTable(
        tensors=tuple(
            TensorOptions(
                name=f"t{index}", elements=int(rng.integers(1, 9)), is_weight=index % 2 == 0,
                options=tuple(option(number) for number in range(4)),
            )
            for index in range(tensors)
        ),
        energy_uj=100.0,
        cycles=1000,
        unit_nand2={unit: 10.0 * (index + 1) for index, unit in enumerate(UNITS)},
    )  # fmt: skip


def every_choice(table: OptionTable) -> list[Totals]:
    numbers = itertools.product(range(4), repeat=len(table.tensors))
    found = [table.totals({t.name: n for t, n in zip(table.tensors, each, strict=True)}) for each in numbers]
    return [totals for totals in found if np.isfinite(totals.kl)]


def meets(totals: Totals, budgets: Budgets) -> bool:
    assert totals.area_nand2 is not None
    pairs = (
        (totals.energy_uj, budgets.energy_uj), (totals.cycles, budgets.cycles),
        (totals.area_nand2, budgets.area_nand2), (max(totals.weight_bits, totals.activation_bits), budgets.bits),
    )  # fmt: skip
    return all(limit is None or value <= limit + 1e-9 for value, limit in pairs)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("keys", [("energy_uj",), ("cycles", "bits"), ("area_nand2",), ("area_nand2", "energy_uj")])
def test_best_of_every_combination(seed: int, keys: tuple[str, ...]) -> None:
    table = random_table(seed)
    choices = every_choice(table)
    middle = choices[len(choices) // 2]
    limits = {
        "energy_uj": middle.energy_uj, "cycles": float(middle.cycles), "area_nand2": middle.area_nand2,
        "bits": max(middle.weight_bits, middle.activation_bits),
    }  # fmt: skip
    budgets = Budgets(**{key: limits[key] for key in keys})
    found = table.totals(select(table, budgets))
    assert meets(found, budgets)
    best = min(totals.kl for totals in choices if meets(totals, budgets))
    assert found.kl == pytest.approx(best, rel=2e-4, abs=1e-7)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("key", "option"),
    [
        ("energy_uj", "--budget-energy"),
        ("cycles", "--budget-cycles"),
        ("area_nand2", "--budget-area"),
        ("bits", "--bits"),
    ],
)
def test_a_budget_that_cannot_be_met_says_the_smallest_that_can(seed: int, key: str, option: str) -> None:
    table = random_table(seed)
    with pytest.raises(HwsimError) as caught:
        select(table, Budgets(**{key: 1e-3}))
    assert str(caught.value).startswith(f"{option} 0.001: no choice of formats meets it, expected at least ")
    named = re.search(r"at least ([\d.]+)", str(caught.value))
    assert named is not None
    least = float(named[1])
    assert meets(table.totals(select(table, Budgets(**{key: least}))), Budgets(**{key: least}))
    assert not any(meets(totals, Budgets(**{key: least - 0.011})) for totals in every_choice(table))


def test_budgets_that_cannot_be_met_together() -> None:
    options = tuple(
        PricedOption(format="a", bits=bits, kl=1.0, energy_uj=energy, cycles=0, units=())
        for bits, energy in ((3, 5.0), (8, 0.0))
    )
    weight = TensorOptions(name="w", elements=1, is_weight=True, options=options)
    other = TensorOptions(name="x", elements=1, is_weight=False, options=options)
    table = OptionTable(tensors=(weight, other), energy_uj=10.0, cycles=1, unit_nand2={})
    with pytest.raises(HwsimError, match="--budget-energy 12: no choice of formats meets it beside the other budgets, "
                                         "expected at least 20 µJ an image"):  # fmt: skip
        select(table, Budgets(energy_uj=12.0, bits=3))


def test_of_equals_the_cheapest() -> None:
    options = tuple(
        PricedOption(format="a", bits=8, kl=1.0, energy_uj=energy, cycles=0, units=()) for energy in (5.0, 1.0, 3.0)
    )
    both = tuple(TensorOptions(name=n, elements=1, is_weight=n == "w", options=options) for n in "wx")
    table = OptionTable(tensors=both, energy_uj=0.0, cycles=1, unit_nand2={})
    assert select(table, Budgets(bits=8)) == {"w": 1, "x": 1}


def test_the_solver_prints_nothing(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import scipy.optimize

    solver = scipy.optimize.milp

    def loud(*arguments: object, **options: object) -> object:
        os.write(1, b"a line of the solver")
        return solver(*arguments, **options)

    monkeypatch.setattr(scipy.optimize, "milp", loud)
    print("before")
    select(random_table(0), Budgets(bits=6))
    print("after")
    assert capfd.readouterr().out == "before\nafter\n"
