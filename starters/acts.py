"""Acts over HTTP: start one, wait for it, and tell what became of it."""

from collections.abc import Mapping
from typing import Any

from passkeys.acts import Act, ActOutcome, new_act_id
from passkeys.audit import shard_name
from passkeys.world import World
from starters.limits import acts_limit
from starters.problems import RefusedError
from starters.views import RETRY_AFTER_SECONDS
from starters.waiting import ANSWER_WAIT_SECONDS, is_finished, status_when

# What an act is refused for, as the caller is told it.
_TOLD = frozenset({"credential_unknown", "last_credential"})


async def act(
    world: World,
    client: Any,
    verb: Act,
    credential_id: str,
    *,
    by: str,
    person: str | None = None,
    reason: str | None = None,
    name: str | None = None,
    last: bool = False,
) -> None:
    """Have the change made, in the name of `by`; `person`: whose the credential must be, None for an operator's act.

    Returns when it is made. Raises RefusedError: credential_unknown, last_credential, rate_limited, or unavailable, after
    which it may yet be made; doing it again does no harm.
    """
    act_id = new_act_id(world.random_bytes)
    request = {
        "v": 1,
        "act_id": act_id,
        "act": verb.value,
        "credential_id": credential_id,
        "person": person,
        "by": by,
        "reason": reason,
        "name": name,
        "last": last,
        "limits": [acts_limit(world.settings, by)],
        "audit_shard": shard_name(act_id, world.settings.audit_shards),
    }
    await client.start_new("administer_credential", act_id, request)
    status = await status_when(client, act_id, is_finished, seconds=ANSWER_WAIT_SECONDS, started=True)
    output = status.output if status and is_finished(status) else None
    _refuse_unless_completed(output if isinstance(output, dict) else {})


def _refuse_unless_completed(output: Mapping[str, Any]) -> None:
    outcome, reason = output.get("outcome"), output.get("reason")
    if outcome == ActOutcome.COMPLETED:
        return
    if reason == "rate_limited":
        raise RefusedError("rate_limited", headers={"Retry-After": str(output["retry_after_seconds"])})
    if reason in _TOLD:
        raise RefusedError(reason)
    raise RefusedError("unavailable", headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
