"""For operators: the recent ceremonies, and one of them step by step with the exact reason of its outcome.

The host checks the function key before any of this runs.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.durable_functions import EntityId
from azure.functions import HttpRequest, HttpResponse

from passkeys.audit import shard_name, shard_prefix
from passkeys.ceremony import Kind, kind_of
from passkeys.world import World
from starters.answers import by_method, json_response
from starters.problems import RefusedError
from starters.requests import ceremony_id, number
from starters.timeline import timeline
from starters.views import instant, output_of
from starters.waiting import is_finished, stage_of

# The client sees only the first page of a listing, in no promised order. So ask for a short time first, and for a longer
# one only while there is room: what is shown is recent, however many ceremonies there were.
WINDOWS = (
    timedelta(minutes=1),
    timedelta(minutes=15),
    timedelta(hours=6),
    timedelta(days=7),
    timedelta(days=365),
)
MAX_LISTED = 100
MAX_SEGMENTS = 3


async def operations_ceremonies(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """GET /operations/ceremonies: the most recent ones, newest first."""

    async def get() -> HttpResponse:
        limit = number(req, "limit", default=50, lowest=1, highest=MAX_LISTED)
        found = await _recent(client, world.clock(), limit)
        return json_response({"ceremonies": [_summary(status) for status in found]})

    return await by_method(req, {"GET": get})


async def operations_ceremony(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """GET /operations/ceremonies/{id}: every step with its time, from history and audit."""

    async def get() -> HttpResponse:
        found = ceremony_id(req)
        status = await client.get_status(found, show_history=True)
        if not status:
            raise RefusedError("ceremony_unknown")
        entry = await _audit_entry(world, client, status) if is_finished(status) else None
        history = getattr(status, "historyEvents", None) or ()  # the SDK leaves it where it came from
        return json_response({**_summary(status), "timeline": timeline(history, entry), "audit": entry})

    return await by_method(req, {"GET": get})


async def _recent(client: Any, now: datetime, limit: int) -> list[Any]:
    found: list[Any] = []
    for window in WINDOWS:
        found = [
            status
            for kind in Kind
            for status in await client.get_status_by(
                created_time_from=now - window, instance_id_prefix=f"{kind}-"
            )
            if kind_of(status.instance_id) is not None
        ]
        if len(found) >= limit:
            break
    return sorted(found, key=lambda status: status.created_time, reverse=True)[:limit]


def _summary(status: Any) -> dict[str, Any]:
    found = status.instance_id
    output: Mapping[str, Any] = output_of(found, status) if is_finished(status) else {}
    return {
        "id": found,
        "kind": kind_of(found),
        "runtimeStatus": status.runtime_status.value,
        "stage": stage_of(status),
        "outcome": output.get("outcome"),
        "reason": output.get("reason"),
        "createdTime": instant(status.created_time),
        "lastUpdatedTime": instant(status.last_updated_time),
    }


async def _audit_entry(world: World, client: Any, status: Any) -> dict[str, Any] | None:
    """The ceremony's entry: from the shard's memory while it waits to be flushed, else from the shard's file."""
    found = status.instance_id
    shard = shard_name(found, world.settings.audit_shards)
    log = await client.read_entity_state(EntityId("audit_log", shard))
    pending = (log.entity_state or {}).get("pending", ()) if log.entity_exists else ()
    entry = _line_of("".join(f"{line}\n" for _, line in pending).encode(), found)
    if entry is not None:
        return entry
    ended_on = status.last_updated_time.astimezone(UTC).date().isoformat()
    prefix = shard_prefix(shard)
    # One segment a day, named by it. An entry is flushed on the day that it ends, or soon after.
    segments = [name async for name in world.store.list(prefix) if name.removeprefix(prefix) >= ended_on]
    for name in segments[:MAX_SEGMENTS]:
        document = await world.store.get(name)
        entry = _line_of(document.data if document else b"", found)
        if entry is not None:
            return entry
    return None


def _line_of(segment: bytes, found: str) -> dict[str, Any] | None:
    """The entry of one ceremony. Lines are canonical JSON: the member is spelt in one way only."""
    member = f'"ceremony_id":"{found}"'.encode()
    at = segment.find(member)
    while at >= 0:
        start, end = segment.rfind(b"\n", 0, at) + 1, segment.find(b"\n", at)
        if end < 0:
            return None  # being written just now
        entry: dict[str, Any] = json.loads(segment[start:end])
        if entry.get("ceremony_id") == found:
            return entry
        at = segment.find(member, end)  # an entry that tells of this ceremony, and is of something else
    return None
