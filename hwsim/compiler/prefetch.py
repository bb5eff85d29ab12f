"""Where the loads of weights, parameters and tables go: as early as the memory that they fill is free."""

from __future__ import annotations

from collections import defaultdict

from hwsim.compiler.operations import Access, Buffer, Operation, WeightTile
from hwsim.compiler.plan import Plan
from hwsim.isa import LOAD_TARGETS


def with_loads(plan: Plan) -> list[Operation]:
    """Operations in program order with every load in its place.

    The load of tile i + 2 directly follows the last GEMM of tile i, whose bank it fills; those of the first two tiles
    precede the first GEMM. A table or LayerNorm's parameters follow the first GEMM of an earlier pass.
    """
    operations = plan.operations
    after: dict[int, list[Operation]] = defaultdict(list)
    gemms = [position for position, operation in enumerate(operations) if operation.operation == "gemm"]
    last_use: dict[WeightTile, int] = {}
    first_user: dict[WeightTile, Operation] = {}
    for position in gemms:
        tile = operations[position].tile
        assert tile is not None
        last_use[tile] = position
        first_user.setdefault(tile, operations[position])
    users_of: dict[Buffer, list[int]] = defaultdict(list)
    for position, operation in enumerate(operations):
        for buffer in {access.buffer for access in operation.accesses}:
            users_of[buffer].append(position)
    tiles = list(last_use)  # in the order of their first use
    for index, tile in enumerate(tiles):
        tile.bank = index % 2
        load = _tile_load(plan, tile, first_user[tile])
        after[gemms[0] - 1 if index < 2 else last_use[tiles[index - 2]]].append(load)
    for early in plan.early_loads:
        filled = {access.buffer for access in early.load.accesses}
        stage = max(0, early.load.stage - early.stages_before)
        begin = next((p for p in gemms if operations[p].stage >= stage), gemms[0])
        users = sorted({p for buffer in filled for p in users_of[buffer]})
        earlier = [p for p in users if operations[p].stage < early.load.stage]
        first = next(p for p in users if operations[p].stage == early.load.stage)
        after[max([min(begin, first - 1), *earlier])].append(early.load)
    ordered = list(after[-1])
    for position, operation in enumerate(operations):
        ordered.append(operation)
        ordered += after[position]
    for operation in ordered:
        if operation.tile is not None and operation.operation == "gemm":
            bank = operation.tile.bank
            operation.fields["bank"] = bank
            operation.accesses.append(Access("read_inside", plan.weight_buffer, bank, bank + 1))
    return ordered


def _tile_load(plan: Plan, tile: WeightTile, user: Operation) -> Operation:
    return Operation(
        operation="load",
        layer=user.layer,
        head=user.head,
        stage=user.stage,
        fields={
            "target": LOAD_TARGETS.index("weights"), "steps": tile.steps, "bank": tile.bank,
            "packed": int(tile.packed), "beats": len(tile.section.data) // plan.config.beat_bytes,
        },
        accesses=[Access("write_inside", plan.weight_buffer, tile.bank, tile.bank + 1)],
        section=tile.section,
        tile=tile,
    )  # fmt: skip
