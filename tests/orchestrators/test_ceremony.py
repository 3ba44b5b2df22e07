"""The ceremony driven by hand: what is asked of whom, with what, and side by side with what."""

from __future__ import annotations

import inspect
import json
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest
from azure.durable_functions import DurableOrchestrationContext

from orchestrators import ceremony as ceremony_module
from orchestrators.authenticate_passkey import authenticate_passkey
from orchestrators.ceremony import _Progress
from orchestrators.recover_account import recover_account
from orchestrators.register_passkey import register_passkey
from passkeys.audit import canonical
from passkeys.ceremony import TRANSITIONS, Event, Stage
from passkeys.errors import IllegalMove
from tests.orchestrators.context import START, RecordingContext, Task
from tests.orchestrators.scenarios import (
    ANSWER,
    CLAIMS,
    CONFIRMED,
    CREDENTIAL,
    DETAILS,
    OPERATORS_CLAIMS,
    OPTIONS,
    PERSON,
    REGISTERED,
    SIGNED_IN,
    YES,
    request,
)

Run = Generator[Any, Any, Any]


FUNCTIONS: dict[str, Any] = {
    "registration": register_passkey,
    "authentication": authenticate_passkey,
    "recovery": recover_account,
}


def begin(kind: str, **said: Any) -> tuple[RecordingContext, Run, Task]:
    context = RecordingContext(request(kind, **said))
    run = FUNCTIONS[kind](context)
    return context, run, next(run)


def admit(run: Run, first: Task) -> Task:
    task = run.send([YES] * (len(first.children) - 1) + [{"publicKey": OPTIONS}])
    assert isinstance(task, Task)
    return task


def test_the_recording_context_is_spelt_as_the_real_one() -> None:
    """Every method and parameter of the stand-in exists in the SDK's context, so that a misspelt call cannot pass."""
    for name, method in inspect.getmembers(RecordingContext, inspect.isfunction):
        if name.startswith("_"):
            continue
        real = inspect.signature(getattr(DurableOrchestrationContext, name)).parameters
        assert (
            list(inspect.signature(method).parameters)
            == list(real)[: len(inspect.signature(method).parameters)]
        )


def test_admission_and_challenge_start_together() -> None:
    """One compound: a take from each limiter, and the challenge; a registration's knows the person."""
    _, _, first = begin("registration")
    assert first.kind == "all"
    assert [(task.kind, task.name) for task in first.children] == [
        ("entity", f"rate_limiter/person|{'0' * 32}/take"),
        ("entity", "rate_limiter/network|203.0.113.0-24/take"),
        ("entity", "rate_limiter/global|3/take"),
        ("activity", "issue_registration_challenge"),
    ]
    at_ms = int(START.timestamp() * 1000)
    assert first.children[0].input == {"capacity": 10, "refill_seconds": 600, "at_ms": at_ms}
    ceremony_id = request("registration")["ceremony_id"]
    assert first.children[-1].input == {
        "ceremony_id": ceremony_id,
        "person": PERSON,
        "mediation": "modal",
        "deadline_seconds": 300,
    }


def test_an_authentication_challenge_names_nobody() -> None:
    """Sign-in is username-less: its challenge is for whoever holds a credential."""
    _, _, first = begin("authentication")
    assert "person" not in first.children[-1].input


def test_the_wait_is_for_three_things_each_once() -> None:
    """The answer, the cancellation, and a timer at the start plus the deadline."""
    _, run, first = begin("authentication")
    wait = admit(run, first)
    assert wait.kind == "any"
    assert [task.name for task in wait.children[:2]] == ["authenticator_response", "cancel"]
    assert wait.children[2].input == START + timedelta(seconds=300)


@pytest.mark.parametrize("data", [ANSWER, json.dumps(ANSWER)], ids=["object", "text"])
def test_an_answer_is_read_as_text_or_object(data: object) -> None:
    """The SDK's client delivers JSON text, the extension's HTTP API the object: verification gets the same."""
    _, run, first = begin("authentication")
    wait = admit(run, first)
    answer, _, deadline = wait.children
    answer.result = data
    judging = run.send(answer)
    assert deadline.cancelled
    verify, claims = judging.children
    ceremony_id = request("authentication")["ceremony_id"]
    assert verify.input == {
        "ceremony_id": ceremony_id,
        "mediation": "modal",
        "publicKey": OPTIONS,
        "response": ANSWER,
    }
    assert claims.input == {"person": None, "credential_id": ANSWER["id"]}


