"""Append audit entries to their segment, durably."""

import logging

from activities.retries import Json, retried
from passkeys.audit import segment_name
from passkeys.errors import Sealed, StoreDamaged, WrongPosition
from passkeys.world import World

log = logging.getLogger("activities.append_audit")


@retried
async def append_audit(world: World, request: Json) -> Json:
    """Put a batch of an audit log's pending entries behind the segment's end.

    request: what the entity's operation `pending` returned: {"shard", "segment", "position", "through_seq",
    "entries": [line, …], "ended": null | {"segment", "position"}}; result: what its operation `flushed` takes:
    {"segment", "position", "through_seq"}, or {"shard", "failed": reason} if a segment is damaged: a value, because the
    other shards go on.

    The segment that has ended is sealed before the next one begins. Run again, it finds its own lines behind `position`
    and adds only what is missing. One writer a shard: the flush is a singleton. Other lines that stand there are damage:
    then two logs write one chain.
    """
    try:
        return await _append(world, request)
    except StoreDamaged as damaged:
        log.error("The audit log's shard %s is not flushed: %s", request["shard"], damaged)  # noqa: TRY400
        return {"shard": request["shard"], "failed": str(damaged)}


async def _append(world: World, request: Json) -> Json:
    """The result of an append that was made. Raises StoreDamaged."""
    if request.get("ended"):
        await _seal(world, request["shard"], request["ended"])
    name = segment_name(request["shard"], request["segment"])
    position: int = request["position"]
    data = "".join(line + "\n" for line in request["entries"]).encode()
    try:
        end = await _add(world, name, data, position)
    except Sealed as sealed:
        raise StoreDamaged(
            name,
            "is sealed, and not by this audit log.",
            next_step="Find out who has sealed it: nothing is appended there any more.",
        ) from sealed
    return {"segment": request["segment"], "position": end, "through_seq": request["through_seq"]}


async def _add(world: World, name: str, data: bytes, position: int) -> int:
    """The end of the segment, once `data` stands in it at `position`. Raises Sealed, StoreDamaged."""
    try:
        return await world.store.append(name, data, position=position)
    except WrongPosition as wrong:
        there = await _written(world, name, position, wrong.actual)
        if there is None or not data.startswith(there):
            raise _foreign(name, wrong.actual, position) from wrong
        if len(there) == len(data):
            return wrong.actual
        return await world.store.append(name, data[len(there) :], position=wrong.actual)


async def _written(world: World, name: str, position: int, end: int) -> bytes | None:
    """What stands behind `position`, or None if the segment is shorter than that."""
    document = await world.store.get(name) if end > position else None
    return None if document is None else document.data[position:end]


async def _seal(world: World, shard: str, ended: Json) -> None:
    """Let a segment grow no more. Raises StoreDamaged if it does not end where this log has left it."""
    name = segment_name(shard, ended["segment"])
    try:
        await world.store.seal(name, position=ended["position"])
    except WrongPosition as wrong:
        raise _foreign(name, wrong.actual, ended["position"]) from wrong


def _foreign(name: str, actual: int, position: int) -> StoreDamaged:
    return StoreDamaged(
        name,
        f"holds entries that this audit log has not written: it ends at {actual}, not at {position}.",
        next_step="Keep a copy, and find what else writes there or what was restored from an older copy.",
    )
