"""Programs for benches of the whole accelerator, put together by hand."""

from __future__ import annotations

from dataclasses import dataclass

from hwsim.config import AcceleratorConfig
from hwsim.isa import INSTRUCTION_BYTES, LOAD_TARGETS, Instruction, encode, mask

CODES, PROGRAM = LOAD_TARGETS.index("codes"), LOAD_TARGETS.index("program")
DATA, RESULT = 0x8000, 0xC000
"""Byte addresses behind the program; multiples of a burst in every preset."""
MEMORY_BYTES = 0x10000
CHANNELS = 8


def program_bytes(program: list[Instruction], config: AcceleratorConfig) -> bytes:
    """A program from address 0 in whole segments, each of which begins with the load of the next."""
    segment = config.segment_instructions
    rest, done = list(program), []
    while rest:
        number = len(done) // segment
        if len(rest) > segment:
            beats = segment * INSTRUCTION_BYTES // config.beat_bytes
            address = (number + 1) * segment * INSTRUCTION_BYTES
            fields = {"address": address, "beats": beats, "target": PROGRAM, "bank": (number + 1) % 2, "tag": 98}
            rest.insert(0, Instruction("load", fields))
        done += rest[:segment]
        del rest[:segment]
    data = b"".join(map(encode, done))
    size = -(-len(done) // segment) * segment * INSTRUCTION_BYTES
    assert size <= DATA, f"the program has {size} bytes, expected at most {DATA}"
    return data + bytes(size - len(data))


def load_codes(base: int, rows: int, tag: int, address: int = DATA, **fields: int) -> Instruction:
    """Load of codes[rows, CHANNELS]."""
    size = rows * CHANNELS
    values = {
        "address": address, "beats": -(-size // 8), "target": CODES, "base": base, "stride": CHANNELS,
        "run_bytes": CHANNELS, "runs": rows, "lines": 1, "bytes": size, "tag": tag,
    }  # fmt: skip
    return Instruction("load", values | fields)


def store_codes(base: int, rows: int, tag: int, address: int = RESULT, **fields: int) -> Instruction:
    """Store of codes[rows, CHANNELS]."""
    values = {
        "address": address, "beats": rows, "base": base, "stride": CHANNELS, "row_bytes": CHANNELS, "rows": rows,
        "tag": tag,
    }  # fmt: skip
    return Instruction("store", values | fields)


def layernorm(in_base: int, out_base: int, rows: int, tag: int, **fields: int) -> Instruction:
    """LayerNorm of codes[rows, CHANNELS]."""
    values = {
        "in_base": in_base, "in_stride": CHANNELS, "rows": rows, "channels": CHANNELS, "out_base": out_base,
        "out_stride": CHANNELS, "lo": -128, "hi": 127, "epsilon": 1, "tag": tag,
    }  # fmt: skip
    return Instruction("layernorm", values | fields)


END = Instruction("end", {"tag": 99})


def copy_program(rows: int = 8) -> list[Instruction]:
    """Codes from DATA through the activation buffer to RESULT."""
    return [load_codes(0, rows, 1), store_codes(0, rows, 2), END]


@dataclass(frozen=True)
class Fault:
    """A program that goes wrong, and what the status must say."""

    program: list[Instruction]
    error: str
    queue: str
    tag: int
    raw_opcode: int | None = None
    """Opcode that replaces that of the instruction before ``end``."""


def faults(config: AcceleratorConfig) -> dict[str, Fault]:
    """Every way to go wrong that a program itself can bring about, by name."""
    bank = config.buffer_words // config.activation_banks
    load = load_codes(0, 64, 1)
    parameters = Instruction(
        "load",
        {
            "address": DATA, "beats": CHANNELS, "target": LOAD_TARGETS.index("layernorm"), "tag": 4,
            "post": mask("layernorm"),
        },
    )  # fmt: skip
    outside = config.buffer_words
    posts = [load_codes(0, 1, 1, post=mask("softmax")) for _ in range(256)]
    return {
        "unknown opcode": Fault([load, layernorm(0, bank, 4, 6), END], "illegal", "none", 6, raw_opcode=15),
        "empty memory": Fault([load, layernorm(0, bank, 4, 5), END], "illegal", "none", 5, raw_opcode=0),
        "empty shape": Fault([load, layernorm(0, bank, 0, 7), END], "illegal", "none", 7),
        "base outside of the buffer": Fault([load, layernorm(outside, bank, 4, 8), END], "illegal", "none", 8),
        "load outside of DRAM": Fault([load_codes(0, 4, 9, address=MEMORY_BYTES), END], "address", "dma", 9),
        "store outside of DRAM": Fault([load, store_codes(0, 4, 10, address=MEMORY_BYTES), END], "address", "dma", 10),
        "misaligned load": Fault([load_codes(0, 4, 11, address=DATA + 4), END], "illegal", "dma", 11),
        "token that never comes": Fault(
            [load, layernorm(0, bank, 4, 12, wait=mask("softmax")), END], "watchdog", "layernorm", 12
        ),
        "two readers of a bank": Fault(
            [load, parameters, layernorm(0, bank, 64, 13, wait=mask("dma")), store_codes(0, 64, 14), END],
            "conflict", "none", 0,
        ),
        "too many tokens": Fault([*posts, END], "token_overflow", "none", 0),
    }  # fmt: skip
