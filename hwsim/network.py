"""The integer network: layers, tensors and arrays of one quantised vision transformer.

A network is a folder with ``network.json`` (layers, tensors with their formats, preprocessing, how it
was made) and ``network.safetensors`` (weights, multipliers, tables), whose SHA-256 the JSON records.
The equation of each layer stands in ``docs/numerics.md``.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import safetensors
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from hwsim.errors import HwsimError, describe_validation_error
from hwsim.formats import Format

JSON_NAME = "network.json"
ARRAYS_NAME = "network.safetensors"
FORMAT_VERSION: Literal[2] = 2
"""Version 1 had a flag for each channel of the residual stream where version 2 has a shift."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TensorSpec(_Model):
    """Shape and number format of one activation tensor; ``scale`` is the value of one unit."""

    shape: tuple[int, ...] = Field(strict=False)
    format: Format
    scale: float = Field(gt=0)


class _Layer(_Model):
    name: str
    output: str


class Im2col(_Layer):
    """Pixels of each patch as a row; with a class token, row 0 holds the zero point."""

    op: Literal["im2col"] = "im2col"
    patch: int = Field(ge=1)
    class_token: bool


class Linear(_Layer):
    """``requantise(input @ weight.T + bias)``: weight int8[N, K], bias int32[N], mult int16[N], shift uint8[N].

    Its output may begin a residual stream: a channel's shift is then in the multipliers.
    """

    op: Literal["linear"] = "linear"
    input: str


class Rearrange(_Layer):
    """Rows in another order or side by side, a pure move of codes: output row r holds the input rows ``index[r]``.

    The rows are the tokens of a grid. ``window``: image order to window order, after the grid was moved up and left
    by ``shift``, cyclically; ``unwindow``: back; ``merge``: each square of ``size`` = 2 neighbours side by side,
    down before right. ``hwsim.rearrange.row_index`` is the index. Shifts of channels move along.
    """

    op: Literal["rearrange"] = "rearrange"
    input: str
    kind: Literal["window", "unwindow", "merge"]
    height: int = Field(ge=1)
    """Rows of the grid"""
    width: int = Field(ge=1)
    """Columns of the grid"""
    size: int = Field(ge=1)
    """Side of a window"""
    shift: int = Field(default=0, ge=0)


class AttentionScores(_Layer):
    """``requantise(q @ k.T)`` per head of a qkv tensor [T, 3 D]: mult int16[heads], shift uint8[heads].

    Each of the ``windows`` that the T rows consist of, one after another, attends to itself: scores
    [windows * heads, T / windows, T / windows], all heads of a window and then the next. With ``biased`` the array
    ``<name>.bias`` (int16[kinds, heads, T / windows, T / windows]) is added, whose kind for each window is in
    ``<name>.kind`` (uint8[windows]); the sum saturates at 16 bits.
    """

    op: Literal["attention_scores"] = "attention_scores"
    input: str
    heads: int = Field(ge=1)
    windows: int = Field(default=1, ge=1)
    biased: bool = False


class Softmax(_Layer):
    """Base-2 softmax of each row of scores [heads of all windows, T, T], encoded; uses the array ``exp2_table``.

    ``exp2_table`` is uint32[256].
    """

    op: Literal["softmax"] = "softmax"
    input: str


class AttentionValues(_Layer):
    """``requantise(probabilities @ v)`` per window and head, heads side by side [T, D]: mult int16[D], shift uint8[D].

    Windows as in ``AttentionScores``.
    """

    op: Literal["attention_values"] = "attention_values"
    probabilities: str
    values: str
    heads: int = Field(ge=1)
    windows: int = Field(default=1, ge=1)


class TokenMean(_Layer):
    """``requantise(sum over the rows)`` of signed codes [T, D], one row [1, D]: mult int16[D], shift uint8[D].

    A product whose row operand is a row of T ones and whose column operand are the codes, as v is in the context's.
    """

    op: Literal["token_mean"] = "token_mean"
    input: str


class Table(_Layer):
    """``table[y - lo]`` for each element: table uint8[2**bits]."""

    op: Literal["table"] = "table"
    input: str


class Residual(_Layer):
    """Rescale the stream, add the branch, encode; a ``Uniform`` stream is only added to (``mult`` 1, no shifts).

    ``skip`` names the old residual tensor; without it the array ``<name>.constant`` (int16[T, D]) is added.
    """

    op: Literal["residual"] = "residual"
    branch: str
    skip: str | None
    mult: int = Field(ge=0, lt=1 << 15)
    shift: int = Field(ge=0, le=47)
    guard_bits: int = Field(ge=0, le=7)


class LayerNorm(_Layer):
    """Integer LayerNorm of the first ``tokens`` rows: gamma int16[D], beta int32[D].

    With an output of rows with scales of their own, ``encode_shift`` is s_e of the row encoder and, where the format
    has outliers, ``threshold`` the largest magnitude of an inlier.
    """

    op: Literal["layernorm"] = "layernorm"
    input: str
    tokens: int = Field(ge=1)
    shift: int = Field(ge=0, le=31)
    epsilon: int = Field(ge=0, lt=1 << 47)
    encode_shift: int | None = Field(default=None, ge=0, le=31)
    threshold: int | None = Field(default=None, ge=0, lt=1 << 16)


Layer = (
    Im2col | Rearrange | Linear | AttentionScores | Softmax | AttentionValues | TokenMean | Table | Residual | LayerNorm
)


class Preprocess(_Model):
    """From an image file to input codes with Pillow: resize the short side, crop the centre, convert."""

    mode: Literal["L", "RGB"]
    size: int = Field(ge=1)
    """Height and width of the input in pixels."""
    resize: int = Field(ge=1)
    """Length of the short side before the crop."""
    interpolation: Literal["bicubic", "bilinear", "nearest"]


