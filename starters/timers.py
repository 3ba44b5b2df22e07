"""The timers: start what runs behind the ceremonies. Each only looks whether there is work, and sets it going."""

import logging
from datetime import timedelta
from typing import Any

from azure.durable_functions import EntityId, OrchestrationRuntimeStatus
from azure.functions import TimerRequest

from passkeys.world import World
from starters.waiting import is_finished

FLUSH_INSTANCE = "audit-flush"
SWEEP_SCHEDULE = "0 */5 * * * *"

log = logging.getLogger("starters.timers")


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
    status = await client.get_status(FLUSH_INSTANCE)
    if status and not is_finished(status):
        return
    try:
        await client.start_new("flush_audit", FLUSH_INSTANCE, {"v": 1, "shards": waiting})
    except (
        Exception
    ):  # the SDK raises no narrower class; another host may have started it between the two calls
        status = await client.get_status(FLUSH_INSTANCE)
        if not status or is_finished(status):
            raise


async def sweep_rate_limiters(world: World, timer: TimerRequest, client: Any) -> None:  # noqa: ARG001
    """Ask each limiter of the task hub to settle: one whose bucket is full again drops its state."""
    now = world.clock()
    at_ms = int(now.timestamp() * 1000)
    limiters = await client.get_status_by(
        created_time_from=now - timedelta(days=365),
        runtime_status=[OrchestrationRuntimeStatus.Running],
        instance_id_prefix="@rate_limiter@",
    )
    for limiter in limiters:
        key = limiter.instance_id.removeprefix("@rate_limiter@")
        await client.signal_entity(EntityId("rate_limiter", key), "settle", {"at_ms": at_ms})
    log.info("Asked %d rate limiters to settle", len(limiters))
