"""External events: early, late, duplicate, suspended (Durable protocol: external events, encodings)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.protocol.driver import Driver, Raised, until


def raised(flows: Driver, instance_id: str) -> list[dict[str, Any]]:
    """The EventRaised entries of an instance's history."""
    return [event for event in flows.history(instance_id) if event["EventType"] == "EventRaised"]


@pytest.mark.parametrize(
    "data", [{"a": 1}, [1, 2], "text", 5, True, None, {"deep": {"é": ["🐴"]}}], ids=json.dumps
)
def test_a_raw_event_arrives_as_parsed_json(flows: Driver, data: Any) -> None:
    """A raw POST's JSON body reaches the orchestrator as the value it denotes."""
    instance_id = flows.start("waits")
    flows.reached(instance_id, custom_status="waiting")
    assert flows.raise_event(instance_id, "go", data).status == 202
    assert flows.finished(instance_id)["output"] == [type(data).__name__, data]


@pytest.mark.parametrize("data", [{"a": 1}, [], "text", 0, None], ids=json.dumps)
def test_an_event_from_the_sdk_client_arrives_as_json_text(flows: Driver, data: Any) -> None:
    """The SDK's client encodes twice: the orchestrator sees the JSON text (None as 'null')."""
    instance_id = flows.start("waits")
    flows.reached(instance_id, custom_status="waiting")
    flows.client("raise_event", instance_id, "go", data)
    assert flows.finished(instance_id)["output"] == ["str", json.dumps(data)]


def test_an_event_before_the_wait_is_delivered_once(flows: Driver) -> None:
    """An event that comes while the orchestrator is busy elsewhere is kept for the wait."""
    instance_id = flows.start("works_then_waits")
    flows.reached(instance_id, custom_status="working")
    assert flows.raise_event(instance_id, "go", "early").status == 202
    assert flows.finished(instance_id)["output"] == "early"


def test_an_event_to_a_pending_instance_is_delivered(flows: Driver) -> None:
    """An event raised right after the start, before any episode, is kept and delivered."""
    instance_id = flows.start("waits")
    assert flows.raise_event(instance_id, "go", "at once").status == 202
    assert flows.finished(instance_id)["output"] == ["str", "at once"]


def test_an_early_event_and_a_second_wait_on_its_name_is_loud(flows: Driver) -> None:
    """The SDK answers every later wait with the early event, the extension waits: Azure hangs, here it is said."""
    instance_id = flows.start("works_then_waits_twice")
    flows.reached(instance_id)
    assert flows.raise_event(instance_id, "go", "early").status == 202
    assert "'go'" in flows.refused(instance_id)


def test_two_late_events_of_one_name_in_turn_are_both_delivered(flows: Driver) -> None:
    """Waiting twice on one name is sound while every event finds somebody waiting."""
    instance_id = flows.start("works_then_waits_twice")
    until(
        lambda: "TaskCompleted" in [event["EventType"] for event in flows.history(instance_id)],
        "the first wait has begun",
    )
    assert flows.raise_event(instance_id, "go", "first").status == 202
    flows.reached(instance_id, custom_status="second")
    assert flows.raise_event(instance_id, "go", "second").status == 202
    assert flows.finished(instance_id)["output"] == ["first", "second"]


def test_two_waits_on_one_name_are_answered_newest_first(flows: Driver) -> None:
    """Events e1, e2 into two open waits on one name give [e2, e1]."""
    instance_id = flows.start("waits_twice_at_once")
    flows.reached(instance_id, custom_status="waiting")
    for data in ("e1", "e2"):
        assert flows.raise_event(instance_id, "go", data).status == 202
        until(
            lambda data=data: (
                data in str([event["Input"] for event in raised(flows, instance_id)])
                or flows.instance(instance_id)["runtimeStatus"] == "Completed"
            ),
            f"{data} is in the history",
        )
    assert flows.finished(instance_id)["output"] == ["e2", "e1"]


def test_a_duplicate_of_an_answered_event_changes_nothing(flows: Driver) -> None:
    """An event nobody waits for any more is recorded, and the flow goes on unharmed."""
    instance_id = flows.start("waits_in_turn", ["one", "two"])
    flows.reached(instance_id, custom_status="waiting for one")
    flows.raise_event(instance_id, "one", 1)
    flows.reached(instance_id, custom_status="waiting for two")
    flows.raise_event(instance_id, "one", "again")
    until(lambda: len(raised(flows, instance_id)) == 2, "the duplicate is in the history")
    flows.raise_event(instance_id, "two", 2)
    assert flows.finished(instance_id)["output"] == [1, 2]


