"""The timers: start what runs behind the ceremonies. Each only looks whether there is work, and sets it going."""

from typing import Any

from azure.durable_functions import EntityId
from azure.functions import TimerRequest

from passkeys.alerts import alert
from passkeys.audit_backlog import Standing
from passkeys.world import World
from starters.backlog import backlog
from starters.correlation import audited
from starters.views import instant
from starters.waiting import is_finished

FLUSH_INSTANCE = "audit-flush"
SEAL_INSTANCE = "audit-seal"
METADATA_INSTANCE = "metadata-refresh"
KEYS_INSTANCE = "key-rotation"
AUDIT_WATCH_SCHEDULE = "0 * * * * *"
# While nothing is known yet the service is not ready, and should not wait for the night.
FIRST_METADATA_SCHEDULE = "0 * * * * *"


async def start_audit_flush(world: World, timer: TimerRequest, client: Any) -> None:  # noqa: ARG001
    """Start the one flush orchestration if any shard of the audit log has entries that are not in its file yet."""
    shards = [f"{shard:02d}" for shard in range(world.settings.audit_shards)]
    states = [await client.read_entity_state(EntityId("audit_log", shard)) for shard in shards]
    waiting = [
        shard
        for shard, state in zip(shards, states, strict=True)
        if state.entity_exists and (state.entity_state or {}).get("pending")
    ]
    if not waiting:
        return
    await _start_single(client, "flush_audit", FLUSH_INSTANCE, {"v": 1, "shards": waiting})


async def start_audit_seal(world: World, timer: TimerRequest, client: Any) -> None:  # noqa: ARG001
    """Start the one sealing of the trail: it finds out itself whether there is something new."""
    await _start_single(client, "seal_audit_trail", SEAL_INSTANCE, {"v": 1})


async def watch_audit(world: World, timer: TimerRequest, client: Any) -> None:  # noqa: ARG001
    """Say so, once a minute, while the trail's segments are behind what has been recorded."""
    found = await backlog(world, client)
    if found.standing is not Standing.KEPT_UP:
        alert(f"audit_{found.standing}", pending=found.pending, since=instant(found.oldest_at))


async def start_metadata_refresh(world: World, timer: TimerRequest, client: Any) -> None:  # noqa: ARG001
    """Start the one refresh of the metadata, unless the one before is still under way."""
    request = {"v": 1, "audit_shards": world.settings.audit_shards, "audit": audited(world), "first": False}
    await _start_single(client, "refresh_metadata", METADATA_INSTANCE, request)


async def start_first_metadata_refresh(world: World, timer: TimerRequest, client: Any) -> None:  # noqa: ARG001
    """Start it too while no metadata is known at all."""
    if await world.models.current() is None:
        request = {
            "v": 1,
            "audit_shards": world.settings.audit_shards,
            "audit": audited(world),
            "first": True,
        }
        await _start_single(client, "refresh_metadata", METADATA_INSTANCE, request)


async def start_key_rotation(world: World, timer: TimerRequest, client: Any) -> None:  # noqa: ARG001
    """Start the one turn of the signing keys: it finds out itself what is due, and what the audit does not have yet."""
    request = {"v": 1, "audit_shards": world.settings.audit_shards, "audit": audited(world)}
    await _start_single(client, "rotate_keys", KEYS_INSTANCE, request)


async def _start_single(client: Any, orchestrator: str, instance_id: str, request: dict[str, Any]) -> None:
    """Start an orchestration of which there is one at a time, unless it is running."""
    status = await client.get_status(instance_id)
    if status and not is_finished(status):
        return
    try:
        await client.start_new(orchestrator, instance_id, request)
    except (
        Exception
    ):  # the SDK raises no narrower class; another host may have started it between the two calls
        status = await client.get_status(instance_id)
        if not status or is_finished(status):
            raise
