"""Activities: values, errors, retries, history (Durable protocol: request, history events, errors, retries)."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from tests.protocol.driver import Driver

ORCHESTRATOR_STARTED, EXECUTION_STARTED, ORCHESTRATOR_COMPLETED = 12, 0, 13
TASK_SCHEDULED, TASK_COMPLETED, TASK_FAILED = 4, 5, 6
TIMER_CREATED, TIMER_FIRED = 10, 11


def kinds(told: list[dict[str, Any]]) -> list[int]:
    """Event numbers of a raw history, without the episode markers."""
    markers = {ORCHESTRATOR_STARTED, ORCHESTRATOR_COMPLETED}
    return [event["type"] for event in told if event["type"] not in markers]


def test_a_sequence_of_two_activities_passes_the_first_result_on(flows: Driver) -> None:
    """Each activity's result reaches the orchestrator, in order, and the output is what it returned."""
    assert flows.output("two_steps") == "hello hello one"


VALUES: dict[str, Any] = {
    "null": None,
    "false": False,
    "zero": 0,
    "empty text": "",
    "empty list": [],
    "empty object": {},
    "float": 0.1,
    "large integer": 2**53 + 1,
    "text that is JSON": '{"not": "decoded"}',
    "text that is a number": "5",
    "quotes and slashes": 'a"b\\c/d\u2028\x00',
    "unicode": "žluťoučký 🐴",
    "nested": {"a": [1, {"b": None, "c": [[], {}]}], "é": True},
    "long": "x" * 100_000,
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_a_value_is_carried_unchanged_through_every_path(flows: Driver, value: Any) -> None:
    """Input, sync and async activity, sub-orchestration, entity call and output all give back what went in."""
    assert flows.output("carries", {"wrapped": value}) == [{"wrapped": value}] * 4
    assert flows.output("carries", value) == [value] * 4


@pytest.mark.parametrize(
    ("name", "value"),
    [("none", None), ("false", False), ("zero", 0), ("text", ""), ("list", []), ("object", {})],
)
def test_a_falsy_output_is_kept_as_it_is(flows: Driver, name: str, value: Any) -> None:
    """Only None is an absent output; other falsy outputs are reported with their own type."""
    output = flows.output("returns_value", name)
    assert output == value
    assert type(output) is type(value)


def test_objects_with_to_json_come_back_as_objects(flows: Driver) -> None:
    """The SDK's `__class__` envelope survives an activity's result and the next activity's input."""
    assert flows.output("carries_objects") == ["Money", 250]


def test_names_are_looked_up_ignoring_case(flows: Driver) -> None:
    """Orchestrators and activities are found whatever the case of the name."""
    assert flows.output("CATCHES", ["ECHO", "found"]) == {"result": "found"}


def test_a_name_in_the_trigger_is_the_name(flows: Driver) -> None:
    """`activity=` and `orchestration=` name the function for callers; its Python name is then unknown."""
    assert flows.output("AliasFlow", 1) == "alias 1"
    assert "under_an_alias" in flows.refused(flows.start("calls", "under_an_alias"))
    assert flows.webhook("POST", "orchestrators/flow_under_an_alias").status == 400


def test_an_episode_appends_marker_messages_schedules_marker(flows: Driver) -> None:
    """One episode: OrchestratorStarted, the delivered messages, new scheduling events by id, OrchestratorCompleted."""
    told = flows.output("spy", 2)
    assert [event["type"] for event in told] == [
        ORCHESTRATOR_STARTED,
        EXECUTION_STARTED,
        TASK_SCHEDULED,
        ORCHESTRATOR_COMPLETED,
        ORCHESTRATOR_STARTED,
        TASK_COMPLETED,
        TASK_SCHEDULED,
        ORCHESTRATOR_COMPLETED,
        ORCHESTRATOR_STARTED,
        TASK_COMPLETED,
    ]
    scheduled = [event for event in told if event["type"] == TASK_SCHEDULED]
    completed = [event for event in told if event["type"] == TASK_COMPLETED]
    assert [event["id"] for event in scheduled] == [0, 1]
    assert [event["TaskScheduledId"] for event in completed] == [0, 1]
    assert [json.loads(event["Result"]) for event in completed] == ["hello 0", "hello 1"]
    rest = [event["id"] for event in told if event["type"] != TASK_SCHEDULED]
    assert set(rest) == {-1}, "messages and markers have no task id"


def test_the_started_event_has_what_the_sdk_needs(flows: Driver) -> None:
    """ExecutionStarted carries Name, Version, Input and the instance with its execution."""
    instance_id = flows.start("spy", 1)
    started = flows.finished(instance_id)["output"][1]
    assert started["Name"].lower() == "spy"
    assert started["Version"] == ""
    assert json.loads(json.loads(started["Input"])) == 1
    assert started["OrchestrationInstance"]["InstanceId"] == instance_id
    assert started["OrchestrationInstance"]["ExecutionId"]


def test_played_marks_tell_old_messages_from_new(flows: Driver) -> None:
    """Everything new in an episode is unplayed; messages of earlier episodes are played."""
    told = flows.output("spy", 2)
    assert [e["played"] for e in told if e["type"] == TASK_COMPLETED] == [True, False]
    assert next(e for e in told if e["type"] == EXECUTION_STARTED)["played"] is True
    last_start = max(n for n, e in enumerate(told) if e["type"] == ORCHESTRATOR_STARTED)
    assert all(not event["played"] for event in told[last_start:])


def test_time_never_runs_backwards_in_a_history(flows: Driver) -> None:
    """The timestamps of a history never decrease and are UTC instants."""
    instants = [datetime.fromisoformat(event["at"]) for event in flows.output("spy", 5)]
    assert all(instant.utcoffset() is not None for instant in instants)
    assert all(earlier <= later for earlier, later in pairwise(instants))


def test_a_failed_activity_raises_with_reason_and_details(flows: Driver) -> None:
    """The orchestrator sees `Activity function 'X' failed:  TypeName: text` (two blanks), newline, details."""
    caught = flows.output("catches", ["fail", "because"])
    assert caught["type"] == "Exception"
    reason, _, details = caught["text"].partition(" \n ")
    assert reason == "Activity function 'fail' failed:  ValueError: because"
    assert isinstance(json.loads(details), dict)


def test_an_exception_without_text_still_names_its_type(flows: Driver) -> None:
    """An activity that raises a bare exception fails with the type's name."""
    caught = flows.output("catches", ["fail_silently", None])
    assert caught["text"].startswith("Activity function 'fail_silently' failed:  ValueError")


def test_a_result_that_is_not_json_fails_the_activity(flows: Driver) -> None:
    """An activity result that cannot be serialised is a failure of the activity, not of the host."""
    caught = flows.output("catches", ["not_json", None])
    assert caught["text"].startswith("Activity function 'not_json' failed:")


def test_secrets_in_an_activity_error_are_masked(flows: Driver) -> None:
    """The host masks what looks like a secret in the text of an exception before it travels."""
    caught = flows.output("catches", ["fail", "call failed: https://example.test/?code=hunter2&x=1"])
    assert "hunter2" not in caught["text"]
    assert "call failed" in caught["text"]


def test_an_uncaught_activity_failure_fails_the_instance(flows: Driver) -> None:
    """The instance fails with `Orchestrator function 'N' failed: ` and the child's text."""
    message = flows.failure("lets_activity_fail")
    assert message.startswith("Orchestrator function 'lets_activity_fail' failed: ")
    assert "Activity function 'fail' failed:  ValueError: uncaught" in message


FAILURES = [
    ("fails", "plain reason", "Orchestrator function 'fails' failed: plain reason"),
    ("fails_after_work", None, "Orchestrator function 'fails_after_work' failed: after work"),
    ("fails_without_text", None, "Orchestrator function 'fails_without_text' failed: <class 'KeyError'>"),
]


@pytest.mark.parametrize(("name", "given", "message"), FAILURES, ids=[row[0] for row in FAILURES])
def test_an_unhandled_exception_is_the_output(flows: Driver, name: str, given: Any, message: str) -> None:
    """`Orchestrator function 'N' failed: {error}`: the text without the type, the class's repr when there is none."""
    assert flows.failure(name, given) == message


def test_what_was_done_before_a_failure_is_kept(flows: Driver) -> None:
    """The actions and the custom status that came with the error are recorded before the instance fails."""
    body = flows.finished(flows.start("fails_after_work"))
    assert body["customStatus"] == {"step": "working"}
    assert "say" in [event.get("FunctionName") for event in flows.history(body["instanceId"])]


@pytest.mark.parametrize("name", ["yields_junk", "junk_status", "returns_junk", "naive_timer"])
def test_what_the_sdk_cannot_express_fails_the_instance(flows: Driver, name: str) -> None:
    """A yield that is no task, a status or output that is not JSON, a naive time: Failed, with a message."""
    assert flows.failure(name)


def test_a_function_that_is_no_generator_fails_generically(flows: Driver) -> None:
    """Without the label that carries the actions, the failure is the whole message."""
    message = flows.failure("fails_outside_a_generator", "no generator")
    assert message.startswith("Orchestrator function 'fails_outside_a_generator' failed: ")
    assert "no generator" in message


def test_a_secret_in_an_orchestrator_error_never_reaches_the_status(flows: Driver) -> None:
    """Masking may damage the error's JSON, and then the failure is a generic one; the secret is gone either way."""
    assert "hunter2" not in flows.failure("fails", "Password=hunter2")


@pytest.mark.parametrize("name", ["calls", "calls_child"])
def test_an_unknown_name_is_loud(flows: Driver, name: str) -> None:
    """Azure leaves the instance hanging; this host says aloud which name is not registered, and fails it."""
    assert "no_such_function" in flows.refused(flows.start(name, "no_such_function"))


# --- retries ----------------------------------------------------------------------------------------------


def test_exhausted_retries_take_two_ids_for_each_attempt(flows: Driver) -> None:
    """Three of three: task 0, timer 1, task 2, timer 3, task 4, timer 5 due at once, then the exception."""
    result = flows.output("retries", {"fails": 9, "attempts": 3, "interval_ms": 40})
    assert result["outcome"].startswith("Activity function 'flaky' failed:  RuntimeError: attempt 3")
    assert result["then"] == "hello then"
    told = result["told"]
    assert kinds(told) == [
        EXECUTION_STARTED,
        *[TASK_SCHEDULED, TASK_FAILED, TIMER_CREATED, TIMER_FIRED] * 3,
        TASK_SCHEDULED,
        TASK_COMPLETED,
    ]
    scheduled = [event["id"] for event in told if event["type"] in {TASK_SCHEDULED, TIMER_CREATED}]
    assert scheduled == [0, 1, 2, 3, 4, 5, 6]
    pauses = [
        (_instant(event["FireAt"]) - _instant(event["at"])).total_seconds()
        for event in told
        if event["type"] == TIMER_CREATED
    ]
    assert pauses[0] == pytest.approx(0.04, abs=0.02)
    assert pauses[1] == pytest.approx(0.04, abs=0.02)
    assert pauses[2] <= 0.005, "the last timer is due at once"


def _instant(text: str) -> datetime:
    head, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{head}.{fraction[:6]:0<6}+00:00" if "+" not in text else text)


@pytest.mark.parametrize("fails", [0, 1, 2])
def test_a_retry_that_succeeds_ends_at_once(flows: Driver, fails: int) -> None:
    """A success on any attempt gives its result and no further timer."""
    result = flows.output("retries", {"fails": fails, "attempts": 3})
    assert result["outcome"] == fails + 1
    created = [event for event in result["told"] if event["type"] == TIMER_CREATED]
    assert len(created) == fails


def test_one_attempt_is_no_retry_but_one_timer(flows: Driver) -> None:
    """With one attempt the failure still passes through the extra timer."""
    result = flows.output("retries", {"fails": 1, "attempts": 1})
    assert "attempt 1" in result["outcome"]
    assert len([event for event in result["told"] if event["type"] == TIMER_CREATED]) == 1


def test_parallel_retries_that_all_succeed_keep_their_results_apart(flows: Driver) -> None:
    """With-retry activities in one task_all give each its own result, in argument order."""
    assert flows.output("retries_in_parallel", [0, 2, 1, 3]) == [1, 3, 2, 4]


@pytest.mark.parametrize(("fails", "outcome"), [(1, 2), (9, "Orchestrator function 'flaky_child' failed")])
def test_a_sub_orchestration_is_retried_like_an_activity(flows: Driver, fails: int, outcome: Any) -> None:
    """A failed child is started again after the pause; when attempts run out the last failure is raised."""
    result = flows.output("retries_child", {"fails": fails, "attempts": 2})
    if isinstance(outcome, str):
        assert result["outcome"].startswith(outcome)
        assert "attempt 2" in result["outcome"]
    else:
        assert result["outcome"] == outcome
