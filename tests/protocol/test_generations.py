"""Continue-as-new, custom status, sub-orchestrations, what the context tells (Durable protocol: the same sections)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from tests.protocol.driver import Driver, until

# --- continue as new --------------------------------------------------------------------------------------


def test_each_generation_starts_over_under_the_same_id(flows: Driver) -> None:
    """A new execution id and a fresh history each time; the instance id stays."""
    instance_id = flows.start("generations", {"left": 4, "seen": []})
    body = flows.finished(instance_id)
    executions = [execution for execution, _ in body["output"]]
    lengths = [length for _, length in body["output"]]
    assert len(set(executions)) == 5
    assert len(set(lengths)) == 1, "no generation carries the history of the one before"
    assert body["instanceId"] == instance_id
    assert body["customStatus"] == {"left": 0}
    assert json.loads(body["input"])["left"] == 0, "the input shown is that of the last generation"


def test_a_long_chain_of_generations_completes(flows: Driver) -> None:
    """Fifty generations are as good as one."""
    assert len(flows.output("generations", {"left": 50, "seen": []})) == 51


def test_a_buffered_event_is_dropped_by_continue_as_new(flows: Driver) -> None:
    """An event that waits in the buffer when the generation ends is gone: continue-as-new does not keep it."""
    instance_id = flows.start("drops_events", "first")
    flows.reached(instance_id, custom_status="first")
    assert flows.raise_event(instance_id, "go", 1).status == 202
    assert flows.finished(instance_id)["output"] == "no event"


@pytest.mark.parametrize(
    ("order", "outcome"),
    [(("first", "second"), "carried"), (("second", "first"), "dropped")],
    ids=["after", "before"],
)
def test_an_event_of_the_same_batch_is_carried_only_when_it_comes_after(
    flows: Driver, order: tuple[str, str], outcome: str
) -> None:
    """Two events are held back by a suspension and processed in one batch: what comes after the one that leads to
    continue-as-new goes along, what was buffered before it is dropped."""
    instance_id = flows.start("hands_over", "first")
    flows.reached(instance_id)
    flows.webhook("POST", f"instances/{instance_id}/suspend", reason="collect")
    flows.reached(instance_id, "Suspended")
    for name in order:
        assert flows.raise_event(instance_id, name).status == 202
    flows.webhook("POST", f"instances/{instance_id}/resume", reason="all at once")
    assert flows.finished(instance_id)["output"] == outcome


def test_an_event_after_continue_as_new_reaches_the_new_generation(flows: Driver) -> None:
    """Events are addressed to the instance, not to an execution: an eternal orchestration counts every tick."""
    instance_id = flows.start("eternal", 0)
    for count in range(5):
        flows.reached(instance_id, custom_status={"count": count})
        assert flows.raise_event(instance_id, f"tick{count}").status == 202
    flows.reached(instance_id, custom_status={"count": 5})
    flows.client("terminate", instance_id, "enough")
    assert flows.finished(instance_id)["runtimeStatus"] == "Terminated"


def test_an_open_timer_delays_the_next_generation(flows: Driver) -> None:
    """Nothing continues as new while a task is open."""
    instance_id = flows.start("starts_over_with_timer_open", "first")
    begun = _instant(flows.instance(instance_id)["createdTime"])
    body = flows.finished(instance_id)
    assert body["output"] == "second"
    started = next(event for event in flows.history(instance_id) if event["EventType"] == "ExecutionStarted")
    assert (_instant(started["Timestamp"]) - begun).total_seconds() >= 0.5


def _instant(text: str) -> datetime:
    head, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{head}.{fraction[:6]:0<6}+00:00")


# --- custom status ----------------------------------------------------------------------------------------

STATUSES: list[Any] = ["text", {"a": [1, None]}, [1], 7, True, "é🐴", "123", "null"]


@pytest.mark.parametrize("status", STATUSES, ids=repr)
def test_a_custom_status_is_shown_as_the_value_it_is(flows: Driver, status: Any) -> None:
    """What was set is what the status shows, with its type."""
    instance_id = flows.start("sets_status", [status, status])
    shown = flows.reached(instance_id, custom_status=status)["customStatus"]
    assert type(shown) is type(status)
    flows.raise_event(instance_id, "go")
    flows.raise_event(instance_id, "on")
    assert flows.finished(instance_id)["customStatus"] == status


@pytest.mark.parametrize("falsy", [None, "", 0, False, {}, []], ids=repr)
def test_a_falsy_custom_status_clears_it(flows: Driver, falsy: Any) -> None:
    """The SDK leaves a falsy status out, so the host shows null."""
    instance_id = flows.start("sets_status", ["first", falsy])
    flows.reached(instance_id, custom_status="first")
    flows.raise_event(instance_id, "go")
    flows.reached(instance_id, custom_status=None)
    flows.raise_event(instance_id, "on")
    flows.finished(instance_id)


# The JSON text has two quotation marks beside the characters; the horse is two UTF-16 units.
LIMITS = [
    ("x", 8701, True),
    ("x", 8702, False),
    ("é", 8701, True),
    ("é", 8702, False),
    ("🐴", 4350, True),
    ("🐴", 4351, False),
]


@pytest.mark.parametrize(("character", "count", "fits"), LIMITS)
def test_a_custom_status_may_have_8703_units_of_json(
    flows: Driver, character: str, count: int, fits: bool
) -> None:
    """16 KB of UTF-16, rounded down: 8 703 units of JSON are accepted, 8 704 fail the instance, naming the limit."""
    body = flows.finished(flows.start("long_status", {"character": character, "count": count}))
    if fits:
        assert (body["runtimeStatus"], body["customStatus"]) == ("Completed", character * count)
    else:
        assert body["runtimeStatus"] == "Failed"
        assert "16" in body["output"]
        assert "17" in body["output"], "the message names the current size in KB"


# --- sub-orchestrations -----------------------------------------------------------------------------------


def test_a_child_knows_its_parent_and_its_id(flows: Driver) -> None:
    """The given child id is used; the child sees the parent's id; the parent gets the child's result."""
    instance_id = flows.start("family")
    child = flows.finished(instance_id)["output"]
    assert child["instance_id"] == f"{instance_id}-child"
    assert child["parent"] == instance_id
    assert flows.instance(f"{instance_id}-child")["runtimeStatus"] == "Completed"


def test_the_default_child_id_is_execution_and_task_id(flows: Driver) -> None:
    """Without an id the child is `{parent execution id}:{task id}`."""
    result = flows.output("runs_child", {"name": "returns_input", "input": {"n": 1}})
    assert result["result"] == {"n": 1}
    started = next(event for event in result["told"] if event["type"] == 0)
    created = next(event for event in result["told"] if event["type"] == 7)
    assert created["InstanceId"] == f"{started['OrchestrationInstance']['ExecutionId']}:0"
    assert flows.instance(created["InstanceId"])["output"] == {"n": 1}


def test_children_run_side_by_side(flows: Driver) -> None:
    """Three children in a task_all come back in argument order."""
    instance_id = flows.start("runs_children")
    assert flows.finished(instance_id)["output"] == [[f"{instance_id}-{n}", instance_id] for n in range(3)]


def test_a_failed_child_raises_with_its_reason(flows: Driver) -> None:
    """`Orchestrator function 'X' failed: text`, newline, `Message: text, StackTrace: …`."""
    caught = flows.output("catches_child", ["fails", "child's reason"])
    reason, _, details = caught["text"].partition(" \n ")
    assert reason == "Orchestrator function 'fails' failed: child's reason"
    assert details.startswith("Message: child's reason, StackTrace:")


def test_a_terminated_child_raises_its_reason_text(flows: Driver) -> None:
    """The parent of a terminated child sees the reason of the termination."""
    parent = flows.start("catches_child", ["waits", None])
    created = until(
        lambda: [e for e in flows.history(parent) if e["EventType"] == "SubOrchestrationInstanceCreated"],
        "the child is created",
    )
    child = created[0]["InstanceId"]
    flows.reached(child)
    flows.client("terminate", child, "child stopped")
    assert flows.finished(parent)["output"]["text"].startswith("child stopped")


def test_terminating_a_parent_leaves_its_child_alone(flows: Driver) -> None:
    """Termination and suspension of a parent do not reach its children."""
    parent = flows.start("runs_child", {"name": "waits", "id": "lonely-child"})
    until(lambda: flows.webhook("GET", "instances/lonely-child").status == 202, "the child runs")
    flows.client("suspend", parent, "pause")
    flows.reached(parent, "Suspended")
    flows.reached("lonely-child", "Running", "waiting")
    flows.client("terminate", parent, "enough")
    assert flows.finished(parent)["runtimeStatus"] == "Terminated"
    assert flows.instance("lonely-child")["runtimeStatus"] == "Running"
    flows.raise_event("lonely-child", "go", 1)
    assert flows.finished("lonely-child")["runtimeStatus"] == "Completed"
    assert flows.instance(parent)["runtimeStatus"] == "Terminated"


@pytest.mark.parametrize("name", ["names_child_after_itself", "names_child_like_an_entity"])
def test_a_child_id_must_be_its_own_and_no_entity(flows: Driver, name: str) -> None:
    """A child id equal to the parent's, or one that begins with @, is refused: the instance does not hang silently."""
    assert "instance id" in flows.refused(flows.start(name))