@pytest.mark.parametrize("data", ["not json", "[1]", None, 7, ["x"]], ids=repr)
def test_an_event_that_is_no_object_is_judged_all_the_same(data: object) -> None:
    """Whoever may raise events can raise junk: it burns the challenge and is for verification to reject."""
    _, run, first = begin("authentication")
    wait = admit(run, first)
    wait.children[0].result = data
    verify, claims = run.send(wait.children[0]).children
    assert verify.input["response"] == {}
    assert claims.input == {"person": None, "credential_id": None}


def test_a_timer_that_won_is_not_cancelled() -> None:
    """Cancelling what has fired is an error in the SDK."""
    _, run, first = begin("authentication")
    deadline = admit(run, first).children[2]
    with pytest.raises(StopIteration) as stopped:
        run.send(deadline)
    assert not deadline.cancelled
    assert stopped.value.value["outcome"] == "expired"


def test_a_credential_is_recorded_only_after_both_verdicts() -> None:
    """A registration stores nothing before the claims say yes, and then exactly what was verified, with its ticket."""
    _, run, first = begin("registration")
    wait = admit(run, first)
    wait.children[0].result = ANSWER
    judging = run.send(wait.children[0])
    assert [task.name for task in judging.children] == ["verify_registration", "resolve_claims"]
    assert judging.children[1].input == {"person": PERSON, "credential_id": None}
    recording = run.send([REGISTERED, CLAIMS])
    (record,) = recording.children
    assert record.input == {
        "ceremony_id": request("registration")["ceremony_id"],
        "person": PERSON,
        "mediation": "modal",
        "ticket": "a" * 64,
        "credential": CREDENTIAL,
    }


def test_a_recovery_records_the_answer_itself() -> None:
    """Its challenge is for the details; the record gets the signed answer, who gave it, and what it was for."""
    context, run, first = begin("recovery")
    assert [task.name for task in first.children] == [
        f"rate_limiter/recovery-by|{'1' * 32}/take",
        f"rate_limiter/recovery-of|{'0' * 32}/take",
        "rate_limiter/network|203.0.113.0-24/take",
        "rate_limiter/global|3/take",
        "issue_recovery_challenge",
    ]
    ceremony_id = request("recovery")["ceremony_id"]
    assert first.children[-1].input == {
        "ceremony_id": ceremony_id,
        "details": DETAILS,
        "deadline_seconds": 900,
    }
    output, (judging, recording) = finish(
        run, first, [{**CONFIRMED, "step_up": True}, OPERATORS_CLAIMS], [{"recorded": True}]
    )
    verify, claims = judging.children
    assert (verify.name, verify.input["details"]) == ("verify_authentication", DETAILS)
    # Whose answer it is, nobody knows before: the person to be recovered is not the one who is asked about.
    assert claims.input == {"person": None, "credential_id": ANSWER["id"]}
    (record,) = recording.children
    assert (record.name, record.input) == (
        "record_recovery",
        {
            "ceremony_id": ceremony_id,
            "details": DETAILS,
            "response": ANSWER,
            "confirmed_by": "katherine",
            "credential_id": "Y3JlZA",
            "step_up": True,
        },
    )
    assert (output["outcome"], output["person"]["id"]) == ("completed", "katherine")
    ((_, _, entry),) = context.signals
    assert (entry["person"], entry["details"]) == ("katherine", DETAILS)


def finish(run: Run, first: Task, *results: Any) -> tuple[dict[str, Any], list[Task]]:
    """Answer, and give each round of activities its results: the output, and the rounds."""
    wait = admit(run, first)
    wait.children[0].result = ANSWER
    rounds = [run.send(wait.children[0])]
    rounds += [run.send(result) for result in results[:-1]]
    with pytest.raises(StopIteration) as stopped:
        run.send(results[-1])
    return stopped.value.value, rounds


SAID = {
    "username": "ada@example.com",
    "mediation": "conditional",
    "details": {"reason": "lost the phone", "person": "grace"},
    "session": "authentication-" + "9" * 32,
    "session_credential": "b2xk",
    "ticket": None,
    "token": "d" * 64,
    "identity": {"issuer": "https://op.example.com", "tenant": None, "subject": "1", "client": "portal"},
    "wishes": {"attestation": "direct"},
}


def test_what_the_start_said_reaches_the_activities_that_need_it() -> None:
    """Issue, verify and record learn of it; of the proof key's challenge, none; of the session and token, the record alone."""
    _, run, first = begin("registration", **SAID)
    output, (judging, recording) = finish(run, first, [REGISTERED, CLAIMS], [{"recorded": True}])
    issue, verify, record = first.children[-1].input, judging.children[0].input, recording.children[0].input
    told = {name: SAID[name] for name in ("username", "mediation", "details", "wishes")}
    assert all(told.items() <= given.items() for given in (issue, verify, record))
    assert not {"session", "session_credential", "ticket", "token", "identity"} & {*issue, *verify}
    assert record["ticket"] is None
    assert (record["session"], record["session_credential"]) == (SAID["session"], "b2xk")
    assert (record["token"], record["identity"]) == (SAID["token"], SAID["identity"])
    assert "code_challenge" not in {*issue, *verify, *record}
    assert output["outcome"] == "completed"


