"""The instruction set: every field of every instruction in one table; encode, decode, disassemble.

An instruction is 64 bytes, little-endian: bit 0 is bit 0 of its first byte. ``hwsim/rtl.py`` writes the positions
into ``rtl/hws_pkg.sv``, so the Verilog reads the same table, and ``docs/isa.md`` holds it for the reader (tested).
Bits that no field covers are zero. Addresses of the activation buffer are in words, see ``docs/isa.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from hwsim.errors import HwsimError

INSTRUCTION_BYTES = 64
INSTRUCTION_BITS = 8 * INSTRUCTION_BYTES

QUEUES = ("dma", "array", "softmax", "layernorm")
"""Bit q of a token mask stands for queue q."""

LOAD_TARGETS = ("weights", "codes", "halfwords", "table", "layernorm", "program", "codebook", "row_multipliers")
OPERAND_KINDS = ("uniform", "two_scale", "log2", "log_sqrt2", "codebook")
COLUMN_SOURCES = ("weights", "channels", "rows")
DRAIN_OPERATIONS = ("none", "table", "residual", "constant")
ENCODER_KINDS = ("two_scale", "uniform", "log2", "log_sqrt2", "codebook")


class Field(NamedTuple):
    """Bits ``lsb`` to ``lsb + width - 1`` of an instruction."""

    name: str
    lsb: int
    width: int
    meaning: str
    names: tuple[str, ...] = ()
    """Symbol of each value, where the values have names."""


COMMON = (
    Field("opcode", 0, 4, "which instruction"),
    Field("wait", 4, 4, "queues of which one token each is taken before the start"),
    Field("post", 8, 4, "queues that get a token when the result has been written"),
    Field("fence", 12, 1, "start only when this queue's earlier instructions have written their results"),
    Field("tag", 16, 16, "number that the status register shows when this instruction fails"),
)

LOAD = (
    Field("address", 32, 32, "DRAM byte address, a multiple of a beat"),
    Field("beats", 64, 24, "DRAM beats to read"),
    Field("target", 96, 4, "where the beats go", LOAD_TARGETS),
    Field("bank", 100, 1, "weights: bank of the weight buffer; program: half of the instruction buffer"),
    Field("packed", 101, 1, "weights: 4 bits each, two a byte, the low half first; parameters begin a beat"),
    Field("steps", 112, 16, "weights: reduction steps; one parameter entry a beat follows them"),
    Field("base", 128, 24, "codes, halfwords: word address of the tensor"),
    Field("stride", 160, 16, "codes: words of a row of blocks; halfwords: words of a row"),
    Field("first_row", 176, 16, "codes, halfwords: row of the first byte"),
    Field("run_bytes", 192, 16, "codes: bytes that go to one row before the next one; halfwords: bytes of a row"),
    Field("runs", 208, 16, "codes: rows of one line"),
    Field("lines", 224, 16, "codes: lines of the same rows; each begins run_bytes channels further"),
    Field("first_channel", 240, 16, "codes: channel of the first byte"),
    Field("bytes", 256, 32, "codes: bytes that count; the rest of the last beat is dropped"),
)

STORE = (
    Field("address", 32, 32, "DRAM byte address, a multiple of a beat"),
    Field("beats", 64, 24, "DRAM beats to write"),
    Field("halfwords", 96, 1, "16-bit elements in rows, else codes in blocks"),
    Field("base", 128, 24, "word address of the tensor"),
    Field("stride", 160, 16, "codes: words of a row of blocks; halfwords: words of a row"),
    Field("first_row", 176, 16, "row of the first element"),
    Field("row_bytes", 192, 16, "bytes of a row that are written; each row begins a beat"),
    Field("rows", 208, 16, "rows"),
    Field("first_channel", 240, 16, "channel of the first element, on a beat's boundary"),
)

GEMM = (
    Field("row_base", 32, 24, "word address of the row operand"),
    Field("row_stride", 64, 16, "words of a row of blocks of the row operand"),
    Field("row_first", 80, 16, "first row of the row operand, a multiple of the array's rows"),
    Field("rows", 96, 16, "rows of the product"),
    Field("steps", 112, 16, "reduction steps"),
    Field("column_base", 128, 24, "word address of the column operand"),
    Field("column_source", 152, 2, "what feeds the columns", COLUMN_SOURCES),
    Field("bank", 154, 1, "bank of the weight buffer: weights and parameters"),
    Field("column_stride", 160, 16, "words of a row of blocks of the column operand"),
    Field("columns", 176, 16, "columns of the product; more than the array's only where channels feed them"),
    Field("column_first", 192, 16, "rows: first channel; channels: first token; a multiple of the array's columns"),
    Field("out_channel", 208, 16, "channel of the result's first column"),
    Field("out_base", 224, 24, "word address of the result"),
    Field("out_halfwords", 248, 1, "the result has 16-bit elements in rows, else codes in blocks"),
    Field("drain", 249, 2, "what follows the requantiser", DRAIN_OPERATIONS),
    Field("out_stride", 256, 16, "codes: words of a row of blocks; halfwords: words of a row"),
    Field("out_row", 272, 16, "row of the result's first row"),
    Field("skip_base", 288, 24, "residual: word address of the old codes; constant: of the constant"),
    Field("shift", 312, 6, "residual: s"),
    Field("skip_stride", 320, 16, "as out_stride, of the old codes or the constant"),
    Field("operand_zero", 336, 9, "row operand: zero point, two's complement"),
    Field("operand_signed", 345, 1, "row operand: the code is signed, or its fine payload is"),
    Field("row_scales", 346, 1, "zero points of the row operand and multipliers of the rows come from the row table"),
    Field("outliers", 347, 1, "the row operand has outliers: two more steps for each of their channels"),
    Field("zero_point", 352, 16, "requantiser: zero point, two's complement"),
    Field("lo", 368, 16, "requantiser: smallest code, two's complement; a table's first entry is that of lo"),
    Field("hi", 384, 16, "requantiser: largest code, two's complement"),
    Field("operand_kind", 400, 3, "format of the row operand", OPERAND_KINDS),
    Field("operand_bits", 403, 4, "row operand: bits of a code"),
    Field("operand_exponent", 407, 5, "uniform: shift of every code; two_scale: m; log2, log_sqrt2: largest shift"),
    Field("guard", 412, 3, "residual, constant: g"),
    Field("multiplier", 416, 16, "residual: M"),
    Field("code_lo", 432, 16, "residual, constant: smallest code, two's complement"),
    Field("code_hi", 448, 16, "residual, constant: largest code, two's complement"),
    Field("outlier_high", 464, 24, "outliers: word address of the plane of high limbs, laid out as the row operand"),
    Field("outlier_low", 488, 24, "outliers: word address of the plane of low limbs"),
)

SOFTMAX = (
    Field("in_base", 32, 24, "word address of the scores"),
    Field("in_stride", 64, 16, "words of a row of scores"),
    Field("in_row", 80, 16, "first row of the scores"),
    Field("rows", 96, 16, "rows"),
    Field("columns", 112, 16, "scores of a row"),
    Field("out_base", 128, 24, "word address of the probabilities"),
    Field("out_stride", 160, 16, "words of a row of blocks of the probabilities"),
    Field("out_row", 176, 16, "first row of the probabilities"),
    Field("encoder", 192, 3, "format of the probabilities", ENCODER_KINDS),
    Field("bits", 195, 4, "bits of a code"),
    Field("exponent", 199, 5, "two_scale: m; log2, log_sqrt2: largest shift"),
)

LAYERNORM = (
    Field("in_base", 32, 24, "word address of the residual rows"),
    Field("in_stride", 64, 16, "words of a row of blocks of the residual rows"),
    Field("in_row", 80, 16, "first row"),
    Field("rows", 96, 16, "rows"),
    Field("channels", 112, 16, "channels of a row"),
    Field("out_base", 128, 24, "word address of the result"),
    Field("out_stride", 160, 16, "words of a row of blocks of the result"),
    Field("out_row", 176, 16, "first row of the result"),
    Field("shift", 195, 5, "t"),
    Field("in_halfwords", 200, 1, "the residual rows have 16-bit elements in rows, else codes in blocks"),
    Field("row_encode", 201, 1, "encode with the multipliers and zero points of the row table"),
    Field("encode_shift", 202, 5, "row_encode: s_e"),
    Field("outliers", 240, 1, "row_encode: write what exceeds the threshold to two planes and to the outlier map"),
    Field("outlier_exponent", 241, 3, "outliers: e"),
    Field("lo", 208, 16, "smallest code, two's complement"),
    Field("hi", 224, 16, "largest code, two's complement"),
    Field("epsilon", 256, 47, "epsilon"),
    Field("threshold", 304, 16, "outliers: largest magnitude of an inlier, before the encoder"),
    Field("outlier_high", 320, 24, "outliers: word address of the plane of high limbs, laid out as the result"),
    Field("outlier_low", 352, 24, "outliers: word address of the plane of low limbs"),
)

END: tuple[Field, ...] = ()

FIELDS: dict[str, tuple[Field, ...]] = {
    "load": LOAD, "store": STORE, "gemm": GEMM, "softmax": SOFTMAX, "layernorm": LAYERNORM, "end": END,
}  # fmt: skip
OPCODES = {name: number for number, name in enumerate(FIELDS, start=1)}
"""0 is no instruction, so that empty memory is refused."""
QUEUE_OF = {"load": "dma", "store": "dma", "gemm": "array", "softmax": "softmax", "layernorm": "layernorm"}
SIGNED_FIELDS = {"zero_point", "lo", "hi", "operand_zero", "code_lo", "code_hi"}


@dataclass(frozen=True)
class Instruction:
    """One instruction: its operation and its fields; a field that is absent is 0."""

    operation: str
    fields: Mapping[str, int]

    def __getitem__(self, name: str) -> int:
        return self.fields.get(name, 0)

    @property
    def queue(self) -> str | None:
        """Queue that executes it; None for ``end``, which the controller executes."""
        return QUEUE_OF.get(self.operation)


def fields_of(operation: str) -> tuple[Field, ...]:
    """Every field of an operation, the common ones first."""
    return COMMON + FIELDS[operation]


@cache
def _fields_by_name(operation: str) -> dict[str, Field]:
    return {field.name: field for field in fields_of(operation)}


def encode(instruction: Instruction) -> bytes:
    """Bytes of an instruction.

    Raises
    ------
    HwsimError
        For a field that the operation does not have, or a value that does not fit it.
    """
    known = _fields_by_name(instruction.operation)
    word = OPCODES[instruction.operation]
    for name, value in instruction.fields.items():
        if name not in known:
            raise HwsimError(f"{instruction.operation}: {name!r} is no field, expected one of {', '.join(known)}")
        if name == "opcode":
            continue
        field = known[name]
        low = -(1 << (field.width - 1)) if name in SIGNED_FIELDS else 0
        high = (1 << (field.width - 1 if name in SIGNED_FIELDS else field.width)) - 1
        if not low <= value <= high:
            raise HwsimError(f"{instruction.operation}: {name} is {value}, expected {low} to {high}")
        word |= (int(value) & ((1 << field.width) - 1)) << field.lsb
    return word.to_bytes(INSTRUCTION_BYTES, "little")


def decode(data: bytes) -> Instruction:
    """Instruction of its bytes; every field of the operation is present.

    Raises
    ------
    HwsimError
        For another length, an unknown opcode, or bits that are set outside of every field.
    """
    if len(data) != INSTRUCTION_BYTES:
        raise HwsimError(f"an instruction has {len(data)} bytes, expected {INSTRUCTION_BYTES}")
    word = int.from_bytes(data, "little")
    names = {number: name for name, number in OPCODES.items()}
    opcode = word & 15
    if opcode not in names:
        raise HwsimError(f"opcode is {opcode}, expected one of {', '.join(f'{n} ({v})' for v, n in names.items())}")
    fields = {}
    for field in fields_of(names[opcode]):
        value = (word >> field.lsb) & ((1 << field.width) - 1)
        word &= ~(((1 << field.width) - 1) << field.lsb)
        if field.name in SIGNED_FIELDS and value >> (field.width - 1):
            value -= 1 << field.width
        if field.name != "opcode":
            fields[field.name] = value
    if word:
        raise HwsimError(f"{names[opcode]}: bit {word.bit_length() - 1} is set, which belongs to no field")
    return Instruction(names[opcode], fields)


def decode_program(data: bytes) -> list[Instruction]:
    """Instructions of a program's bytes, up to and including ``end``."""
    program: list[Instruction] = []
    for start in range(0, len(data), INSTRUCTION_BYTES):
        program.append(decode(data[start : start + INSTRUCTION_BYTES]))
        if program[-1].operation == "end":
            return program
    raise HwsimError(f"the program has {len(program)} instructions and no end")


def mask(*queues: str) -> int:
    """Token mask of queues."""
    return sum(1 << QUEUES.index(queue) for queue in set(queues))


def queues_of(token_mask: int) -> list[str]:
    """Queues of a token mask."""
    return [queue for bit, queue in enumerate(QUEUES) if token_mask >> bit & 1]


def disassemble(instruction: Instruction) -> str:
    """One line of text: tokens, operation, the fields that are not 0."""
    parts = [instruction.operation]
    for field in fields_of(instruction.operation)[1:]:
        value = instruction[field.name]
        if field.name in ("wait", "post"):
            text = "+".join(queues_of(value))
        elif field.names:
            text = field.names[value] if value < len(field.names) else str(value)
        else:
            text = f"{value:#x}" if field.name == "address" else str(value)
        if value or field.names:
            parts.append(f"{field.name}={text}")
    return " ".join(parts)
