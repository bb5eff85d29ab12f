"""When the softmax engine has written its result: ``rtl/hws_softmax_engine.sv``."""

from __future__ import annotations

from hwsim.config import AcceleratorConfig
from hwsim.units.timing import softmax_cycles

SOFTMAX_ENGINE = 3
"""Start to the first read 1, the activation buffer 2, and 1 from the unit's last beat to the write port, less 1 because
``softmax_cycles`` counts the first cycle and the last."""


def softmax_done(start: int, rows: int, columns: int, config: AcceleratorConfig) -> int:
    """Cycle of ``done_o`` of a softmax that started in cycle ``start``.

    Parameters
    ----------
    columns : scores of a row
    """
    return start + SOFTMAX_ENGINE + softmax_cycles(rows, columns, config)
