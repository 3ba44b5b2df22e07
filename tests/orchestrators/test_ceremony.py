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
from orchestrators.register_passkey import register_passkey
from passkeys.ceremony import TRANSITIONS, Event, Stage
from passkeys.errors import IllegalMove
from tests.orchestrators.context import START, RecordingContext, Task
from tests.orchestrators.scenarios import (
    ANSWER,
    CLAIMS,
    CREDENTIAL,
    OPTIONS,
    PERSON,
    REGISTERED,
    SIGNED_IN,
    YES,
    request,
)

Run = Generator[Any, Any, Any]


def begin(kind: str) -> tuple[RecordingContext, Run, Task]:
    context = RecordingContext(request(kind))
    function = register_passkey if kind == "registration" else authenticate_passkey
    run = function(context)  # type: ignore[arg-type]
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
    assert first.children[-1].input == {"ceremony_id": ceremony_id, "person": PERSON, "deadline_seconds": 300}


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
    assert verify.input == {"ceremony_id": ceremony_id, "publicKey": OPTIONS, "response": ANSWER}
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
        "ticket": "a" * 64,
        "credential": CREDENTIAL,
    }


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
