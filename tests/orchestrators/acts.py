"""Every way in which an act can go, as scripts over `Execution`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.orchestrators.episodes import Execution
from tests.orchestrators.scenarios import NO, YES

LIMIT = {"policy": "acts", "key": "1" * 32, "capacity": 30, "refill_seconds": 600}
CHANGED = {"changed": True, "person": "ada", "reason": None}
UNKNOWN = {"changed": False, "person": "ada", "reason": "credential_unknown"}
LAST = {"changed": False, "person": "ada", "reason": "last_credential"}


def act_request(act: str, **said: Any) -> dict[str, Any]:
    return {
        "v": 1,
        "act_id": f"act-{'0' * 31}1",
        "act": act,
        "credential_id": "Y3JlZA",
        "person": "ada",
        "by": "ada",
        "reason": None,
        "name": None,
        "last": False,
        "limits": [LIMIT],
        "audit_shard": "02",
        "audit": {"policy_version": "0123456789abcdef", "correlation_id": "call-7", "trace_id": "4b" * 16},
        **said,
    }


def begun(act: str, **said: Any) -> Execution:
    return Execution("administer_credential", act_request(act, **said))


def admitted(run: Execution, answer: dict[str, Any] = YES) -> Execution:
    run.later(milliseconds=20)
    run.deliver(run.answered(f"@rate_limiter@acts|{LIMIT['key']}", answer))
    return run


def changed(run: Execution, result: dict[str, Any]) -> Execution:
    admitted(run)
    run.later(milliseconds=20)
    run.deliver(run.done("change_credential", result))
    return run


def change_failed() -> Execution:
    run = admitted(begun("remove"))
    run.deliver(run.failed("change_credential"))
    return run


def limiter_failed() -> Execution:
    run = begun("remove")
    run.deliver(run.answered(f"@rate_limiter@acts|{LIMIT['key']}", "broken", error=True))
    return run


ISSUED = "recovery_ticket_issued"
OF_RECOVERY = {
    "credential_id": None,
    "by": "grace",
    "recovery": f"recovery-{'0' * 31}8",
    "ticket": "b" * 64,
    "expires_at": "2026-01-01T12:15:00+00:00",
}


def ticket_of_recovery(result: dict[str, Any] | None) -> Callable[[], Execution]:
    """The ticket of a recovery; None: the store fails for longer than is retried."""

    def script() -> Execution:
        run = admitted(Execution("issue_recovery_ticket", act_request(ISSUED, **OF_RECOVERY)))
        run.later(milliseconds=20)
        done = run.failed("redeem_recovery") if result is None else run.done("redeem_recovery", result)
        run.deliver(done)
        return run

    return script


OF_SESSION = {"credential_id": None, "session": "c2Vzc2lvbi1vZi1hZGFzLg"}
ENDED = {**CHANGED, "sessions": ["c2Vzc2lvbi1vZi1hZGFzLg"]}


def session_changed(act: str, result: dict[str, Any], **said: Any) -> Callable[[], Execution]:
    """The end of one session with an application, or of all."""

    def script() -> Execution:
        run = admitted(Execution("administer_session", act_request(act, **{**OF_SESSION, **said})))
        run.later(milliseconds=20)
        run.deliver(run.done("change_session", result))
        return run

    return script


SHOWN = {"changed": False, "person": "ada", "reason": "ticket_shown"}
BY_OPERATOR = {"person": None, "by": "grace", "reason": "reported lost"}

# name: (script, outcome, exact reason)
ACTS: dict[str, tuple[Callable[[], Execution], str, str | None]] = {
    "renamed": (lambda: changed(begun("rename", name="blue key"), CHANGED), "completed", None),
    "removed": (lambda: changed(begun("remove"), CHANGED), "completed", None),
    "disabled": (lambda: changed(begun("disable", **BY_OPERATOR), CHANGED), "completed", None),
    "enabled": (lambda: changed(begun("enable", **BY_OPERATOR), CHANGED), "completed", None),
    "refused_last": (lambda: changed(begun("remove"), LAST), "refused", "last_credential"),
    "refused_unknown": (lambda: changed(begun("rename"), UNKNOWN), "refused", "credential_unknown"),
    "refused_limit": (lambda: admitted(begun("remove"), NO), "refused", "rate_limited"),
    "failed_change": (change_failed, "failed", "dependency_failed"),
    "recovery_ticket_issued": (ticket_of_recovery(CHANGED), "completed", None),
    "recovery_ticket_shown": (ticket_of_recovery(SHOWN), "refused", "ticket_shown"),
    "recovery_ticket_failed": (ticket_of_recovery(None), "failed", "dependency_failed"),
    "session_ended": (session_changed("session_revoked", ENDED), "completed", None),
    "session_unknown": (
        session_changed("session_revoked", {**UNKNOWN, "reason": "session_unknown"}),
        "refused",
        "session_unknown",
    ),
    "signed_out": (session_changed("signed_out_everywhere", ENDED, session=None), "completed", None),
    "disabled_with_sessions": (lambda: changed(begun("disable", **BY_OPERATOR), ENDED), "completed", None),
    "failed_limiter": (limiter_failed, "failed", "dependency_failed"),
}
