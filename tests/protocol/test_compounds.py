"""task_any, task_all, timers (Durable protocol: the walk, the engine, compounds, long timers)."""

from __future__ import annotations

import json
from datetime import date

import pytest

from tests.hosts import FUNCTION_KEY
from tests.protocol.driver import Driver, until


def written(flows: Driver, key: str) -> list[list[object]]:
    """What the `note` activity wrote under the key."""
    answer = flows.http("GET", f"/api/journal/{key}", headers={"x-functions-key": FUNCTION_KEY})
    return list(answer.json())


def test_task_all_gives_results_in_argument_order(flows: Driver) -> None:
    """The order of results is that of the arguments, whatever finishes first."""
    assert flows.output("fans_out", [0.2, 0.0, 0.1]) == [0, 1, 2]


def test_a_wide_fan_out_completes(flows: Driver) -> None:
    """Two hundred activities at once all come back."""
    assert flows.output("fans_out", [0] * 200) == list(range(200))


def test_task_all_of_nothing_goes_on_at_once(flows: Driver) -> None:
    """An empty task_all gives None and schedules nothing."""
    assert flows.output("waits_for_nothing") == [None, "hello then"]


def test_task_any_returns_the_winner(flows: Driver) -> None:
    """task_any gives the task that finished first, with its result."""
    assert flows.output("races", [0.4, 0.02, 0.4]) == [1, 0.02]


def test_a_failed_winner_carries_its_exception_and_raises_when_yielded(flows: Driver) -> None:
    """A failure can win; its result is the exception, and yielding it raises."""
    result = flows.output("failed_winner")
    assert result["winner_failed"] is True
    assert "lost the race" in result["result"]
    assert "lost the race" in result["raised"]


def test_compounds_nest(flows: Driver) -> None:
    """Any and all inside each other, over timers, events, activities, children and entities."""
    assert flows.output("nests") == [True, ["a", "b"], 5, "hello then"]


def test_compensation_starts_after_the_slowest_sibling(flows: Driver) -> None:
    """The SDK fails fast, the extension waits for all: what the except block calls runs only then."""
    instance_id = flows.start("compensates")
    assert flows.finished(instance_id)["output"] == "compensated"
    events = flows.history(instance_id)
    slow = next(event for event in events if event.get("FunctionName") == "slow")
    note = next(event for event in events if event.get("FunctionName") == "note")
    assert note["ScheduledTime"] >= slow["Timestamp"]


def test_a_pending_activity_may_be_used_again_in_task_all(flows: Driver) -> None:
    """A second compound over an old and a new task gives the right results, merely later."""
    assert flows.output("uses_pending_activity_again") == ["quick", ["old", "hello new"]]


def test_a_pending_timer_used_again_in_task_any_is_loud(flows: Driver) -> None:
    """Azure would stay Running for ever once the timer fires; here the instance fails and says why."""
    instance_id = flows.start("uses_pending_timer_again", 0.6)
    flows.reached(instance_id, custom_status="turn 0")
    assert flows.raise_event(instance_id, "turn0").status == 202
    assert "task_any" in flows.refused(instance_id)


def test_a_loser_that_runs_on_delays_the_end(flows: Driver) -> None:
    """An activity that lost a task_any stays open: work goes on at once, completion waits for it."""
    instance_id = flows.start("leaves_a_loser_running")
    until(lambda: written(flows, instance_id), "the winner's follow-up has run")
    body = flows.finished(instance_id)
    assert body["output"] == "quick"
    events = flows.history(instance_id)
    ended = [event.get("FunctionName") for event in events if event["EventType"] == "TaskCompleted"]
    assert ended.count("slow") == 2, "the loser's completion is in the history before the end"
    assert events[-1]["EventType"] == "ExecutionCompleted"


# --- timers -----------------------------------------------------------------------------------------------


def test_a_timer_is_never_early(flows: Driver) -> None:
    """When the orchestrator wakes, its clock is at or after the due time."""
    result = flows.output("sleeps", 0.3)
    assert result["early"] is False
    assert result["slept"] >= 0.3


def test_a_timer_due_in_the_past_fires_at_once(flows: Driver) -> None:
    """A due time that has passed is no error."""
    assert flows.output("sleeps", -3600)["early"] is False


