"""History events: the facts of an execution in the form that the SDK reads.

An event is a plain JSON object. `EventId` is the task id for the four scheduling events and -1 for messages and
markers (Durable Task Framework: HistoryEvent). `IsPlayed` is false on what is new in an episode and on what the episode
itself adds; the messages it delivered are marked once it is over.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from local_host.database import from_us, to_us

Event = dict[str, Any]

EXECUTION_STARTED = 0
EXECUTION_COMPLETED = 1
EXECUTION_TERMINATED = 3
TASK_SCHEDULED = 4
TASK_COMPLETED = 5
TASK_FAILED = 6
SUB_ORCHESTRATION_CREATED = 7
SUB_ORCHESTRATION_COMPLETED = 8
SUB_ORCHESTRATION_FAILED = 9
TIMER_CREATED = 10
TIMER_FIRED = 11
ORCHESTRATOR_STARTED = 12
ORCHESTRATOR_COMPLETED = 13
EVENT_SENT = 14
EVENT_RAISED = 15
GENERIC_EVENT = 17
EXECUTION_SUSPENDED = 19
EXECUTION_RESUMED = 20

NAMES = {
    EXECUTION_STARTED: "ExecutionStarted",
    EXECUTION_COMPLETED: "ExecutionCompleted",
    EXECUTION_TERMINATED: "ExecutionTerminated",
    TASK_SCHEDULED: "TaskScheduled",
    TASK_COMPLETED: "TaskCompleted",
    TASK_FAILED: "TaskFailed",
    SUB_ORCHESTRATION_CREATED: "SubOrchestrationInstanceCreated",
    SUB_ORCHESTRATION_COMPLETED: "SubOrchestrationInstanceCompleted",
    SUB_ORCHESTRATION_FAILED: "SubOrchestrationInstanceFailed",
    TIMER_CREATED: "TimerCreated",
    TIMER_FIRED: "TimerFired",
    ORCHESTRATOR_STARTED: "OrchestratorStarted",
    ORCHESTRATOR_COMPLETED: "OrchestratorCompleted",
    EVENT_SENT: "EventSent",
    EVENT_RAISED: "EventRaised",
    GENERIC_EVENT: "GenericEvent",
    EXECUTION_SUSPENDED: "ExecutionSuspended",
    EXECUTION_RESUMED: "ExecutionResumed",
}

# ASCII only: a lone surrogate stays an escape, so whatever the app says can be stored.
to_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def timestamp(us: int) -> str:
    """The one form in which this host writes instants: `2026-01-02T03:04:05.678901Z`, always 27 characters."""
    return from_us(us).isoformat(timespec="microseconds")[:-6] + "Z"


def parse_timestamp(text: str) -> int:
    """Microseconds of an instant as the SDK writes it (`fireAt`). Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return to_us(moment)


def later(text: str, milliseconds: int) -> str:
    """The timestamp so many milliseconds after another one."""
    return timestamp(parse_timestamp(text) + milliseconds * 1000)


def storable(text: str) -> bool:
    """Whether SQLite can keep the text: a lone surrogate has no UTF-8 form."""
    return text.isascii() or text.encode("utf-8", "replace").decode() == text


def cleaned(text: str) -> str:
    """The text as SQLite can keep it: half a character becomes a question mark."""
    return text if storable(text) else text.encode("utf-8", "replace").decode()


def orchestrator_started(at: str) -> Event:
    """An episode begins; its timestamp is what `current_utc_datetime` shows."""
    return {"EventType": ORCHESTRATOR_STARTED, "EventId": -1, "IsPlayed": False, "Timestamp": at}


def orchestrator_completed(at: str) -> Event:
    """An episode ends."""
    return {"EventType": ORCHESTRATOR_COMPLETED, "EventId": -1, "IsPlayed": False, "Timestamp": at}


def execution_started(
    at: str,
    *,
    name: str,
    version: str,
    input_text: str | None,
    instance_id: str,
    execution_id: str,
    parent: tuple[str, str, int] | None,
) -> Event:
    """The first message of an execution. `parent` is (instance id, execution id, task id) of a sub-orchestration's."""
    parent_instance = None
    if parent is not None:
        parent_instance = {
            "OrchestrationInstance": {"InstanceId": parent[0], "ExecutionId": parent[1]},
            "TaskScheduleId": parent[2],
        }
    return {
        "EventType": EXECUTION_STARTED,
        "EventId": -1,
        "IsPlayed": False,
        "Timestamp": at,
        "Name": name,
        "Version": version,
        "Input": input_text,
        "Tags": None,
        "ParentInstance": parent_instance,
        "OrchestrationInstance": {"InstanceId": instance_id, "ExecutionId": execution_id},
    }