def test_an_input_from_before_gives_the_same_calls() -> None:
    """An instance that began without the newer members asks what it always asked, and ends."""
    context = RecordingContext(request("registration"))
    for member in set(SAID) - {"ticket"} | {"code_challenge"}:
        del context.request[member]
    run = register_passkey(context)  # type: ignore[arg-type]
    first = next(run)
    output, (judging, recording) = finish(run, first, [REGISTERED, CLAIMS], [{"recorded": True}])
    assert set(first.children[-1].input) == {"ceremony_id", "person", "deadline_seconds"}
    assert set(judging.children[0].input) == {"ceremony_id", "person", "publicKey", "response"}
    assert set(recording.children[0].input) == {"ceremony_id", "person", "ticket", "credential"}
    assert (output["outcome"], output["code_challenge"], output["step_up"]) == ("completed", None, False)


def test_what_is_approved_is_shown_while_it_waits() -> None:
    """The details stand beside the options, and go with them."""
    context, run, first = begin("authentication", details={"reason": "lost"})
    admit(run, first)
    assert context.statuses[-1]["details"] == {"reason": "lost"}
    context, run, first = begin("authentication")
    admit(run, first)
    assert "details" not in context.statuses[-1]


def test_details_that_do_not_fit_end_the_ceremony_on_the_record() -> None:
    """The custom status is bounded: too much in it would fail the instance, unrecorded."""
    context, run, first = begin("authentication", details={"reason": "x" * 7_500})
    with pytest.raises(StopIteration) as stopped:
        admit(run, first)
    assert (stopped.value.value["outcome"], len(context.signals)) == ("failed", 1)


def test_facts_of_a_verdict_are_in_the_audit() -> None:
    """What verification found out beside its yes or no: merged into the entry, in whose members it cannot meddle."""
    forged = {"aaguid": "x", "person": "eve", "outcome": "completed", "v": 9, "ceremony_id": "y"}
    for verdict in ({**SIGNED_IN, "facts": forged}, {"verified": False, "reason": "z", "facts": forged}):
        context, run, first = begin("authentication", mediation="conditional")
        finish(run, first, [verdict, CLAIMS])
        ((_, _, entry),) = context.signals
        assert (entry["aaguid"], entry["mediation"], entry["v"]) == ("x", "conditional", 1)
        assert entry["ceremony_id"] == context.request["ceremony_id"]
        assert entry["outcome"] == ("completed" if verdict["verified"] else "rejected")
        assert entry["person"] == (PERSON if verdict["verified"] else None)


UNFIT: list[dict[str, Any]] = [{"score": 1.5}, {"name": "\ud800"}, {"long": "x" * 4_100}, {"n": 2**60}]


@pytest.mark.parametrize("facts", UNFIT, ids=lambda facts: next(iter(facts)))
def test_facts_that_no_entry_can_hold_cost_no_entry(facts: dict[str, Any]) -> None:
    """The entity would refuse the whole entry: the facts are left out, the ceremony is recorded."""
    context, run, first = begin("authentication", details=facts)
    finish(run, first, [{**SIGNED_IN, "facts": facts}, CLAIMS])
    ((_, _, entry),) = context.signals
    assert not {*facts, "details"} & entry.keys()
    assert canonical(entry)


def test_a_typed_name_and_the_proof_key_are_in_no_audit_entry() -> None:
    """People type passwords into the wrong field; and whoever reads the audit needs no challenge."""
    context, run, first = begin("authentication", **{**SAID, "username": "hunter2"})
    finish(run, first, [SIGNED_IN, CLAIMS])
    ((_, _, entry),) = context.signals
    assert "hunter2" not in json.dumps(entry)
    assert not {"username", "code_challenge", "session_credential", "token", "wishes"} & entry.keys()
    assert [entry[name] for name in ("session", "identity", "details")] == [
        SAID[name] for name in ("session", "identity", "details")
    ]


def test_the_output_carries_what_its_starter_will_ask_for() -> None:
    """The proof key's challenge, whatever the outcome; that a credential is to be stepped up, of a completed one."""
    challenge = request("authentication")["code_challenge"]
    _, run, first = begin("authentication")
    output, _ = finish(run, first, [{**SIGNED_IN, "step_up": True}, CLAIMS])
    assert (output["code_challenge"], output["step_up"]) == (challenge, True)
    _, run, first = begin("authentication")
    output, _ = finish(run, first, [{**SIGNED_IN, "step_up": True}, {**CLAIMS, "status": "disabled"}])
    assert (output["code_challenge"], output["step_up"]) == (challenge, False)