def test_a_timer_leaves_created_and_fired_with_one_id(flows: Driver) -> None:
    """TimerCreated has the task id as EventId, TimerFired refers to it as TimerId; both carry FireAt."""
    told = flows.output("sleeps", 0.05)["told"]
    created = next(event for event in told if event["type"] == 10)
    fired = next(event for event in told if event["type"] == 11)
    assert created["id"] == 0
    assert fired["TimerId"] == 0
    assert created["FireAt"] == fired["FireAt"]


def test_timers_fire_in_the_order_of_their_due_times(flows: Driver) -> None:
    """Timers that stay pending through several task_any calls wake the orchestrator one after the other."""
    assert flows.output("sleeps_in_turn", [0.45, 0.15, 0.3]) == [1, 2, 0]


def test_an_approval_before_the_time_out_with_cancelled_timer_is_done_at_once(flows: Driver) -> None:
    """The cancelled hour-long timer holds nothing back."""
    instance_id = flows.start("approval", {"timeout": 3600, "cancel": True})
    flows.reached(instance_id)
    assert flows.raise_event(instance_id, "approve", "Ada").status == 202
    assert flows.finished(instance_id)["output"] == "hello Ada"


def test_an_approval_with_the_timer_left_open_is_done_when_the_timer_is_due(flows: Driver) -> None:
    """The timer nobody cancelled keeps the instance Running until it fires."""
    instance_id = flows.start("approval", {"timeout": 1.2, "cancel": False})
    flows.reached(instance_id)
    assert flows.raise_event(instance_id, "approve", "Ada").status == 202
    assert flows.finished(instance_id)["output"] == "hello Ada"
    events = flows.history(instance_id)
    fired = next(event for event in events if event["EventType"] == "TimerFired")
    said = next(event for event in events if event.get("FunctionName") == "say")
    assert said["Timestamp"] < fired["Timestamp"], "the activity did not wait for the timer"
    assert events[-1]["Timestamp"] >= fired["FireAt"], "the end did"


def test_no_approval_in_time_times_out(flows: Driver) -> None:
    """The timer wins when nobody answers."""
    assert flows.output("approval", {"timeout": 0.1, "cancel": True}) == "timed out"


def test_a_finished_function_with_a_far_timer_open_is_loud(flows: Driver) -> None:
    """An hour-long timer that nobody cancelled would hold a finished instance for the hour: the host says so."""
    instance_id = flows.start("approval", {"timeout": 3600, "cancel": False})
    flows.reached(instance_id)
    assert flows.raise_event(instance_id, "approve", "Ada").status == 202
    assert "timer" in flows.warned(instance_id)
    assert flows.instance(instance_id)["runtimeStatus"] == "Running", (
        "it completes when the timer is due, no sooner"
    )
    flows.webhook("POST", f"instances/{instance_id}/terminate", reason="seen enough")


def test_a_timer_beyond_six_days_is_cut_into_steps_of_three(flows: Driver) -> None:
    """The host tells the SDK its longest short timer: a ten-day timer begins with one of three days."""
    instance_id = flows.start("waits_for_days", 10)
    created = until(
        lambda: [event for event in flows.history(instance_id) if event["EventType"] == "TimerCreated"],
        "the first timer is recorded",
    )
    assert len(created) == 1
    days = (_day(created[0]["FireAt"]) - _day(created[0]["Timestamp"])).days
    assert days == 3
    assert flows.client("terminate", instance_id, "seen enough") is None


def test_a_timer_of_five_days_stays_whole(flows: Driver) -> None:
    """Up to six days a timer is one timer."""
    instance_id = flows.start("waits_for_days", 5)
    created = until(
        lambda: [event for event in flows.history(instance_id) if event["EventType"] == "TimerCreated"],
        "the timer is recorded",
    )
    assert (_day(created[0]["FireAt"]) - _day(created[0]["Timestamp"])).days == 5
    assert flows.client("terminate", instance_id, "seen enough") is None


def _day(text: str) -> date:
    return date.fromisoformat(text[:10])


@pytest.mark.parametrize("seconds", [0.0, 0.1])
def test_a_cancelled_timer_leaves_a_record_and_no_wake_up_that_matters(flows: Driver, seconds: float) -> None:
    """The TimerCreated of a cancelled timer is written; its later firing changes nothing."""
    instance_id = flows.start("approval", {"timeout": 0.5 + seconds, "cancel": True})
    flows.reached(instance_id)
    flows.raise_event(instance_id, "approve", "Ada")
    assert flows.finished(instance_id)["output"] == "hello Ada"
    assert "TimerCreated" in json.dumps(flows.history(instance_id))