class Origin(_Model):
    """How the network was made; what is not known is absent."""

    model: str
    method: str
    bits: int
    seed: int
    calibration_images: int
    options: dict[str, Any] = Field(default_factory=dict)
    top1_float: float | None = None
    """Top-1 of the float model in percent, on ``accuracy_images`` images."""
    top1_paper: float | None = None
    top1_integer: float | None = None
    accuracy_images: int | None = None
    accuracy_data: str | None = None
    versions: dict[str, str] = Field(default_factory=dict)


class Manifest(_Model):
    """What ``network.json`` holds."""

    format_version: Literal[2] = FORMAT_VERSION
    name: str
    origin: Origin
    preprocess: Preprocess
    classes: list[str]
    input: str
    logits: str
    tensors: dict[str, TensorSpec]
    layers: list[Annotated[Layer, Field(discriminator="op")]]
    arrays_sha256: str


class RowArrays(NamedTuple):
    """What each row of a ``RowUniform`` tensor has of its own."""

    zero_points: NDArray[np.int16]
    """z_t, int16[T]"""
    multipliers: NDArray[np.uint16]
    """m_t, uint16[T], 0..2**15"""
    encode_multipliers: NDArray[np.uint16]
    """E_t, uint16[T], 0..2**15 - 1"""


class Network:
    """A loaded network: its manifest and its arrays."""

    def __init__(self, manifest: Manifest, arrays: dict[str, NDArray[Any]], folder: Path | None = None) -> None:
        self.manifest = manifest
        self.arrays = arrays
        self.folder = folder

    @property
    def name(self) -> str:
        """Name of the network."""
        return self.manifest.name

    @property
    def layers(self) -> list[Layer]:
        """Layers in the order in which they run."""
        return list(self.manifest.layers)

    def tensor(self, name: str) -> TensorSpec:
        """Shape and format of a tensor."""
        return self.manifest.tensors[name]

    def shifts(self, tensor: str) -> NDArray[np.uint8]:
        """Shift of each channel of a residual tensor, uint8[channels], 0..7; zeros where it has one scale."""
        if f"{tensor}.shifts" in self.arrays:
            return self.arrays[f"{tensor}.shifts"]
        return np.zeros(self.tensor(tensor).shape[-1], np.uint8)

    def row_arrays(self, tensor: str) -> RowArrays:
        """Zero points and multipliers of the rows of a ``RowUniform`` tensor, T of each; the arrays may repeat."""
        rows = self.tensor(tensor).shape[0]
        found = (self.arrays[f"{tensor}.{name}"] for name in RowArrays._fields)
        return RowArrays(*(np.tile(array, rows // len(array)) for array in found))

    def row_period(self, tensor: str) -> int:
        """After how many rows a ``RowUniform`` tensor's zero points and multipliers repeat."""
        return len(self.arrays[f"{tensor}.zero_points"])

    def maker(self, tensor: str) -> Layer:
        """Layer whose output a tensor is."""
        return next(layer for layer in self.manifest.layers if layer.output == tensor)


def load_network(path: str | Path) -> Network:
    """Read and check a network folder.

    Raises
    ------
    HwsimError
        If there is no network at the path, a file is truncated or has another hash, an operator is
        unknown, a shape does not fit or a value cannot be represented.
    """
    from hwsim.network_check import check_network

    folder = Path(path)
    if folder.name == JSON_NAME:
        folder = folder.parent
    json_path, arrays_path = folder / JSON_NAME, folder / ARRAYS_NAME
    if not json_path.is_file():
        raise HwsimError(f"{folder}: no network here (expected {JSON_NAME} and {ARRAYS_NAME})")
    try:
        raw = json.loads(json_path.read_text())
    except (ValueError, UnicodeDecodeError) as error:
        raise HwsimError(f"{json_path}: not valid JSON (truncated?): {error}") from error
    manifest = parse_manifest(raw, json_path)
    if not arrays_path.is_file():
        raise HwsimError(f"{arrays_path}: is missing beside {JSON_NAME}")
    data = arrays_path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != manifest.arrays_sha256:
        raise HwsimError(
            f"{arrays_path}: sha256 is {digest}, but {JSON_NAME} expects arrays_sha256 {manifest.arrays_sha256}"
        )
    try:
        arrays = load_safetensors(data)
    except safetensors.SafetensorError as error:
        raise HwsimError(f"{arrays_path}: not a safetensors file: {error}") from error
    network = Network(manifest, arrays, folder)
    check_network(network, json_path)
    return network


def parse_manifest(raw: Any, source: Path) -> Manifest:
    """Check the JSON against the schema; every offending key is named in one sentence."""
    version = raw.get("format_version", FORMAT_VERSION) if isinstance(raw, dict) else FORMAT_VERSION
    if version != FORMAT_VERSION:
        raise HwsimError(f"{source}: format_version is {version!r}, expected {FORMAT_VERSION}: quantise it again")
    try:
        return Manifest.model_validate(raw)
    except ValidationError as error:
        raise describe_validation_error(error, source) from error


def save_network(network: Network, path: str | Path) -> None:
    """Write a network folder; each file is written beside and renamed, the arrays first."""
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.ascontiguousarray(array) for name, array in sorted(network.arrays.items())}
    data = save_safetensors(arrays)
    manifest = network.manifest.model_copy(update={"arrays_sha256": hashlib.sha256(data).hexdigest()})
    _write_beside(folder / ARRAYS_NAME, data)
    _write_beside(folder / JSON_NAME, (manifest.model_dump_json(indent=1) + "\n").encode())


def _write_beside(path: Path, data: bytes) -> None:
    beside = path.with_name(path.name + ".partial")
    beside.write_bytes(data)
    beside.replace(path)