def execution_completed(at: str, status: str, result: str | None) -> Event:
    """The last event of an execution; the function never sees it."""
    return {
        "EventType": EXECUTION_COMPLETED,
        "EventId": -1,
        "IsPlayed": False,
        "Timestamp": at,
        "OrchestrationStatus": status,
        "Result": result,
        "FailureDetails": None,
    }


def task_completed(at: str, task_id: int, result: str | None) -> Event:
    """An activity returned. The SDK needs `Result` to be present, null or not."""
    return {
        "EventType": TASK_COMPLETED,
        "EventId": -1,
        "IsPlayed": False,
        "Timestamp": at,
        "TaskScheduledId": task_id,
        "Result": result,
    }


def task_failed(at: str, task_id: int, reason: str, details: str | None) -> Event:
    """An activity raised, or took too long."""
    return {
        "EventType": TASK_FAILED,
        "EventId": -1,
        "IsPlayed": False,
        "Timestamp": at,
        "TaskScheduledId": task_id,
        "Reason": reason,
        "Details": details,
        "FailureDetails": None,
    }


def sub_orchestration_completed(at: str, task_id: int, result: str | None) -> Event:
    """A child completed."""
    return task_completed(at, task_id, result) | {"EventType": SUB_ORCHESTRATION_COMPLETED}


def sub_orchestration_failed(at: str, task_id: int, reason: str, details: str | None) -> Event:
    """A child failed or was terminated."""
    return task_failed(at, task_id, reason, details) | {"EventType": SUB_ORCHESTRATION_FAILED}


def timer_fired(at: str, task_id: int, fire_at: str) -> Event:
    """A timer is due."""
    return {
        "EventType": TIMER_FIRED,
        "EventId": -1,
        "IsPlayed": False,
        "Timestamp": at,
        "TimerId": task_id,
        "FireAt": fire_at,
    }


def event_raised(at: str, name: str, input_text: str | None) -> Event:
    """An external event, or an entity's answer (then the name is the request's id)."""
    return {
        "EventType": EVENT_RAISED,
        "EventId": -1,
        "IsPlayed": False,
        "Timestamp": at,
        "Name": name,
        "Input": input_text,
    }


def _with_reason(event_type: int, at: str, member: str, reason: str) -> Event:
    return {"EventType": event_type, "EventId": -1, "IsPlayed": False, "Timestamp": at, member: reason}


def execution_terminated(at: str, reason: str) -> Event:
    """Somebody ended the instance; `Input` is the reason."""
    return _with_reason(EXECUTION_TERMINATED, at, "Input", reason)


def execution_suspended(at: str, reason: str) -> Event:
    """From here on events are kept, not processed."""
    return _with_reason(EXECUTION_SUSPENDED, at, "Reason", reason)


def execution_resumed(at: str, reason: str) -> Event:
    """What was kept is processed, in order."""
    return _with_reason(EXECUTION_RESUMED, at, "Reason", reason)


def generic_event(at: str, data: str) -> Event:
    """A mark that the function does not see (rewind leaves one)."""
    return _with_reason(GENERIC_EVENT, at, "Data", data)


def entity_id(written: str) -> str:
    """The one spelling of an entity's id: `@name@key`, the name in lower case, the key as it is."""
    name, at, key = written[1:].partition("@")
    return f"@{name.lower()}{at}{key}"


def rewound(events: Iterable[Event]) -> tuple[list[Event], list[str]]:
    """A failed history as if its failures had not happened, and the ids of the children to be rewound with it.

    Durable Task Framework, rewind: failed activities are forgotten together with their scheduling, so that replay asks
    for them again under the same ids; a failed child keeps its place, because it is rewound itself and will report again.
    """
    kept = list(events)
    failed = {event["TaskScheduledId"] for event in kept if event["EventType"] == TASK_FAILED}
    failed_children = {
        event["TaskScheduledId"] for event in kept if event["EventType"] == SUB_ORCHESTRATION_FAILED
    }
    children = [
        event["InstanceId"]
        for event in kept
        if event["EventType"] == SUB_ORCHESTRATION_CREATED and event["EventId"] in failed_children
    ]
    gone = {TASK_FAILED, SUB_ORCHESTRATION_FAILED, EXECUTION_COMPLETED}
    return [
        event
        for event in kept
        if event["EventType"] not in gone
        and not (event["EventType"] == TASK_SCHEDULED and event["EventId"] in failed)
    ], children
