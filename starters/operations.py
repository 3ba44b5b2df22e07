"""For operators: the recent ceremonies, and one of them step by step with the exact reason of its outcome.

The host checks the function key before any of this runs.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from azure.functions import HttpRequest, HttpResponse

from passkeys.ceremony import Kind, kind_of
from passkeys.world import World
from starters.answers import by_method, json_response
from starters.problems import RefusedError
from starters.recorded import entry_of
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
        ended = status.last_updated_time if is_finished(status) else None
        entry = await entry_of(world, client, found, at=ended) if ended else None
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
