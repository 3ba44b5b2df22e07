"""Every outcome of a ceremony, through the real SDK and the extension's walk."""

from __future__ import annotations

import pytest

from local_host import history
from passkeys.ceremony import Outcome
from tests.orchestrators.episodes import Execution
from tests.orchestrators.scenarios import DETAILS, OPERATOR, PERSON, RECOVERY, SCENARIOS, admit, answer, start


@pytest.fixture(params=sorted(SCENARIOS))
def scenario(request: pytest.FixtureRequest) -> tuple[Execution, str, str | None, str]:
    script, *expected = SCENARIOS[request.param]
    return (script(), *expected)


def test_each_scenario_ends_in_its_outcome(scenario: tuple[Execution, str, str | None, str]) -> None:
    """The output tells the outcome and its exact reason, and the custom status the outcome."""
    run, outcome, reason, _ = scenario
    assert (run.output["outcome"], run.output["reason"]) == (outcome, reason)
    assert run.custom_status == {"v": 1, "stage": outcome}
    assert run.output["v"] == 1
    assert run.output["kind"] == run.request["kind"]


def test_only_a_completed_ceremony_names_a_person(scenario: tuple[Execution, str, str | None, str]) -> None:
    """Person and credential are in the output of a completed ceremony, and of no other."""
    run, outcome, _, _ = scenario
    told = (run.output["person"], run.output["credential_id"])
    if outcome == "completed":
        who = {"id": PERSON, "display_name": "Ada Lovelace"}
        confirmed = {"id": OPERATOR, "display_name": "Katherine Johnson"}
        assert told == (confirmed if run.request["kind"] == "recovery" else who, "Y3JlZA")
    else:
        assert told == (None, None)


def test_each_outcome_is_recorded_exactly_once(scenario: tuple[Execution, str, str | None, str]) -> None:
    """One signal to the audit log's shard, with the outcome, the reason, every stage and the times of both ends."""
    run, outcome, reason, last_stage = scenario
    ((entity, operation, entry),) = [signal for signal in run.signals() if signal[1] != "give_back"]
    assert (entity, operation) == ("@audit_log@02", "record")
    assert (entry["outcome"], entry["reason"], entry["ceremony_id"]) == (outcome, reason, run.instance_id)
    assert entry["stages"][0][0] == "admitting"
    assert [stage for stage, _ in entry["stages"]][-2:] == [last_stage, outcome]
    assert entry["started_at"] == entry["stages"][0][1] == "2026-01-01T12:00:00.000Z"
    assert entry["at"] == entry["stages"][-1][1] == run.output["at"]
    assert {name: entry[name] for name in run.request["audit"]} == run.request["audit"]


@pytest.mark.parametrize("refusing", ["network", "person", "global"])
def test_a_refused_start_uses_up_nobody_elses_limit(refusing: str) -> None:
    """What the other limits gave beside a refusal is given back to each of them, and to none that refused."""
    run = admit(start("registration"), refuse=refusing)
    given_back = {entity for entity, operation, _ in run.signals() if operation == "give_back"}
    limiters = {f"@rate_limiter@{limit['policy']}|{limit['key']}" for limit in run.request["limits"]}
    assert given_back == {name for name in limiters if f"@{refusing}|" not in name}
    assert len(limiters) == 3


def test_no_timer_outlives_its_ceremony(scenario: tuple[Execution, str, str | None, str]) -> None:
    """Nothing is left open: every ceremony completes in the episode that decides its outcome, not at its deadline."""
    run, _, _, _ = scenario
    assert run.outcome.status == "Completed"
    assert run.outcome.warnings == ()


def test_every_outcome_has_a_scenario() -> None:
    """The table above covers all outcomes that a ceremony can have."""
    assert {outcome for _, outcome, _, _ in SCENARIOS.values()} == set(Outcome)


def test_the_wait_says_what_to_answer_and_until_when() -> None:
    """Options appear in the custom status when admission said yes, with the deadline, and go with the answer."""
    run = admit(start("authentication"))
    assert run.custom_status == {
        "v": 1,
        "stage": "awaiting_authenticator",
        "publicKey": {"challenge": "x" * 43, "rpId": "localhost"},
        "expiresAt": "2026-01-01T12:05:00.000Z",
    }
    assert answer(run).custom_status == {"v": 1, "stage": "verifying"}


def test_no_options_are_published_without_admission() -> None:
    """A refused start never shows its challenge, though it was issued beside the limiter."""
    run = admit(start("registration"), refuse="person")
    assert run.output["retry_after_seconds"] == 7
    assert "publicKey" not in run.custom_status


def test_a_sign_in_is_four_episodes_and_short() -> None:
    """When what runs side by side also arrives together: four episodes, two rounds of activities, few events."""
    run = SCENARIOS["authentication_completed"][0]()
    assert run.episodes == 4
    assert len(run.events) <= 24
    calls = run.calls()
    assert calls == [
        "@rate_limiter@network|203.0.113.0-24",
        "@rate_limiter@global|3",
        "issue_authentication_challenge",
        "verify_authentication",
        "resolve_claims",
        "@audit_log@02",
    ]
    kinds = [event["EventType"] for event in run.events]
    assert kinds.count(history.TIMER_CREATED) == 1


def test_a_recovery_says_who_confirmed_what(scenario: tuple[Execution, str, str | None, str]) -> None:
    """The audit entry of a recovery, however it ended, has its details; its person is whoever gave a genuine answer."""
    run, outcome, _, _ = scenario
    (entry,) = [entry for _, operation, entry in run.signals() if operation == "record"]
    if run.request["kind"] == "recovery":
        assert entry["details"] == DETAILS
        answered = outcome in {"completed", "refused"} or entry["stages"][-2][0] == "recording"
        assert entry["person"] == (OPERATOR if answered else None)


def test_a_registration_by_recovery_names_it() -> None:
    """Whoever reads of the new passkey finds the recovery that allowed it."""
    run = SCENARIOS["registration_by_recovery"][0]()
    ((_, _, entry),) = run.signals()
    assert (entry["recovery"], entry["person"]) == (RECOVERY, PERSON)


def test_a_recovery_shows_what_it_is_for_while_it_waits() -> None:
    """Whoever is to confirm sees the details that the challenge commits to, and until when."""
    run = admit(start("recovery"))
    assert run.custom_status["details"] == DETAILS
    assert run.custom_status["expiresAt"] == "2026-01-01T12:15:00.000Z"