@pytest.mark.parametrize("told", [True, False, None])
def test_the_output_carries_whether_the_person_was_verified(told: bool | None) -> None:
    """Of a completed ceremony: as the verdict says it of the sign-in, or of the new credential; unsaid, it is no."""
    said = {} if told is None else {"user_verified": told}
    verdicts = {
        "registration": {**REGISTERED, "credential": {**REGISTERED["credential"], **said}},
        "authentication": {name: SIGNED_IN[name] for name in ("verified", "person", "credential_id")} | said,
    }
    for kind, verdict in verdicts.items():
        recorded = [[{"recorded": True}]] if kind == "registration" else []
        _, run, first = begin(kind)
        output, _ = finish(run, first, [verdict, CLAIMS], *recorded)
        assert (output["outcome"], output["user_verified"]) == ("completed", bool(told))
        _, run, first = begin(kind)
        output, _ = finish(run, first, [verdict, {**CLAIMS, "status": "disabled"}])
        assert (output["outcome"], output["user_verified"]) == ("refused", False)


@pytest.mark.parametrize("mediation", ["modal", "conditional", None])
def test_the_output_carries_the_mediation_of_the_start(mediation: str | None) -> None:
    """Whoever asks later whether somebody was there finds it, whatever the outcome."""
    _, run, first = begin("registration", mediation=mediation)
    output, _ = finish(run, first, [REGISTERED, CLAIMS], [{"recorded": True}])
    assert (output["outcome"], output["mediation"]) == ("completed", mediation)
    _, run, first = begin("authentication", mediation=mediation)
    output, _ = finish(run, first, [{"verified": False, "reason": "x"}, CLAIMS])
    assert (output["outcome"], output["mediation"]) == ("rejected", mediation)


@pytest.mark.parametrize(
    ("reason", "told"),
    [("credential_unknown", ANSWER["rawId"]), ("credential_disabled", None), ("signature_invalid", None), ("credential_decoy", None)],
)  # fmt: skip
def test_an_unknown_credential_is_named_for_its_starter(reason: str, told: str | None) -> None:
    """Only where the lookup itself said that there is none: the id that was looked up."""
    _, run, first = begin("authentication")
    output, _ = finish(run, first, [{"verified": False, "reason": reason}, CLAIMS])
    assert (output["reason"], output["unknown_credential_id"]) == (reason, told)


def test_after_the_answer_one_round_stands_between_a_person_and_their_sign_in() -> None:
    """Verification and claims, then the output: nothing else is waited for."""
    context, run, first = begin("authentication")
    wait = admit(run, first)
    wait.children[0].result = ANSWER
    run.send(wait.children[0])
    with pytest.raises(StopIteration) as stopped:
        run.send([SIGNED_IN, CLAIMS])
    assert stopped.value.value["outcome"] == "completed"
    assert len(context.signals) == 1


def test_a_failed_dependency_ends_the_ceremony_and_not_the_program() -> None:
    """The exception of an activity becomes the outcome `failed`, recorded like any other; its text goes nowhere."""
    context, run, _ = begin("authentication")
    with pytest.raises(StopIteration) as stopped:
        run.throw(Exception("Activity function 'x' failed:  OSError: pass word"))
    assert stopped.value.value["outcome"] == "failed"
    assert "pass word" not in json.dumps([context.signals, stopped.value.value, context.statuses])


@pytest.mark.parametrize(
    ("stage", "event"), [(s, e) for s in Stage for e in Event if (s, e) not in TRANSITIONS], ids=str
)
def test_no_move_but_those_of_the_table(stage: Stage, event: Event) -> None:
    """An illegal move raises, and neither the custom status nor the stages tell of it."""
    context = RecordingContext(request("authentication"))
    progress = _Progress(context, context.request)  # type: ignore[arg-type]
    progress.state = stage
    before = (list(progress.stages), list(context.statuses))
    with pytest.raises(IllegalMove):
        progress.move(event)
    assert (progress.stages, context.statuses) == before


def test_an_unexpected_result_is_loud() -> None:
    """A result that is not of the contract is a bug of ours: it fails the instance, it is no outcome."""
    _, run, first = begin("authentication")
    wait = admit(run, first)
    wait.children[0].result = ANSWER
    run.send(wait.children[0])
    with pytest.raises(KeyError):
        run.send([{"unexpected": True}, CLAIMS])


def test_the_shape_fits_on_one_screen() -> None:
    """The sequence is read, not scrolled."""
    assert len(inspect.getsource(ceremony_module._steps).splitlines()) <= 50
