"""The instruction set: one table for encoder, decoder, Verilog and page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.errors import HwsimError
from hwsim.isa import (
    COMMON,
    FIELDS,
    INSTRUCTION_BITS,
    INSTRUCTION_BYTES,
    OPCODES,
    SIGNED_FIELDS,
    Field,
    Instruction,
    decode,
    decode_program,
    disassemble,
    encode,
    fields_of,
)

PAGE = Path(__file__).resolve().parent.parent / "docs" / "isa.md"
OPERATIONS = list(FIELDS)


def values_of(field: Field) -> st.SearchStrategy[int]:
    if field.name in SIGNED_FIELDS:
        return st.integers(-(1 << (field.width - 1)), (1 << (field.width - 1)) - 1)
    return st.integers(0, (1 << field.width) - 1)


@st.composite
def instructions(draw: st.DrawFn) -> Instruction:
    operation = draw(st.sampled_from(OPERATIONS))
    fields = fields_of(operation)[1:]
    return Instruction(operation, {field.name: draw(values_of(field)) for field in fields})


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_two_fields_share_a_bit(operation: str) -> None:
    used: set[int] = set()
    for field in fields_of(operation):
        bits = set(range(field.lsb, field.lsb + field.width))
        assert not bits & used, field.name
        assert max(bits) < INSTRUCTION_BITS
        assert len(field.names) <= 1 << field.width
        used |= bits


@given(instructions())
def test_decode_is_the_inverse_of_encode(instruction: Instruction) -> None:
    data = encode(instruction)
    assert len(data) == INSTRUCTION_BYTES
    assert decode(data) == instruction


@given(instructions())
def test_a_field_lies_where_the_table_says(instruction: Instruction) -> None:
    word = int.from_bytes(encode(instruction), "little")
    assert word & 15 == OPCODES[instruction.operation]
    for field in fields_of(instruction.operation)[1:]:
        expected = instruction[field.name] % (1 << field.width)
        assert (word >> field.lsb) % (1 << field.width) == expected


def test_a_value_that_does_not_fit_is_refused() -> None:
    with pytest.raises(HwsimError, match="gemm: rows is 65536, expected 0 to 65535"):
        encode(Instruction("gemm", {"rows": 1 << 16}))
    with pytest.raises(HwsimError, match="gemm: lo is 32768, expected -32768 to 32767"):
        encode(Instruction("gemm", {"lo": 1 << 15}))
    with pytest.raises(HwsimError, match="softmax: 'steps' is no field"):
        encode(Instruction("softmax", {"steps": 1}))


def test_bytes_that_are_no_instruction_are_refused() -> None:
    with pytest.raises(HwsimError, match="opcode is 0"):
        decode(bytes(INSTRUCTION_BYTES))
    with pytest.raises(HwsimError, match="63 bytes, expected 64"):
        decode(bytes(63))
    data = bytearray(encode(Instruction("end", {})))
    data[-1] = 0x80
    with pytest.raises(HwsimError, match="end: bit 511 is set"):
        decode(bytes(data))
    with pytest.raises(HwsimError, match="1 instructions and no end"):
        decode_program(encode(Instruction("store", {})))


def test_disassembly_names_tokens_symbols_and_addresses() -> None:
    text = disassemble(Instruction("load", {"address": 0x1000, "target": 3, "wait": 6, "post": 2, "beats": 128}))
    assert text == "load wait=array+softmax post=array address=0x1000 beats=128 target=table"


def test_the_page_has_the_table() -> None:
    rows = re.findall(r"^\| (\d+)\.\.(\d+) \| `(\w+)` \| (.*?) \|$", PAGE.read_text(), re.MULTILINE)
    expected = []
    for fields in (COMMON, *FIELDS.values()):
        for field in fields:
            symbols = ", ".join(f"{value} `{name}`" for value, name in enumerate(field.names))
            meaning = f"{field.meaning}: {symbols}" if symbols else field.meaning
            expected.append((str(field.lsb), str(field.lsb + field.width - 1), field.name, meaning))
    assert rows == expected
