"""Ends of access as scripts: what the task hub delivers, episode by episode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.orchestrators.episodes import Execution

CAUSE = "authentication-" + "1" * 32
REQUEST: dict[str, Any] = {
    "v": 1,
    "person": "ada",
    "cause": CAUSE,
    "seen_at": "2026-01-01T11:59:59.000Z",
    "audit_shards": 4,
}
SESSION = {"session": "c2Vzc2lvbi1vZi1hZGFzLg", "client_id": "sample", "credential_id": "Y3JlZA"}
NOTHING: dict[str, Any] = {"leaving": None, "doubtful": False, "sessions": [], "credentials": []}
FOUND = {**NOTHING, "leaving": "person_disabled", "sessions": [SESSION], "credentials": ["Y3JlZA"]}
CHANGED = {"changed": True, "person": "ada", "reason": None}


def found(result: dict[str, Any]) -> Execution:
    run = Execution("end_access", REQUEST)
    run.later(seconds=1)
    run.deliver(run.done("find_leaver", result))
    return run


def sessions_ended(result: dict[str, Any] = FOUND) -> Execution:
    run = found(result)
    run.later(seconds=1)
    run.deliver(run.done("end_sessions", {"ended": len(result["sessions"])}))
    return run


def completed() -> Execution:
    run = sessions_ended()
    run.later(seconds=1)
    run.deliver(run.done("change_credential", CHANGED))
    return run


def removed_meanwhile() -> Execution:
    run = sessions_ended()
    run.deliver(
        run.done("change_credential", {"changed": False, "person": None, "reason": "credential_unknown"})
    )
    return run


def failed() -> Execution:
    run = sessions_ended()
    run.deliver(run.failed("change_credential"))
    return run


LEAVERS: dict[str, Callable[[], Execution]] = {
    "completed": completed,
    "removed_meanwhile": removed_meanwhile,
    "sessions_alone": lambda: sessions_ended({**FOUND, "credentials": []}),
    "nothing_left": lambda: found({**FOUND, "sessions": [], "credentials": []}),
    "may_come_in": lambda: found(NOTHING),
    "doubtful": lambda: found({**FOUND, "leaving": "person_unknown", "doubtful": True}),
    "failed": failed,
}
