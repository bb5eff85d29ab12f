"""What an encoded instruction reads and writes, from its fields alone: rows and channels, through which port.

This is the checker's own reading of the instruction set; it shares nothing with the code that made the program.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

from hwsim.compiler.layout import Region
from hwsim.config import AcceleratorConfig
from hwsim.errors import HwsimError
from hwsim.isa import COLUMN_SOURCES, DRAIN_OPERATIONS, ENCODER_KINDS, LOAD_TARGETS, OPERAND_KINDS, Instruction

CODEBOOK_ENTRIES = 256
"""Words of a codebook's load before its thresholds."""

Side = Literal["operand", "drain", "engine"]
"""Part of the array that makes an access; the other engines have one."""


class Footprint(NamedTuple):
    """A matrix of the activation buffer that one port reads or writes."""

    name: str
    region: Region
    row: int
    rows: int
    channel: int
    channels: int
    writes: bool
    side: Side
    port: str = ""
    """Two matrices of one instruction in one bank need one port; empty: the name."""

    def banks(self, bank_words: int) -> int:
        """Banks that the port touches, whole blocks of codes, as a bit mask."""
        region, width = self.region, self.region.word_bytes
        if region.halfwords:
            first, last = (region.base + row * region.stride for row in (self.row, self.row + self.rows - 1))
            spans = [(first + 2 * self.channel // width, last - (-2 * (self.channel + self.channels) // width))]
        else:
            first, end = self.channel // width * width, -(-(self.channel + self.channels) // width) * width
            blocks = range(self.row // width, (self.row + self.rows - 1) // width + 1)
            starts = [region.base + block * region.stride for block in blocks]
            spans = [(start + first, start + end) for start in starts]
        mask = 0
        for start, end in spans:
            for bank in range(start // bank_words, (end - 1) // bank_words + 1):
                mask |= 1 << bank
        return mask


class Inside(NamedTuple):
    """A memory beside the activation buffer that an instruction reads or writes as a whole."""

    name: str
    writes: bool
    entries: int
    """Steps, entries or channels that are loaded, or needed."""


def footprints(one: Instruction, config: AcceleratorConfig) -> list[Footprint]:
    """Matrices of the activation buffer that an instruction reads and writes."""
    if one.operation == "load":
        return _load(one, config)
    if one.operation == "store":
        element = 2 if one["halfwords"] else 1
        region = _region(one, "", bool(one["halfwords"]), config)
        place = one["first_row"], one["rows"], one["first_channel"], one["row_bytes"] // element
        return [Footprint("the tensor", region, *place, False, "engine")]
    if one.operation == "gemm":
        return _gemm(one, config)
    if one.operation in ("softmax", "layernorm"):
        is_softmax = one.operation == "softmax"
        channels = one["columns"] if is_softmax else one["channels"]
        lanes = config.softmax_lanes if is_softmax else config.layernorm_lanes
        halfwords = is_softmax or bool(one["in_halfwords"])
        source, out = _region(one, "in_", halfwords, config), _region(one, "out_", False, config)
        place = one["out_row"], one["rows"], 0, -(-channels // lanes) * lanes
        found = [
            Footprint("the rows", source, one["in_row"], one["rows"], 0, channels, False, "engine"),
            Footprint("the result", out, *place, True, "engine"),
        ]
        if not is_softmax and _has_outliers(one):
            found += [Footprint(name, plane, *place, True, "engine") for name, plane in _planes(one, out)]
        return found
    return []


def insides(one: Instruction, config: AcceleratorConfig) -> list[Inside]:
    """Memories beside the activation buffer that an instruction reads and writes."""
    if one.operation == "gemm":
        from_weights = COLUMN_SOURCES[one["column_source"]] == "weights"
        used = [Inside(f"weights {one['bank']}", False, one["steps"] if from_weights else 0)]
        if DRAIN_OPERATIONS[one["drain"]] == "table":
            used.append(Inside("table", False, one["hi"] - one["lo"] + 1))
        if OPERAND_KINDS[one["operand_kind"]] == "codebook":
            used.append(Inside("codebook", False, 1 << one["operand_bits"]))
        return used + _rows_inside(one, False, config)
    if one.operation == "softmax" and ENCODER_KINDS[one["encoder"]] == "codebook":
        return [Inside("thresholds", False, 1 << one["bits"])]
    if one.operation == "layernorm":
        return [Inside("layernorm", False, one["channels"]), *_rows_inside(one, True, config)]
    if one.operation == "load":
        target = LOAD_TARGETS[one["target"]]
        if target == "weights":
            _keep_beats(one, config)
            return [Inside(f"weights {one['bank']}", True, one["steps"])]
        if one["packed"]:
            raise HwsimError(f"is packed, expected weights, not {target}")
        if target == "table":
            return [Inside(target, True, one["beats"] * config.beat_bytes)]
        if target in ("layernorm", "codebook", "row_multipliers"):
            found = [Inside(target, True, one["beats"])]
            if target == "codebook" and one["beats"] > CODEBOOK_ENTRIES:
                found.append(Inside("thresholds", True, one["beats"] - CODEBOOK_ENTRIES))
            return found
    return []


def _keep_beats(one: Instruction, config: AcceleratorConfig) -> None:
    """Refuse a load whose beats are not its weights, packed ones half as many, and an entry for each column."""
    weights = one["steps"] * config.step_beats
    expected = (weights // 2 + weights % 2 if one["packed"] else weights) + config.array_columns
    if one["beats"] != expected:
        raise HwsimError(f"has {one['beats']} beats for {one['steps']} steps, expected {expected}")


def _rows_inside(one: Instruction, writes: bool, config: AcceleratorConfig) -> list[Inside]:
    """Entries of the row table up to the last row, and the row tiles of the outlier map."""
    if not one["row_encode" if writes else "row_scales"] and not _has_outliers(one):
        return []
    first, channels = (one["out_row"], one["channels"]) if writes else (one["row_first"], one["steps"])
    end, tile_rows = first + one["rows"], config.array_rows
    found = [Inside("row_multipliers", False, end)] if one["row_encode" if writes else "row_scales"] else []
    if _has_outliers(one):
        if first % tile_rows:
            raise HwsimError(f"begins with row {first}, expected whole row tiles of {tile_rows} where it has outliers")
        tiles = range(first // tile_rows, -(-end // tile_rows))
        found += [Inside(outlier_tile(tile), writes, channels) for tile in tiles]
    return found


def outlier_tile(tile: int) -> str:
    """Name of a row tile of the outlier map."""
    return f"outliers of row tile {tile}"


def _has_outliers(one: Instruction) -> bool:
    return bool(one["outliers"] and (one.operation == "gemm" or one["row_encode"]))


def _planes(one: Instruction, like: Region) -> list[tuple[str, Region]]:
    """Names and places of the planes of outliers, which lie as the codes do."""
    return [(name, replace(like, base=one[name])) for name in ("outlier_high", "outlier_low")]


def _load(one: Instruction, config: AcceleratorConfig) -> list[Footprint]:
    target = LOAD_TARGETS[one["target"]]
    if target == "codes":
        rows_at_a_time = one["run_bytes"] * one["runs"] * one["lines"]
        rows = -(-one["bytes"] // rows_at_a_time) * one["runs"]
        region = _region(one, "", False, config)
        place = one["first_row"], rows, one["first_channel"], one["run_bytes"] * one["lines"]
        return [Footprint("the tensor", region, *place, True, "engine")]
    if target == "halfwords":
        rows = one["beats"] // -(-one["run_bytes"] // config.beat_bytes)
        region = _region(one, "", True, config)
        return [Footprint("the tensor", region, one["first_row"], rows, 0, one["run_bytes"] // 2, True, "engine")]
    return []


def _gemm(one: Instruction, config: AcceleratorConfig) -> list[Footprint]:
    rows, steps, columns = one["rows"], one["steps"], one["columns"]
    row_region = _region(one, "row_", False, config)
    operand = one["row_first"], rows, 0, steps, False
    found = [Footprint("the row operand", row_region, *operand, "operand", "row")]
    if _has_outliers(one):
        found += [Footprint(name, plane, *operand, "operand", "row") for name, plane in _planes(one, row_region)]
    source = COLUMN_SOURCES[one["column_source"]]
    column_region = _region(one, "column_", False, config)
    if source == "channels":
        place = one["column_first"], columns, 0, steps
        found.append(Footprint("the column operand", column_region, *place, False, "operand"))
    elif source == "rows":
        place = 0, steps, one["column_first"], columns
        found.append(Footprint("the column operand", column_region, *place, False, "operand"))
    lanes = config.drain_lanes
    out = one["out_row"], rows, one["out_channel"], -(-columns // lanes) * lanes
    drain = DRAIN_OPERATIONS[one["drain"]]
    if drain in ("residual", "constant"):
        skip = _region(one, "skip_", drain == "constant", config)
        found.append(Footprint("the skip", skip, *out, False, "drain"))
    region = _region(one, "out_", bool(one["out_halfwords"]), config)
    found.append(Footprint("the result", region, *out, True, "drain"))
    return found


def _region(one: Instruction, prefix: str, halfwords: bool, config: AcceleratorConfig) -> Region:
    base, stride = one[f"{prefix}base"], one[f"{prefix}stride"]
    return Region(base=base, stride=stride, halfwords=halfwords, word_bytes=config.word_bytes)
