"""The one shape of every act: admission, one activity that does it, one entry in the audit.

Input: {"v", "act_id", "act", "credential_id" | null, "person" (whose it is | null where an operator acts), "by", "reason" | null,
"limits", "audit_shard"}, and what the activity needs besides.
Output: {"v", "act", "outcome", "reason", "retry_after_seconds", "at"}; `reason` is why the act was refused or failed.

As every orchestrator it runs again from the top: no I/O, no chance, no clock but `current_utc_datetime`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from azure.durable_functions import DurableOrchestrationContext, EntityId

from orchestrators.steps import DependencyError, Json, Step, all_of, instant, take_from_limits
from passkeys.acts import ActOutcome

_RECORDED = ("act_id", "act", "by", "credential_id", "reason")


@dataclass(frozen=True, slots=True)
class Doing:
    """What differs between acts: the activity that does it, what of the input it is given, what more is recorded of that.

    The activity's result: {"changed": bool, "person": whose it is | null, "reason": why it was refused | null}, and "sessions",
    the ids of those that were ended by it, if there were such.
    """

    activity: str
    given: Sequence[str]
    recorded: Sequence[str] = ()


def act(context: DurableOrchestrationContext, doing: Doing) -> Step:
    """Ask the limiter, do it, record it; returns the output. Whatever the outcome, one entry in the audit."""
    request: Json = context.get_input()
    try:
        ended = yield from _steps(context, request, doing)
    except DependencyError:
        ended = {"outcome": ActOutcome.FAILED.value, "reason": "dependency_failed"}
    at = instant(context.current_utc_datetime)
    context.signal_entity(
        EntityId("audit_log", request["audit_shard"]),
        "record",
        {
            **request.get("audit", {}),
            "v": 1,
            **{name: request[name] for name in (*_RECORDED, *doing.recorded)},
            "person": ended.get("person", request["person"]),
            **({"sessions": ended["sessions"]} if ended.get("sessions") else {}),
            "outcome": ended["outcome"],
            "code": ended["reason"],  # `reason` is the one that was given for the act
            "at": at,
        },
    )
    return {
        "v": 1,
        "act": request["act"],
        "outcome": ended["outcome"],
        "reason": ended["reason"],
        "retry_after_seconds": ended.get("retry_after_seconds"),
        "at": at,
    }


def _steps(context: DurableOrchestrationContext, request: Json, doing: Doing) -> Step:
    """The outcome and why, with whose credential it is where that was found out."""
    admissions = yield from all_of(context, take_from_limits(context, request["limits"]))
    if not all(admission["admitted"] for admission in admissions):
        wait = max(admission["retry_after_seconds"] for admission in admissions)
        return {"outcome": ActOutcome.REFUSED.value, "reason": "rate_limited", "retry_after_seconds": wait}
    asked = {name: request[name] for name in doing.given}
    (change,) = yield from all_of(context, [context.call_activity(doing.activity, asked)])
    outcome = ActOutcome.COMPLETED if change["changed"] else ActOutcome.REFUSED
    told = {"sessions": change["sessions"]} if "sessions" in change else {}
    return {"outcome": outcome.value, "reason": change["reason"], "person": change["person"], **told}
