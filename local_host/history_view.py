"""The history as a status request shows it: names for numbers, each schedule merged into its completion.

Durable extension, showHistory: OrchestratorStarted and OrchestratorCompleted are left out, a scheduling event whose
completion is known is folded into it, ids and played marks are removed, results are shown only on request.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from local_host.history import (
    EVENT_SENT,
    EXECUTION_COMPLETED,
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
    if kind == EXECUTION_COMPLETED:
        entry.setdefault("OrchestrationStatus", None)
    return entry
