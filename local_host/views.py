"""What the Durable API shows: the status of an instance, its history, an entity in a list.

Durable extension, showHistory: event types by name; OrchestratorStarted and OrchestratorCompleted are left out; a
scheduling event whose completion is known is folded into it; ids and played marks are removed; results are shown only
on request.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from local_host.history import (
    EVENT_SENT,
    EXECUTION_STARTED,
    NAMES,
    ORCHESTRATOR_COMPLETED,
    ORCHESTRATOR_STARTED,
    SUB_ORCHESTRATION_COMPLETED,
    SUB_ORCHESTRATION_CREATED,
    SUB_ORCHESTRATION_FAILED,
    TASK_COMPLETED,
    TASK_FAILED,
    TASK_SCHEDULED,
    TIMER_CREATED,
    TIMER_FIRED,
)
from local_host.model import EntityInfo, Instance

_MARKERS = frozenset({ORCHESTRATOR_STARTED, ORCHESTRATOR_COMPLETED})
_SCHEDULES = frozenset({TASK_SCHEDULED, SUB_ORCHESTRATION_CREATED, TIMER_CREATED})
# completion: the member that names the scheduling event's id
_COMPLETIONS = {
    TASK_COMPLETED: "TaskScheduledId",
    TASK_FAILED: "TaskScheduledId",
    SUB_ORCHESTRATION_COMPLETED: "TaskScheduledId",
    SUB_ORCHESTRATION_FAILED: "TaskScheduledId",
    TIMER_FIRED: "TimerId",
}
_HIDDEN = frozenset(
    {
        "EventId", "IsPlayed", "TaskScheduledId", "TimerId", "OrchestrationInstance", "ParentInstance", "Version",
        "Tags", "FailureDetails",
    }
)  # fmt: skip
# Sent inputs may be anything the app knows; the extension shows none of them here.
_INPUT_HIDDEN = frozenset({EXECUTION_STARTED, TASK_SCHEDULED, SUB_ORCHESTRATION_CREATED, EVENT_SENT})


def parsed(text: Any) -> Any:
    """The value of a JSON text; a text that is no JSON as it is."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def history_view(events: Iterable[Mapping[str, Any]], *, show_output: bool) -> list[dict[str, Any]]:
    """The events of one execution, oldest first, as `historyEvents` lists them."""
    events = list(events)
    schedules = {event["EventId"]: event for event in events if event["EventType"] in _SCHEDULES}
    done = {event[member] for event in events if (member := _COMPLETIONS.get(event["EventType"]))}
    return [
        _entry(event, schedules, show_output=show_output)
        for event in events
        if event["EventType"] not in _MARKERS
        and not (event["EventType"] in _SCHEDULES and event["EventId"] in done)
    ]


def _entry(
    event: Mapping[str, Any], schedules: Mapping[int, Mapping[str, Any]], *, show_output: bool
) -> dict[str, Any]:
    kind = event["EventType"]
    entry: dict[str, Any] = {"EventType": NAMES.get(kind, str(kind))}
    for name, value in event.items():
        if name in _HIDDEN or name == "EventType" or (name == "Input" and kind in _INPUT_HIDDEN):
            continue
        if name == "Result":
            if show_output:
                entry[name] = parsed(value)
        elif name == "Name" and kind in {EXECUTION_STARTED, *_SCHEDULES}:
            entry["FunctionName"] = value
        else:
            entry[name] = value
    member = _COMPLETIONS.get(kind)
    schedule = schedules.get(event[member]) if member else None
    if schedule is not None:
        entry["ScheduledTime"] = schedule["Timestamp"]
        if kind == TIMER_FIRED:
            entry["FireAt"] = schedule["FireAt"]
        else:
            entry["FunctionName"] = schedule["Name"]
    return entry


def status_text(instance: Instance, *, show_input: bool, history: list[dict[str, Any]] | None = None) -> str:
    """The status body as JSON text, members in the extension's order.

    Texts known to be JSON are put in as they are: parsing them only to write them again would cost more than the rest.
    """
    output = instance.output
    if output is not None and instance.status != "Completed":
        output = json.dumps(parsed(output))
    tail = "" if history is None else f', "historyEvents": {json.dumps(history)}'
    return (
        f'{{"name": {json.dumps(instance.name)}, "instanceId": {json.dumps(instance.instance_id)}, '
        f'"runtimeStatus": "{instance.status}", '
        f'"input": {(show_input and instance.input) or "null"}, '
        f'"customStatus": {instance.custom_status or "null"}, "output": {output or "null"}, '
        f'"createdTime": "{_whole_seconds(instance.created_at)}", '
        f'"lastUpdatedTime": "{_whole_seconds(instance.updated_at)}"{tail}}}'
    )


def _whole_seconds(moment: datetime) -> str:
    return f"{moment.isoformat()[:19]}Z"


def entity_entry(entity: EntityInfo, *, with_state: bool) -> dict[str, Any]:
    """One entity as lists show it."""
    shown: dict[str, Any] = {
        "entityId": {"name": entity.name, "key": entity.key},
        "lastOperationTime": f"{entity.last_operation_at.astimezone(UTC).isoformat()[:19]}Z",
    }
    return {**shown, "state": parsed(entity.state)} if with_state else shown
