"""When the LayerNorm engine has written its result: ``rtl/hws_layernorm_engine.sv``."""

from __future__ import annotations

from hwsim.config import AcceleratorConfig
from hwsim.units.timing import ROW_ENCODER_STAGES, layernorm_cycles

LAYERNORM_ENGINE = 2 + ROW_ENCODER_STAGES
"""Start to the first read 1, the activation buffer 2, and the row encoder, whose output is at the write port, less 1
because ``layernorm_cycles`` counts the first cycle and the last."""


def layernorm_done(start: int, rows: int, channels: int, config: AcceleratorConfig) -> int:
    """Cycle of ``done_o`` of a LayerNorm that started in cycle ``start``.

    Parameters
    ----------
    channels : channels of a row
    """
    return start + LAYERNORM_ENGINE + layernorm_cycles(rows, channels, config)
