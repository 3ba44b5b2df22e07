"""Acts, through the real SDK and the extension's walk: one change, one entry, whatever happens."""

from __future__ import annotations

import pytest

from entities.audit_log import audit_log
from passkeys.acts import ActOutcome
from tests.entities.driver import DrivenEntity
from tests.orchestrators.acts import ACTS, CHANGED, ENDED, OF_RECOVERY, begun, changed
from tests.orchestrators.episodes import Execution


@pytest.fixture(params=sorted(ACTS))
def act(request: pytest.FixtureRequest) -> tuple[Execution, str, str | None]:
    script, *expected = ACTS[request.param]
    return (script(), *expected)


def test_each_act_ends_in_its_outcome(act: tuple[Execution, str, str | None]) -> None:
    """The output says what became of it, exactly; of what could not be told, nothing is left waiting."""
    run, outcome, reason = act
    assert (run.output["outcome"], run.output["reason"]) == (outcome, reason)
    assert run.output["retry_after_seconds"] == (7 if reason == "rate_limited" else None)
    assert run.output["act"] == run.request["act"]
    assert run.outcome.warnings == ()


def test_each_act_is_recorded_exactly_once(act: tuple[Execution, str, str | None]) -> None:
    """One entry: by whom, on whose credential, why it was done, and what became of it; and an audit log takes it."""
    run, outcome, reason = act
    ((entity, operation, entry),) = run.signals()
    assert (entity, operation) == ("@audit_log@02", "record")
    of_recovery = run.name == "issue_recovery_ticket"
    of_session = run.name == "administer_session"
    sessions = entry.pop("sessions", None)
    assert entry == {
        **({"recovery": run.request["recovery"]} if of_recovery else {}),
        **({"session": run.request["session"]} if of_session else {}),
        **run.request["audit"],
        "v": 1,
        "act_id": run.request["act_id"],
        "act": run.request["act"],
        "by": run.request["by"],
        "person": "ada",
        "credential_id": None if of_recovery or of_session else "Y3JlZA",
        "reason": run.request["reason"],
        "outcome": outcome,
        "code": reason,
        "at": run.output["at"],
    }
    assert DrivenEntity(audit_log, "02").run(("record", entry), ("record", entry)) == [{"seq": 0}] * 2
    assert sessions == (ENDED["sessions"] if _ended_sessions(run) else None)


def _ended_sessions(run: Execution) -> bool:
    return any(ENDED["sessions"][0] in str(event.get("Result")) for event in run.events)


def test_nothing_is_changed_without_admission() -> None:
    """A limiter that refuses or fails stands before the change, not beside it."""
    for name in ("refused_limit", "failed_limiter"):
        run = ACTS[name][0]()
        assert "change_credential" not in run.calls()


def test_the_change_is_asked_for_whole_and_the_name_is_not_recorded() -> None:
    """The activity gets all that it needs; what a person calls their passkey is theirs, not the audit's."""
    run = changed(begun("rename", name="blue key"), CHANGED)
    assert run.calls() == [f"@rate_limiter@acts|{'1' * 32}", "change_credential", "@audit_log@02"]
    assert "blue key" not in str(run.signals())


def test_the_ticket_of_a_recovery_passes_as_its_digest() -> None:
    """The activity learns which recovery, whose act, and the digest; the audit gets no digest."""
    run = ACTS["recovery_ticket_issued"][0]()
    assert run.calls() == [f"@rate_limiter@acts|{'1' * 32}", "redeem_recovery", "@audit_log@02"]
    assert OF_RECOVERY["ticket"] not in str(run.signals())


def test_every_outcome_has_a_scenario() -> None:
    """The table covers all outcomes of an act."""
    assert {outcome for _, outcome, _ in ACTS.values()} == set(ActOutcome)
