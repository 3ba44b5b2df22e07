"""The timers: start what runs behind the ceremonies. Each only looks whether there is work, and sets it going."""

import logging
from datetime import timedelta
from typing import Any

from azure.durable_functions import EntityId, OrchestrationRuntimeStatus
from azure.functions import TimerRequest

from passkeys import family_sweep, once
from passkeys.access_tokens import LEEWAY_SECONDS
from passkeys.alerts import alert
from passkeys.audit_backlog import Standing
from passkeys.family_rows import Family
from passkeys.identities import forget_tokens
from passkeys.world import World
from starters.backlog import backlog
from starters.correlation import audited
from starters.session_acts import is_untold_end, record_untold_end
from starters.views import instant
from starters.waiting import is_finished

FLUSH_INSTANCE = "audit-flush"
SEAL_INSTANCE = "audit-seal"
METADATA_INSTANCE = "metadata-refresh"
KEYS_INSTANCE = "key-rotation"
AUDIT_WATCH_SCHEDULE = "0 * * * * *"
SWEEP_SCHEDULE = "0 */5 * * * *"
USED_TOKENS_SCHEDULE = "0 40 * * * *"
# However young issuers' tokens must be: should that be set higher again, what was used before is still known.
USED_TOKENS_KEPT = timedelta(days=1)
# While nothing is known yet the service is not ready, and should not wait for the night.
FIRST_METADATA_SCHEDULE = "0 * * * * *"

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


async def sweep_shown_once(world: World, timer: TimerRequest, client: Any) -> None:  # noqa: ARG001
    """Forget the proofs and assertions that nobody could show again."""
    log.info("Forgot %d proofs and assertions", await once.sweep(world.store, now=world.clock()))


async def sweep_families(world: World, timer: TimerRequest, client: Any) -> None:  # noqa: ARG001
    """Forget the families of refresh tokens that were over a day ago; of each, see first that the audit has its end."""

    async def look(family: Family) -> None:
        if is_untold_end(family):
            await record_untold_end(world, client, family)

    gone = await family_sweep.sweep(world.store, now=world.clock(), look=look)
    log.info("Forgot %d families of refresh tokens", gone)


async def sweep_used_tokens(world: World, timer: TimerRequest, client: Any) -> None:  # noqa: ARG001
    """Forget the issuers' tokens that have enrolled somebody, once no ceremony by them can be left.

    While any issuer's may be of any age, none is forgotten; and without an issuer none either: it may come back.
    """
    ages = [source.issuer.profile.max_age_seconds for source in world.issuers.values()]
    known = [age for age in ages if age is not None]
    if not known or len(known) < len(ages):
        return
    last = timedelta(seconds=max(known) + LEEWAY_SECONDS + world.settings.ceremony_seconds)
    gone = await forget_tokens(world.store, now=world.clock(), after=max(last, USED_TOKENS_KEPT))
    log.info("Forgot %d used tokens", gone)
