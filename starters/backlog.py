"""Whether the audit can keep up: asked before anything new begins, and told to operators."""

import asyncio
import logging
from typing import Any

from azure.durable_functions import EntityId
from azure.functions import HttpRequest, HttpResponse

from passkeys.audit_backlog import Backlog, Standing, Waiting, backlog_of, waiting_of
from passkeys.world import World
from starters.answers import by_method, json_response
from starters.looking import looked
from starters.views import instant

# Longer than it takes until the next flush has made room, or has failed once more.
FULL_RETRY_AFTER_SECONDS = 60
log = logging.getLogger("starters.backlog")


async def backlog(world: World, client: Any) -> Backlog:
    """What waits in the audit logs just now. Raises whatever the client raises."""
    shards = [f"{shard:02d}" for shard in range(world.settings.audit_shards)]
    logs = await asyncio.gather(*(_waiting(client, shard) for shard in shards))
    return backlog_of(logs, limit=world.settings.audit_backlog, now=world.clock())


async def is_full(world: World, client: Any) -> bool:
    """Whether so much waits that nothing new is to begin, by a look within the last seconds.

    What cannot be looked at is no reason to turn anybody away: without the task hub nothing begins anyhow.
    """
    try:
        found = await looked(world, "audit", lambda: backlog(world, client))
    except Exception as failure:  # noqa: BLE001 -- the SDK raises no narrower class
        log.warning("Could not look at what waits in the audit logs: %r", failure)
        return False
    return found.standing is Standing.FULL


async def operations_audit(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """GET /operations/audit: how far the trail's segments are behind, log by log."""

    async def get() -> HttpResponse:
        found = await backlog(world, client)
        return json_response(
            {
                "standing": found.standing.value,
                "pending": found.pending,
                "oldestAt": None if found.oldest_at is None else instant(found.oldest_at),
                "limit": world.settings.audit_backlog,
                "logs": [_log(one) for one in found.logs],
            }
        )

    return await by_method(req, {"GET": get})


def _log(one: Waiting) -> dict[str, Any]:
    return {
        "shard": one.shard,
        "recorded": one.recorded,
        "pending": one.pending,
        "oldestAt": None if one.oldest_at is None else instant(one.oldest_at),
        "segment": one.segment or None,
    }


async def _waiting(client: Any, shard: str) -> Waiting:
    state = await client.read_entity_state(EntityId("audit_log", shard))
    return waiting_of(shard, (state.entity_state or {}) if state.entity_exists else {})
