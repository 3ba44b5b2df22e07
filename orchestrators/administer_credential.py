"""An act: one administrative change of one credential, made once and recorded once.

Input: {"v", "act_id", "act": rename | remove | disable | enable, "credential_id", "person" (whose it is | null where an
operator acts), "by", "reason" | null, "name" | null, "last" (the person has said that the last one may go), "limits",
"audit_shard"}.
Output: {"v", "act", "outcome", "reason", "retry_after_seconds", "at"}; `reason` is why the act was refused or failed.

As every orchestrator it runs again from the top: no I/O, no chance, no clock but `current_utc_datetime`.
"""

from azure.durable_functions import DurableOrchestrationContext, EntityId

from orchestrators.steps import DependencyError, Json, Step, all_of, instant, take_from_limits
from passkeys.acts import ActOutcome

# What the activity needs to know; all of it but the limits, and who records where.
_CHANGE = ("act_id", "act", "credential_id", "person", "by", "reason", "name", "last")


def administer_credential(context: DurableOrchestrationContext) -> Step:
    """Ask the limiter, make the change, record it; returns the output. Whatever the outcome, one entry in the audit."""
    request: Json = context.get_input()
    try:
        ended = yield from _steps(context, request)
    except DependencyError:
        ended = {"outcome": ActOutcome.FAILED.value, "reason": "dependency_failed"}
    at = instant(context.current_utc_datetime)
    context.signal_entity(
        EntityId("audit_log", request["audit_shard"]),
        "record",
        {
            "v": 1,
            **{name: request[name] for name in ("act_id", "act", "by", "credential_id", "reason")},
            "person": ended.get("person", request["person"]),
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


def _steps(context: DurableOrchestrationContext, request: Json) -> Step:
    """The outcome and why, with whose credential it is where that was found out."""
    admissions = yield from all_of(context, take_from_limits(context, request["limits"]))
    if not all(admission["admitted"] for admission in admissions):
        wait = max(admission["retry_after_seconds"] for admission in admissions)
        return {"outcome": ActOutcome.REFUSED.value, "reason": "rate_limited", "retry_after_seconds": wait}
    asked = {name: request[name] for name in _CHANGE}
    (change,) = yield from all_of(context, [context.call_activity("change_credential", asked)])
    outcome = ActOutcome.COMPLETED if change["changed"] else ActOutcome.REFUSED
    return {"outcome": outcome.value, "reason": change["reason"], "person": change["person"]}
