"""The end of somebody's access: what is recorded of it, and what is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from entities.audit_log import audit_log
from passkeys.acts import BY_DIRECTORY
from passkeys.audit import shard_name
from tests.entities.driver import DrivenEntity
from tests.orchestrators.episodes import Execution
from tests.orchestrators.leavers import CAUSE, LEAVERS


def entries(run: Execution) -> list[dict[str, Any]]:
    """What was recorded, in order of time."""
    for entity, operation, entry in run.signals():
        assert (entity, operation) == (f"@audit_log@{shard_name(entry['act_id'], 4)}", "record")
    return sorted((entry for _, _, entry in run.signals()), key=lambda entry: entry["at"])


def test_sessions_end_and_then_passkeys_and_each_is_recorded() -> None:
    """One entry a session and a passkey, and one for the whole, with when it was seen and when it was over."""
    run = LEAVERS["completed"]()
    assert run.output == {
        "v": 1,
        "outcome": "completed",
        "code": None,
        "sessions": 1,
        "credentials": 1,
        "at": "2026-01-01T12:00:03.000Z",
    }
    recorded = {entry["act"]: entry for entry in entries(run)}
    assert set(recorded) == {"session_revoked", "disable", "access_ended"}
    assert {
        (entry["person"], entry["by"], entry["reason"], entry["cause"]) for entry in recorded.values()
    } == {("ada", BY_DIRECTORY, "person_disabled", CAUSE)}
    assert recorded["session_revoked"]["client_id"] == "sample"
    assert recorded["session_revoked"]["at"] < recorded["disable"]["at"]
    assert recorded["disable"]["credential_id"] == "Y3JlZA"
    whole = recorded["access_ended"]
    assert (whole["seen_at"], whole["at"]) == ("2026-01-01T11:59:59.000Z", "2026-01-01T12:00:03.000Z")
    assert (whole["sessions"], whole["credentials"]) == (1, 1)


@pytest.mark.parametrize(
    ("name", "outcome", "code", "acts"),
    [
        ("removed_meanwhile", "completed", None, {"session_revoked", "access_ended"}),
        ("sessions_alone", "completed", None, {"session_revoked", "access_ended"}),
        ("nothing_left", None, None, set()),
        ("may_come_in", None, None, set()),
        ("doubtful", "refused", "directory_answers_doubtful", {"access_ended"}),
        ("failed", "failed", "dependency_failed", {"session_revoked", "access_ended"}),
    ],
)
def test_only_what_was_done_is_recorded(
    name: str, outcome: str | None, code: str | None, acts: set[str]
) -> None:
    """Who may come in after all, or has nothing left, leaves no trace; a directory that is doubted leaves one."""
    run = LEAVERS[name]()
    assert (run.output["outcome"], run.output["code"]) == (outcome, code)
    assert {entry["act"] for entry in entries(run)} == acts
    assert [entry["code"] for entry in entries(run) if entry["act"] == "access_ended"] == [code] * bool(acts)


def test_run_again_it_is_the_same_acts() -> None:
    """An episode that is run again has the same ids; the whole after a failure is another act than the failure."""
    log = DrivenEntity(audit_log, "00")
    for run in (LEAVERS["completed"](), LEAVERS["completed"](), LEAVERS["failed"]()):
        for entry in entries(run):
            log.ask("record", entry)
    assert log.kept["seq"] == 3
