"""The life of sessions with applications, in the audit: what was issued, refreshed, refused, ended, and by whose word.

A token exchange is no orchestration (it must be fast), so its entry goes to the audit's shard directly, as one signal. Its id
follows from the facts, so that a request which is made again, since its answer was lost, is recorded once. And what needs a
person to look at it at once is one line in the log that begins with `alert` and a stable code.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from azure.durable_functions import EntityId

from passkeys import families, once
from passkeys.acts import BY_SERVICE, Act, ActOutcome, derived_act_id
from passkeys.alerts import alert
from passkeys.audit import shard_name
from passkeys.errors import AuditUnavailable
from passkeys.exchange import ENDING, GrantRefusal
from passkeys.family_rows import Family, Status
from passkeys.refresh_rules import Verdict
from passkeys.world import World
from starters.correlation import audited
from starters.recorded import entry_of

__all__ = ["alert", "record_end", "record_refusal", "record_session"]


async def record_session(
    world: World,
    client: Any,
    act: Act,
    *,
    facts: Sequence[str],
    person: str | None,
    by: str,
    client_id: str | None = None,
    session: str | None = None,
    credential_id: str | None = None,
    outcome: ActOutcome = ActOutcome.COMPLETED,
    code: str | None = None,
    reason: str | None = None,
    at: datetime | None = None,
    **told: Any,
) -> None:
    """Tell the audit of one act of the life of sessions: once for the same `facts`, which with `act` make its id.

    `facts` are such as a repetition of the request has again (the session and the generation), and nothing that is new each
    time. `session` is the `sid`; `by` a person, or who acts when nobody does (passkeys/acts.py); `reason` an operator's;
    `told` more members, JSON-native and no secret. Raises AuditUnavailable: answer 503, so that it is asked for again.
    """
    act_id = derived_act_id(act, *facts)
    entry = {
        **audited(world),
        **told,
        "v": 1,
        "act": act.value,
        "act_id": act_id,
        "by": by,
        "person": person,
        "client_id": client_id,
        "session": session,
        "credential_id": credential_id,
        "reason": reason,
        "outcome": outcome.value,
        "code": code,
        "at": (at or world.clock()).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    shard = EntityId("audit_log", shard_name(act_id, world.settings.audit_shards))
    try:
        await client.signal_entity(shard, "record", entry)
    except Exception as failure:  # the SDK raises no narrower class
        raise AuditUnavailable(f"{act} {act_id} could not be recorded: {failure!r}") from failure


# Why a family has ended, where no orchestration has ended it; of each, the act that the audit has.
REVOKED = "revoked"  # by the application's own word
_ENDS: Mapping[str, Act] = {
    REVOKED: Act.SESSION_REVOKED,
    **dict.fromkeys(ENDING, Act.SESSION_REVOKED),
    GrantRefusal.CODE_REUSED: Act.REFRESH_REUSED,
    Verdict.REUSED: Act.REFRESH_REUSED,
}


async def record_end(world: World, client: Any, family: Family) -> None:
    """Tell the audit, and of a copy whoever is on call, that a family has ended; nothing of one that another has ended.

    Whoever dies between the end and this leaves the row as it is, and `record_untold_end` tells it later. Raises AuditUnavailable.
    """
    if not is_untold_end(family):
        return
    reason = str(family.status_reason)
    if _ENDS[reason] is Act.REFRESH_REUSED:
        alert("refresh_reused", session=family.sid, client_id=family.client_id)
    await record_session(
        world,
        client,
        _ENDS[reason],
        facts=(family.sid,),
        person=family.person,
        by=f"client:{family.client_id}" if reason == REVOKED else BY_SERVICE,
        client_id=family.client_id,
        session=family.sid,
        credential_id=family.credential_id,
        code=None if reason == REVOKED else reason,
        at=family.status_at,
    )


def is_untold_end(family: Family) -> bool:
    """Whether it has ended in a way that is for `record_end` to tell, and the audit is not known to have that."""
    return family.status is Status.REVOKED and family.status_reason in _ENDS and not family.told


async def record_untold_end(world: World, client: Any, family: Family) -> None:
    """Make sure that the audit has the end of a family, some time after it, whatever died meanwhile."""
    act_id = derived_act_id(_ENDS[str(family.status_reason)], family.sid)
    if await entry_of(world, client, act_id, at=family.status_at or world.clock()) is None:
        await record_end(world, client, family)
    await families.mark_told(world, family)


async def record_refusal(
    world: World,
    client: Any,
    code: str,
    *,
    person: str,
    client_id: str,
    session: str,
    credential_id: str,
) -> None:
    """Tell the audit that a token of this session was refused, and for what: once an hour for each session and code.

    Only of what names a session that there is: garbage has none, and is for the log alone. Whoever knows a session's id (it
    stands in each access token) can thus fill neither the audit nor the store.
    """
    hour = world.clock().replace(minute=0, second=0, microsecond=0)
    if not await once.first_time(world.store, once.REFUSALS, whose=session, called=code, at=hour):
        return
    await record_session(
        world,
        client,
        Act.TOKENS_REFUSED,
        facts=(session, code, hour.isoformat()),
        person=person,
        by=BY_SERVICE,
        client_id=client_id,
        session=session,
        credential_id=credential_id,
        outcome=ActOutcome.REFUSED,
        code=code,
    )