def test_a_child_id_that_is_in_use_is_refused(flows: Driver) -> None:
    """The parent of a child whose id a running instance has would wait for ever: it fails and says why."""
    flows.start("waits", instance_id="taken")
    flows.reached("taken", custom_status="waiting")
    assert "taken" in flows.refused(flows.start("runs_child", {"name": "waits", "id": "taken"}))
    assert flows.instance("taken")["runtimeStatus"] == "Running"
    flows.raise_event("taken", "go", 1)
    assert flows.finished("taken")["output"] == ["int", 1]


# --- what the context tells -------------------------------------------------------------------------------


def test_the_context_is_stable_over_replays(flows: Driver) -> None:
    """Ids made before an activity are the same in the replay; the clock moves on; the replay flag drops."""
    before = datetime.now().astimezone()
    instance_id = flows.start("facts")
    facts = flows.finished(instance_id)["output"]
    assert facts["instance_id"] == instance_id
    assert facts["parent"] is None
    assert facts["before"] == facts["echoed"], "new_uuid and new_guid gave the same in both runs"
    assert len(set(facts["before"])) == 3
    started, later = (datetime.fromisoformat(facts[name]) for name in ("started", "later"))
    assert (later - started).total_seconds() >= 0.05
    assert abs((started - before).total_seconds()) < 30
    assert facts["replaying_at_start"] is True
    assert facts["replaying_after"] is False


def test_the_version_of_a_start_reaches_the_orchestrator(flows: Driver) -> None:
    """`start_new(..., version=…)` is the Version of ExecutionStarted; without one it is the empty text."""
    instance_id = flows.client("start_new", "facts", None, None, "2.1")
    assert flows.finished(instance_id)["output"]["version"] == "2.1"
    assert flows.output("facts")["version"] == ""
