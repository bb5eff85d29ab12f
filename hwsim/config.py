"""The accelerator's parameters: a named YAML preset becomes a frozen ``AcceleratorConfig``.

Every preset states every key; there are no defaults, so a preset reads as the whole truth.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hwsim.errors import HwsimError, describe_validation_error

PeStyle = Literal["shift", "two_accumulator"]


class AcceleratorConfig(BaseModel):
    """One accelerator: sizes, widths and clock. Units stand in the names."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    array_rows: int = Field(ge=1, le=256)
    array_columns: int = Field(ge=1, le=256)
    pe_style: PeStyle
    mantissa_bits: int = Field(ge=8, le=16)
    weight_bits: int = Field(ge=4, le=8)
    term_shift_bits: int = Field(ge=1, le=5)
    accumulator_bits: int = Field(ge=24, le=32)
    multiplier_bits: int = Field(ge=8, le=16)
    multiplier_shift_bits: int = Field(ge=5, le=6)
    drain_lanes: int = Field(ge=1)
    softmax_lanes: int = Field(ge=1)
    layernorm_lanes: int = Field(ge=1)
    layernorm_channels_max: int = Field(ge=8, le=2048)
    weight_buffer_bytes: int = Field(ge=64)
    activation_buffer_bytes: int = Field(ge=64)
    activation_banks: int = Field(ge=2, le=64)
    queue_depth: int = Field(ge=2, le=64)
    segment_instructions: int = Field(ge=4, le=1024)
    burst_beats: int = Field(ge=4, le=256)
    dma_outstanding: int = Field(ge=1, le=32)
    dram_bits_per_cycle: int = Field(ge=8)
    freq_mhz: int = Field(ge=1, le=5000)
    energy_table: str

    @model_validator(mode="after")
    def _fits_together(self) -> AcceleratorConfig:
        if self.array_columns % self.drain_lanes:
            raise ValueError(f"drain_lanes must divide array_columns ({self.array_columns}), not {self.drain_lanes}")
        if self.dram_bits_per_cycle % 8:
            raise ValueError(f"dram_bits_per_cycle must be whole bytes, not {self.dram_bits_per_cycle}")
        return self

    @property
    def beat_bytes(self) -> int:
        """Bytes of one DRAM beat."""
        return self.dram_bits_per_cycle // 8

    @property
    def word_bytes(self) -> int:
        """Bytes of a word of the activation buffer: the widest access of any port."""
        lanes = max(self.drain_lanes, self.softmax_lanes, self.layernorm_lanes)
        return max(self.array_rows, self.array_columns, 2 * lanes, self.beat_bytes)

    @property
    def buffer_words(self) -> int:
        """Words of the activation buffer."""
        return self.activation_buffer_bytes // self.word_bytes

    @property
    def step_beats(self) -> int:
        """Beats of one-byte weights of a reduction step."""
        return -(-self.array_columns // self.beat_bytes)

    @property
    def weight_steps(self) -> int:
        """Reduction steps that one bank of the weight buffer holds."""
        return self.weight_buffer_bytes // (2 * self.array_columns)

    def holds_steps(self, steps: int) -> bool:
        """Whether a bank of the weight buffer holds so many reduction steps."""
        return steps <= self.weight_steps

    @property
    def hash(self) -> str:
        """Sixteen hex digits that change with any key."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


def preset_names() -> list[str]:
    """Names of the shipped presets, smallest array first."""
    return ["tiny", "edge", "large"]


def load_preset(name: str, overrides: list[str] | None = None) -> AcceleratorConfig:
    """Read a shipped preset and apply ``key=value`` overrides.

    Raises
    ------
    HwsimError
        For an unknown preset, an unknown, missing or impossible key, or a malformed override.
    """
    if name not in preset_names():
        raise HwsimError(f"preset must be one of {', '.join(preset_names())}, not {name!r}")
    text = (files("hwsim") / "presets" / f"{name}.yaml").read_text()
    values = parse_preset(text, f"preset {name}")
    for override in overrides or []:
        key, equals, value = override.partition("=")
        if not equals:
            raise HwsimError(f"--set takes key=value, not {override!r}")
        if key not in AcceleratorConfig.model_fields:
            known = ", ".join(AcceleratorConfig.model_fields)
            raise HwsimError(f"--set: {key!r} is not a key of a preset; the keys are {known}")
        values[key] = parse_preset(f"{key}: {value}", f"--set {override}")[key]
    return build_config(values, f"preset {name}")


def parse_preset(text: str, source: str) -> dict[str, Any]:
    """Parse YAML into a mapping, or say in one sentence why not."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise HwsimError(f"{source}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise HwsimError(f"{source}: expected a mapping of keys to values, not {type(values).__name__}")
    return values


def build_config(values: dict[str, Any], source: str) -> AcceleratorConfig:
    """Validate a mapping; every offending key is named in one sentence."""
    try:
        return AcceleratorConfig.model_validate(values)
    except ValidationError as error:
        raise describe_validation_error(error, source) from error
