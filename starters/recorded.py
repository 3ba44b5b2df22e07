"""What the audit has of one ceremony or act: in its shard's memory while it waits to be flushed, then in the shard's segments."""

from datetime import UTC, datetime
from typing import Any

from azure.durable_functions import EntityId

from passkeys.audit import shard_name
from passkeys.audit_search import find_flushed, find_pending
from passkeys.world import World


async def entry_of(world: World, client: Any, subject: str, *, at: datetime) -> dict[str, Any] | None:
    """The entry of what ended `at` that time, or None while the audit has not heard of it.

    Raises StoreUnavailable, StoreDamaged, and whatever the client raises.
    """
    shard = shard_name(subject, world.settings.audit_shards)
    log = await client.read_entity_state(EntityId("audit_log", shard))
    waiting = (log.entity_state or {}).get("pending", ()) if log.entity_exists else ()
    found = find_pending((line for _, line in waiting), subject)
    return found or await find_flushed(world.store, shard, subject, on=at.astimezone(UTC).date())
