"""Have somebody's access ended, where it has shown that the directory does not let them in any more.

Shown by their own passkey, code or refresh token, and never by asking alone: else anybody could have anybody's account
looked at. What follows is durable and nobody waits for it; who is refused sees neither that nor why.
"""

import hashlib
import json
import logging
from datetime import datetime, timedelta
from typing import Any

from passkeys.acts import ActOutcome, Leaving
from passkeys.alerts import alert
from passkeys.ceremony import Kind, Outcome, kind_of
from passkeys.world import World
from starters.correlation import audited
from starters.views import instant, output_of
from starters.waiting import is_finished

ORCHESTRATOR = "end_access"
# How long a session that keeps asking is not looked at again after nothing was taken.
AGAIN = timedelta(minutes=10)
log = logging.getLogger("starters.leavers")


async def leave(world: World, client: Any, person: str, *, cause: str) -> None:
    """End the person's access, as the directory now says. `cause`: the ceremony or session where it showed; once for each.

    Raises nothing: whoever calls refuses anyhow, and the next attempt starts it again.
    """
    digest = hashlib.sha256(json.dumps([person, cause]).encode()).hexdigest()[:32]
    instance_id = f"leaver-{digest}"
    request = {
        "v": 1,
        "person": person,
        "cause": cause,
        "seen_at": instant(world.clock()),
        "audit_shards": world.settings.audit_shards,
        "audit": audited(world),
    }
    try:
        status = await client.get_status(instance_id)
        if not status or _is_due_again(status, world.clock()):
            await client.start_new(ORCHESTRATOR, instance_id, request)
    except Exception as failure:  # noqa: BLE001 -- the SDK raises no narrower class
        log.warning("Could not start to end somebody's access: %r", failure)
        alert("access_not_ended", cause=cause)


async def leave_if_refused(world: World, client: Any, ceremony_id: str, status: Any) -> None:
    """The same for who has just signed in with their own passkey, and was refused by the directory's word."""
    if not status or kind_of(ceremony_id) is not Kind.AUTHENTICATION or not is_finished(status):
        return
    output = output_of(ceremony_id, status)
    if (
        output["outcome"] == Outcome.REFUSED
        and output["reason"] in set(Leaving)
        and output.get("refused_person")
    ):
        await leave(world, client, output["refused_person"], cause=ceremony_id)


def _is_due_again(status: Any, now: datetime) -> bool:
    """Whether it has come to nothing: it failed; or some time ago the directory was doubted, or had changed its mind."""
    if not is_finished(status):
        return False
    output = status.output
    outcome = output.get("outcome") if isinstance(output, dict) else ActOutcome.FAILED
    if outcome in (ActOutcome.FAILED, ActOutcome.COMPLETED):
        return bool(outcome == ActOutcome.FAILED)
    return bool(now - status.last_updated_time > AGAIN)