def test_events_ahead_of_their_turn_wait_for_it(flows: Driver) -> None:
    """Events of different names may come in any order; each is delivered to its own wait."""
    instance_id = flows.start("waits_in_turn", ["one", "two", "three"])
    for name in ("three", "two", "one"):
        flows.raise_event(instance_id, name, name.upper())
    assert flows.finished(instance_id)["output"] == ["ONE", "TWO", "THREE"]


def test_the_event_that_comes_wins_a_task_any(flows: Driver) -> None:
    """Of two awaited events, the one that comes decides; the other wait holds nothing open."""
    instance_id = flows.start("waits_for_either")
    flows.reached(instance_id, custom_status="waiting")
    flows.raise_event(instance_id, "right", 7)
    assert flows.finished(instance_id)["output"] == ["right", 7]


def test_an_event_spelled_in_another_case_is_not_delivered(flows: Driver) -> None:
    """The SDK compares exact case, so the host must not be kinder: the instance waits on, and the log warns."""
    instance_id = flows.start("waits")
    flows.reached(instance_id, custom_status="waiting")
    assert flows.raise_event(instance_id, "GO", 1).status == 202
    until(lambda: raised(flows, instance_id), "the event is in the history")
    assert flows.instance(instance_id)["runtimeStatus"] in {"Running", "Failed"}
    assert "GO" in flows.warned(instance_id)


def test_raising_to_a_finished_instance_is_gone(flows: Driver) -> None:
    """410 for a finished instance; the SDK says it is gone."""
    instance_id = flows.start("returns_input", 1)
    flows.finished(instance_id)
    assert flows.raise_event(instance_id, "go").status == 410
    with pytest.raises(Raised, match="is gone"):
        flows.client("raise_event", instance_id, "go", 1)


def test_raising_to_an_unknown_instance_is_not_found(flows: Driver) -> None:
    """404 for an unknown instance; the SDK says none was found."""
    assert flows.raise_event("nobody", "go").status == 404
    with pytest.raises(Raised, match="No instance with ID nobody found"):
        flows.client("raise_event", "nobody", "go", 1)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [("{}", "text/plain"), ("{not json", "application/json")],
    ids=["type", "syntax"],
)
def test_an_event_must_be_json(flows: Driver, body: str, content_type: str) -> None:
    """A content type other than JSON, or a body that is not JSON, is 400."""
    instance_id = flows.start("waits")
    answer = flows.webhook(
        "POST", f"instances/{instance_id}/raiseEvent/go", body=body, headers={"content-type": content_type}
    )
    assert answer.status == 400
    flows.raise_event(instance_id, "go")
    flows.finished(instance_id)


def test_event_names_are_decoded_from_the_path(flows: Driver) -> None:
    """A name with blanks and letters beyond ASCII arrives as it was meant."""
    instance_id = flows.start("waits_in_turn", ["go on, été/1"])
    flows.reached(instance_id)
    assert flows.raise_event(instance_id, "go on, été/1", 1).status == 202
    assert flows.finished(instance_id)["output"] == [1]


def test_a_suspended_instance_keeps_events_for_later_in_order(flows: Driver) -> None:
    """While suspended nothing is processed; after resume the events are taken in order."""
    instance_id = flows.start("waits_in_turn", ["one", "two"])
    flows.reached(instance_id, custom_status="waiting for one")
    flows.client("suspend", instance_id, "pause")
    flows.reached(instance_id, "Suspended")
    flows.raise_event(instance_id, "one", 1)
    flows.raise_event(instance_id, "two", 2)
    assert flows.instance(instance_id)["runtimeStatus"] == "Suspended"
    assert flows.instance(instance_id)["output"] is None
    flows.client("resume", instance_id, "go on")
    assert flows.finished(instance_id)["output"] == [1, 2]


def test_a_timer_that_fires_while_suspended_waits_for_the_resume(flows: Driver) -> None:
    """Suspension holds back timers and results too, not only events."""
    instance_id = flows.start("approval", {"timeout": 0.4, "cancel": True})
    flows.reached(instance_id)
    flows.client("suspend", instance_id, "pause")
    flows.reached(instance_id, "Suspended")
    until(
        lambda: "TimerFired" in [event["EventType"] for event in flows.history(instance_id)],
        "the timer has fired",
        within=5,
    )
    assert flows.instance(instance_id)["runtimeStatus"] == "Suspended"
    flows.client("resume", instance_id, "go on")
    assert flows.finished(instance_id)["output"] == "timed out"


def test_a_suspended_instance_can_be_terminated(flows: Driver) -> None:
    """Termination passes through a suspension."""
    instance_id = flows.start("waits")
    flows.reached(instance_id)
    flows.client("suspend", instance_id, "pause")
    flows.reached(instance_id, "Suspended")
    flows.client("terminate", instance_id, "enough")
    body = flows.finished(instance_id)
    assert (body["runtimeStatus"], body["output"]) == ("Terminated", "enough")
