"""A program of six passes made by hand, with every unit in it and a made-up time for each."""

from __future__ import annotations

from dataclasses import replace

from hwsim.compiler.program import Gemm, OperandCounts, PassSummary, Program
from hwsim.config import load_preset
from hwsim.cost.cycles import QUEUE_OF_UNIT, LayerCycles, Profile
from hwsim.cost.estimate import Cost, estimate
from hwsim.cost.traffic import Owner, Traffic
from hwsim.cost.waits import REASONS, Reason
from hwsim.formats import ChannelScaled, TwoScale, Uniform
from hwsim.network import (
    AttentionScores,
    AttentionValues,
    Im2col,
    LayerNorm,
    Linear,
    Manifest,
    Network,
    Origin,
    Preprocess,
    Residual,
    Softmax,
    Table,
    TensorSpec,
)
from hwsim.timing.dram import DramModel
from hwsim.timing.schedule import BOOT, Event, Timeline

EIGHT = Uniform(bits=8, signed=True)
TWO_SCALE = TwoScale(bits=8, exponent=3, small_signed=True)
NO_TRAFFIC = Traffic(
    activation_read_bits=0,
    activation_write_bits=0,
    weight_write_bits=0,
    weight_read_bits=0,
    dram_read_bits=0,
    dram_write_bits=0,
)
TRAFFIC = Traffic(
    activation_read_bits=8000,
    activation_write_bits=1600,
    weight_write_bits=333,
    weight_read_bits=777,
    dram_read_bits=4001,
    dram_write_bits=16,
)


def network() -> Network:
    formats = {
        "image": Uniform(bits=8, signed=False),
        "patches": Uniform(bits=8, signed=False, zero_point=7),
        "stream": ChannelScaled(bits=8),
        "normed": EIGHT,
        "hidden": Uniform(bits=10, signed=True),
        "gelu": TWO_SCALE,
        "qkv": EIGHT,
        "scores": Uniform(bits=16, signed=True),
        "probabilities": TwoScale(bits=8, exponent=5, small_signed=False),
    }
    layers = [
        Im2col(name="im2col", output="patches", patch=2, class_token=True),
        Linear(name="embed", output="branch", input="patches"),
        Residual(name="stream", output="stream", branch="branch", skip=None, mult=0, shift=0, guard_bits=3),
        LayerNorm(name="norm", output="normed", input="stream", tokens=5, shift=3, epsilon=1),
        Linear(name="fc1", output="hidden", input="gelu"),
        Table(name="gelu", output="gelu", input="hidden"),
        AttentionScores(name="scores", output="scores", input="qkv", heads=2),
        Softmax(name="softmax", output="probabilities", input="scores"),
        AttentionValues(name="values", output="context", probabilities="probabilities", values="qkv", heads=2),
    ]
    manifest = Manifest(
        name="by hand",
        origin=Origin(model="none", method="none", bits=8, seed=0, calibration_images=0),
        preprocess=Preprocess(mode="L", size=4, resize=4, interpolation="bicubic"),
        classes=["a", "b"],
        input="image",
        logits="context",
        tensors={name: TensorSpec(shape=(1,), format=fmt, scale=1.0) for name, fmt in formats.items()},
        layers=layers,
        arrays_sha256="",
    )
    return Network(manifest, {})


def gemm(name: str, layers: tuple[str, ...], copies: int = 1) -> PassSummary:
    shape = Gemm(rows=5, columns=6, depth=7, copies=copies, column_operand="weights")
    return PassSummary(name=name, layers=layers, unit="pe_array", gemm=shape, rows=5 * copies, channels=6)


def program(*passes: PassSummary, preset: str = "tiny", overrides: list[str] | None = None) -> Program:
    config = load_preset(preset, overrides)
    return Program(network=network(), config=config, passes=passes, accumulator_bounds={})


def every_pass() -> tuple[PassSummary, ...]:
    return (
        gemm("im2col", ("im2col", "embed", "stream")),
        PassSummary(name="norm", layers=("norm",), unit="layernorm", gemm=None, rows=5, channels=6),
        gemm("fc1", ("fc1", "gelu")),
        gemm("scores", ("scores",), copies=2),
        PassSummary(name="softmax", layers=("softmax",), unit="softmax", gemm=None, rows=10, channels=6),
        gemm("values", ("values",), copies=2),
    )


IMAGES = 3
ONE_COPY = OperandCounts(zero=30, small=50, large=25)  # 3 images of 5 x 7 operands
TWO_COPIES = OperandCounts(zero=10, small=150, large=50)
COUNTS = {"im2col": ONE_COPY, "fc1": ONE_COPY, "scores": TWO_COPIES, "values": TWO_COPIES}


BOOT_TRAFFIC = replace(NO_TRAFFIC, dram_read_bits=8192)
EACH_CYCLES, BOOT_CYCLES = 100, 20
SPENT: dict[str, dict[Reason, int]] = {
    "pe_array": {"array": 80, "drain": 15, "dma": 5},
    "softmax": {"softmax": 100},
    "layernorm": {"layernorm": 90, "dma": 10},
    "controller": {"program": BOOT_CYCLES},
}


def times(unit: str, start: int, end: int) -> LayerCycles:
    return LayerCycles(start=start, end=end, busy=end - start - 1, spent=dict.fromkeys(REASONS, 0) | SPENT[unit])


def profile(one: Program) -> Profile:
    """One pass after another, 100 cycles each, after the 20 in which the program is loaded."""
    owners: tuple[Owner, ...] = tuple(summary.name for summary in one.passes)
    cycles: dict[Owner, LayerCycles] = {None: times("controller", 2, BOOT_CYCLES)}
    events = [Event(index=BOOT, queue="dma", dispatch=1, start=2, operands_end=19, done=19, held_by=BOOT)]
    for index, summary in enumerate(one.passes):
        start = BOOT_CYCLES - 1 + EACH_CYCLES * index
        done = start + EACH_CYCLES
        cycles[summary.name] = times(summary.unit, start, done + 1)
        queue = QUEUE_OF_UNIT[summary.unit]
        events.append(
            Event(index=index, queue=queue, dispatch=1, start=start, operands_end=done, done=done, held_by=index - 1)
        )
    return Profile(
        timeline=Timeline(
            cycles=BOOT_CYCLES + EACH_CYCLES * len(one.passes), busy_cycles={"array": 400, "dma": 17},
            events=tuple(events),
        ),
        dram=DramModel(latency=20), owners=owners, cycles=cycles,
        traffic={None: BOOT_TRAFFIC} | {name: NO_TRAFFIC if name == "norm" else TRAFFIC for name in owners},
    )  # fmt: skip


def whole_cost(preset: str = "tiny", overrides: list[str] | None = None) -> Cost:
    one = program(*every_pass(), preset=preset, overrides=overrides)
    return estimate(one, profile(one), COUNTS, IMAGES)
