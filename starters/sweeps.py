"""Housekeeping: timers that take away what nobody needs any more. Each notes what it did, and operators see that."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.durable_functions import EntityId, OrchestrationRuntimeStatus
from azure.functions import HttpRequest, HttpResponse, TimerRequest

from passkeys import family_sweep, housekeeping, once
from passkeys.access_tokens import LEEWAY_SECONDS
from passkeys.errors import StoreError
from passkeys.family_rows import Family
from passkeys.housekeeping import Swept
from passkeys.identities import forget_tokens
from passkeys.tickets import forget_tickets
from passkeys.world import World
from starters.answers import by_method, json_response
from starters.session_acts import is_untold_end, record_untold_end
from starters.views import instant

SWEEP_SCHEDULE = "0 */5 * * * *"
USED_TOKENS_SCHEDULE = "0 40 * * * *"
PURGE_SCHEDULE = "0 */10 * * * *"
# However young issuers' tokens must be: should that be set higher again, what was used before is still known.
USED_TOKENS_KEPT = timedelta(days=1)
# The task hub is asked for so much of its past at once: the host purges all of it in one request, which must not take long.
PURGE_WINDOW = timedelta(hours=1)
PURGE_WINDOWS = 48
# So far back the first run begins.
PURGE_REACH = timedelta(days=400)
_ENDED = [
    OrchestrationRuntimeStatus.Completed,
    OrchestrationRuntimeStatus.Failed,
    OrchestrationRuntimeStatus.Terminated,
]
log = logging.getLogger("starters.sweeps")


async def sweep_rate_limiters(world: World, timer: TimerRequest, client: Any) -> None:  # noqa: ARG001
    """Ask each limiter of the task hub to settle: one whose bucket is full again drops its state."""

    async def sweep() -> int:
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
        return len(limiters)

    await _noted(world, "rate_limiters", sweep)


async def sweep_shown_once(world: World, timer: TimerRequest, client: Any) -> None:  # noqa: ARG001
    """Forget the proofs and assertions that nobody could show again."""
    await _noted(world, "shown_once", lambda: once.sweep(world.store, now=world.clock()))


async def sweep_families(world: World, timer: TimerRequest, client: Any) -> None:  # noqa: ARG001
    """Forget the families of refresh tokens that were over a day ago; of each, see first that the audit has its end."""

    async def look(family: Family) -> None:
        if is_untold_end(family):
            await record_untold_end(world, client, family)

    await _noted(world, "families", lambda: family_sweep.sweep(world.store, now=world.clock(), look=look))


async def sweep_tickets(world: World, timer: TimerRequest, client: Any) -> None:  # noqa: ARG001
    """Forget the enrolment tickets that expired a day ago, used or not: no ceremony can hold one any more."""
    await _noted(world, "tickets", lambda: forget_tickets(world.store, now=world.clock()))


async def sweep_used_tokens(world: World, timer: TimerRequest, client: Any) -> None:  # noqa: ARG001
    """Forget the issuers' tokens that have enrolled somebody, once no ceremony by them can be left.

    While any issuer's may be of any age, none is forgotten; and without an issuer none either: it may come back.
    """
    ages = [source.issuer.profile.max_age_seconds for source in world.issuers.values()]
    known = [age for age in ages if age is not None]
    if not known or len(known) < len(ages):
        return
    oldest = timedelta(seconds=max(known) + LEEWAY_SECONDS + world.settings.ceremony_seconds)
    after = max(oldest, USED_TOKENS_KEPT)
    await _noted(world, "used_tokens", lambda: forget_tokens(world.store, now=world.clock(), after=after))


async def purge_ceremonies(world: World, timer: TimerRequest, client: Any) -> None:  # noqa: ARG001
    """Purge the history of what ended and was begun more than PASSKEYS_CEREMONY_DAYS ago, an hour of the past at a time.

    Whatever runs or waits stays. How far it has come is noted after each hour, so that a run that dies is gone on with.
    """
    now = world.clock().astimezone(UTC)
    until = now - timedelta(days=world.settings.ceremony_days)
    before = await housekeeping.last(world.store, "ceremonies")
    marked = before and before.up_to and datetime.fromisoformat(before.up_to)
    begin = min(marked or now - PURGE_REACH, until)
    count = 0
    try:
        for _ in range(PURGE_WINDOWS):
            end = min(begin + PURGE_WINDOW, until)
            if end <= begin:
                break
            # The task hub takes both ends into the window: what is purged already is not there to be purged again.
            purged = await client.purge_instance_history_by(begin, end, _ENDED)
            count += purged.instances_deleted
            begin = end
    except Exception as failure:
        with suppress(StoreError):
            await _note(world, "ceremonies", None, failed=type(failure).__name__, up_to=begin)
        raise
    await _note(world, "ceremonies", count, up_to=begin)


async def operations_housekeeping(world: World, req: HttpRequest, client: Any) -> HttpResponse:  # noqa: ARG001
    """GET /operations/housekeeping: what each sweep did last."""

    async def get() -> HttpResponse:
        found = await housekeeping.sweeps(world.store)
        return json_response({"sweeps": [_view(name, swept) for name, swept in found.items()]})

    return await by_method(req, {"GET": get})


def _view(name: str, swept: Swept) -> dict[str, Any]:
    return {
        "name": name,
        "at": swept.at,
        "count": swept.count,
        "failed": swept.failed,
        "upTo": swept.up_to,
    }


async def _noted(world: World, name: str, sweep: Callable[[], Awaitable[int]]) -> None:
    """Sweep, and note what came of it; what it raised is raised."""
    try:
        count = await sweep()
    except Exception as failure:
        with suppress(StoreError):
            await _note(world, name, None, failed=type(failure).__name__)
        raise
    await _note(world, name, count)


async def _note(
    world: World, name: str, count: int | None, *, failed: str | None = None, up_to: datetime | None = None
) -> None:
    log.info("Swept %s: %s", name, failed or count)
    at, come = instant(world.clock()), instant(up_to)
    swept = Swept(str(at), count, failed, come)
    await housekeeping.note(world.store, name, swept)
