"""Choose one option for each tensor: the least KL within all budgets, by a mixed-integer linear program (SciPy, HiGHS).

    minimise   sum_t sum_o kl[t, o] x[t, o]                   x, y in {0, 1}
    such that  sum_o x[t, o] = 1                              for each tensor t
               base + sum energy[t, o] x[t, o] <= budget      cycles likewise
               sum elements[t] bits[o] x[t, o] <= limit sum elements[t]        over weights, and over activations
               x[t, o] <= y[u] for each unit u that o needs,  sum gates[u] y[u] <= budget

Greedy mixed precision (MPTQ-ViT's, in the order of sensitivity) is a way to one of these choices: the same tensors with
one format each, a budget on bits.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from hwsim.errors import HwsimError
from hwsim.report.codesign import Budgets, OptionTable

SECONDS_MAX = 60
RELATIVE_GAP = 1e-4
UNITS_OF = {"energy_uj": "µJ an image", "cycles": "cycles an image", "area_nand2": "NAND2 gates", "bits": "bits"}
OPTION_OF = {
    "energy_uj": "--budget-energy", "cycles": "--budget-cycles", "area_nand2": "--budget-area", "bits": "--bits",
}  # fmt: skip


def select(table: OptionTable, budgets: Budgets) -> dict[str, int]:
    """Number of the option chosen, by tensor.

    Raises
    ------
    HwsimError
        If no choice meets the budgets; it says the smallest that can be met.
    """
    program = _Program(table)
    best = program.solve(program.kl, budgets)
    if best is None:
        _refuse(program, budgets)
    # of choices that are equally good the cheapest
    as_good = _Row(program.kl, (1 + RELATIVE_GAP) * program.value(program.kl, best))
    return program.solve(program.energy, budgets, (as_good,)) or best


@dataclass(frozen=True)
class _Row:
    """``values . x <= limit``."""

    values: Any
    limit: float


class _Program:
    """Variables: one for each option that can be had, in the order of the tensors, then one for each unit."""

    def __init__(self, table: OptionTable) -> None:
        self.table = table
        self.options = [
            (number, option, tensor)
            for tensor in table.tensors
            for number, option in enumerate(tensor.options)
            if math.isfinite(option.kl)
        ]
        self.units = sorted({unit for _, option, _ in self.options for unit in option.units})
        self.count = len(self.options) + len(self.units)
        self.kl = self._of_options([option.kl for _, option, _ in self.options])
        self.energy = self._of_options([option.energy_uj for _, option, _ in self.options])
        self.cycles = self._of_options([float(option.cycles) for _, option, _ in self.options])
        self.area = np.zeros(self.count)
        self.area[len(self.options) :] = [table.unit_nand2.get(unit, 0.0) for unit in self.units]

    def resources(self) -> Mapping[str, list[tuple[Any, float]]]:
        """By budget, the sums that it limits and what they begin with; those of bits are averages."""
        return {
            "energy_uj": [(self.energy, self.table.energy_uj)],
            "cycles": [(self.cycles, float(self.table.cycles))],
            "area_nand2": [(self.area, 0.0)],
            "bits": [(self._average_bits(is_weight=flag), 0.0) for flag in (True, False)],
        }

    def solve(self, objective: Any, budgets: Budgets, more: Sequence[_Row] = ()) -> dict[str, int] | None:
        """The choice with the least objective, None where there is none."""
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array

        limits = [
            _Row(values, limit - base)
            for key, sums in self.resources().items()
            if (limit := getattr(budgets, key)) is not None
            for values, base in sums
        ]
        limits += more
        constraints = [LinearConstraint(csr_array(self._one_each()), 1, 1)]
        if limits:
            matrix = csr_array(np.stack([row.values for row in limits]))
            constraints.append(LinearConstraint(matrix, -np.inf, [row.limit for row in limits]))
        if self.table.unit_nand2:
            constraints.append(LinearConstraint(csr_array(self._needs()), -np.inf, 0))
        with _silent():
            found = milp(
                objective, integrality=np.ones(self.count), bounds=Bounds(0, 1), constraints=constraints,
                options={"time_limit": SECONDS_MAX, "mip_rel_gap": RELATIVE_GAP},
            )  # fmt: skip
        if found.x is None:
            return None
        chosen = [entry for entry, value in zip(self.options, found.x, strict=False) if value > 0.5]
        return {tensor.name: number for number, _, tensor in chosen}

    def least(self, key: str, others: Budgets) -> float | None:
        """Smallest value of a budget that the others allow; None: they allow nothing."""
        worst = -math.inf
        for values, base in self.resources()[key]:
            chosen = self.solve(values, others)
            if chosen is None:
                return None
            worst = max(worst, base + self.value(values, chosen))
        return worst

    def value(self, values: Any, chosen: Mapping[str, int]) -> float:
        """Sum of the values of a choice."""
        return float(values @ self._indicator(chosen))

    def _indicator(self, chosen: Mapping[str, int]) -> Any:
        x = np.zeros(self.count)
        for index, (number, option, tensor) in enumerate(self.options):
            if chosen[tensor.name] == number:
                x[index] = 1
                for unit in option.units:
                    x[len(self.options) + self.units.index(unit)] = 1
        return x

    def _of_options(self, values: list[float]) -> Any:
        return np.concatenate([np.array(values, np.float64), np.zeros(len(self.units))])

    def _average_bits(self, *, is_weight: bool) -> Any:
        elements = sum(tensor.elements for tensor in self.table.tensors if tensor.is_weight == is_weight)
        return self._of_options(
            [
                option.bits * tensor.elements / elements if tensor.is_weight == is_weight else 0.0
                for _, option, tensor in self.options
            ]
        )

    def _one_each(self) -> Any:
        rows = {tensor.name: row for row, tensor in enumerate(self.table.tensors)}
        matrix = np.zeros((len(rows), self.count))
        for index, (_, _, tensor) in enumerate(self.options):
            matrix[rows[tensor.name], index] = 1
        return matrix

    def _needs(self) -> Any:
        needed = [
            (index, self.units.index(unit))
            for index, (_, option, _) in enumerate(self.options)
            for unit in option.units
        ]
        matrix = np.zeros((len(needed), self.count))
        for row, (index, unit) in enumerate(needed):
            matrix[row, index], matrix[row, len(self.options) + unit] = 1, -1
        return matrix


@contextmanager
def _silent() -> Iterator[None]:
    """Without what HiGHS prints now and then, past Python, on the process's standard output."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), 1)
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _refuse(program: _Program, budgets: Budgets) -> NoReturn:
    """Say which budget cannot be met, alone or beside the others."""
    given = [key for key in OPTION_OF if getattr(budgets, key) is not None]
    for others, beside in ((Budgets(), ""), (None, " beside the other budgets")):
        for key in given:
            least = program.least(key, budgets.without(key) if others is None else others)
            if least is not None and least > getattr(budgets, key):
                raise HwsimError(
                    f"{OPTION_OF[key]} {getattr(budgets, key):g}: no choice of formats meets it{beside}, "
                    f"expected at least {_rounded_up(least)} {UNITS_OF[key]}"
                )
    raise HwsimError(f"{', '.join(OPTION_OF[key] for key in given)}: no choice of formats meets them together")


def _rounded_up(value: float) -> str:
    return f"{math.ceil(value * 100) / 100:.2f}".rstrip("0").rstrip(".")
