"""Acts over HTTP: start one, wait for it, and tell what became of it."""

from collections.abc import Mapping
from typing import Any

from passkeys.acts import Act, ActOutcome, new_act_id
from passkeys.audit import shard_name
from passkeys.world import World
from starters.answers import RETRY_AFTER_SECONDS
from starters.correlation import audited
from starters.limits import acts_limit
from starters.problems import RefusedError
from starters.waiting import ANSWER_WAIT_SECONDS, is_finished, status_when

ORCHESTRATORS: Mapping[Act, str] = {
    Act.RENAME: "administer_credential",
    Act.REMOVE: "administer_credential",
    Act.DISABLE: "administer_credential",
    Act.ENABLE: "administer_credential",
    Act.RECOVERY_TICKET_ISSUED: "issue_recovery_ticket",
    Act.SESSION_REVOKED: "administer_session",
    Act.SIGNED_OUT_EVERYWHERE: "administer_session",
}
# What an act is refused for, as the caller is told it.
_TOLD = frozenset(
    {
        "credential_unknown",
        "last_credential",
        "recovery_expired",
        "recovery_not_yours",
        "session_unknown",
        "ticket_shown",
    }
)


async def act(
    world: World,
    client: Any,
    verb: Act,
    credential_id: str | None,
    *,
    by: str,
    person: str | None = None,
    reason: str | None = None,
    name: str | None = None,
    last: bool = False,
    **besides: str | None,
) -> None:
    """Have it done, in the name of `by`; `person`: whose the credential must be, None for an operator's act.

    `besides`: what only this act needs. Returns when it is done. Raises RefusedError: the code that it was refused for,
    rate_limited, or unavailable, after which it may yet be done; a change of a credential again does no harm.
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
        **besides,
        "limits": [acts_limit(world.settings, by)],
        "audit_shard": shard_name(act_id, world.settings.audit_shards),
        "audit": audited(world),
    }
    await client.start_new(ORCHESTRATORS[verb], act_id, request)
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
