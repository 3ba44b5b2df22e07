"""The end of somebody's access: the directory says that they may not come in any more, so they lose what they have here.

Started when a sign-in, a redemption or a refresh that proved itself was refused for that; never by anybody's mere asking.
Durable, so that whoever was refused and is gone does not decide whether it comes to its end: sessions first, then passkeys.
"""

from datetime import datetime
from typing import Any

from azure.durable_functions import DurableOrchestrationContext, EntityId

from orchestrators.steps import DependencyError, Json, Step, all_of, instant
from passkeys.acts import BY_DIRECTORY, Act, ActOutcome, derived_act_id
from passkeys.audit import shard_name

DOUBTFUL = "directory_answers_doubtful"


def end_access(context: DurableOrchestrationContext) -> Step:
    """Run it. Input: {"v": 1, "person", "cause": the ceremony or the session where it showed, "seen_at", "audit_shards"}.

    Returns {"v": 1, "outcome", "code", "sessions", "credentials": how many, "at"}. `outcome` null: there was nothing to do. One
    entry in the audit for each session and passkey, and one for the whole.
    """
    request: Json = context.get_input()
    run = _Run(context, request)
    try:
        yield from _steps(run)
    except DependencyError:
        run.outcome, run.code = ActOutcome.FAILED, "dependency_failed"
    counts = {"sessions": run.sessions, "credentials": run.credentials}
    if run.outcome is not None:
        run.record(Act.ACCESS_ENDED, run.outcome.value, seen_at=request["seen_at"], **counts)
    return {"v": 1, "outcome": run.outcome, "code": run.code, **counts, "at": run.at}


class _Run:
    """How far it has come, and what it tells the audit."""

    def __init__(self, context: DurableOrchestrationContext, request: Json) -> None:
        self.context = context
        self.request = request
        self.outcome: ActOutcome | None = None
        self.code: str | None = None  # why it was not done
        self.reason: str | None = None  # why it was
        self.sessions = self.credentials = 0

    @property
    def at(self) -> str:
        """Now."""
        now: datetime = self.context.current_utc_datetime
        return instant(now)

    def act_id(self, act: Act, what: str) -> str:
        """The id of one act of this run: the same when it is run again from the top."""
        told = (self.request[name] for name in ("cause", "person", "seen_at"))
        return derived_act_id(act, *told, what)

    def record(self, act: Act, what: str, **told: Any) -> None:
        """One entry."""
        act_id = self.act_id(act, what)
        entry = {
            **self.request.get("audit", {}),
            "v": 1,
            "act": act.value,
            "act_id": act_id,
            "by": BY_DIRECTORY,
            "person": self.request["person"],
            "client_id": None,
            "session": None,
            "credential_id": None,
            "reason": self.reason,
            "outcome": (self.outcome or ActOutcome.COMPLETED).value,
            "code": self.code,
            "cause": self.request["cause"],
            "at": self.at,
            **told,
        }
        shard = shard_name(act_id, self.request["audit_shards"])
        self.context.signal_entity(EntityId("audit_log", shard), "record", entry)


def _steps(run: _Run) -> Step:
    call, person = run.context.call_activity, run.request["person"]
    (found,) = yield from all_of(run.context, [call("find_leaver", {"person": person})])
    if found["leaving"] is None or not (found["sessions"] or found["credentials"]):
        return
    reason = run.reason = found["leaving"]
    if found["doubtful"]:
        run.outcome, run.code = ActOutcome.REFUSED, DOUBTFUL
        return
    yield from all_of(run.context, [call("end_sessions", {"person": person, "reason": reason})])
    run.sessions = len(found["sessions"])
    for session in found["sessions"]:
        run.record(Act.SESSION_REVOKED, session["session"], **session)
    asked = [call("change_credential", _disabling(run, reason, each)) for each in found["credentials"]]
    changes = (yield from all_of(run.context, asked)) if asked else []
    for credential_id, change in zip(found["credentials"], changes, strict=True):
        if change["changed"]:
            run.credentials += 1
            run.record(Act.DISABLE, credential_id, credential_id=credential_id)
    run.outcome = ActOutcome.COMPLETED


def _disabling(run: _Run, reason: str, credential_id: str) -> Json:
    return {
        "act_id": run.act_id(Act.DISABLE, credential_id),
        "act": Act.DISABLE.value,
        "credential_id": credential_id,
        "person": None,
        "by": BY_DIRECTORY,
        "reason": reason,
        "name": None,
        "last": False,
    }
