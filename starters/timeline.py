"""One ceremony, step by step, for operators: what the engine's history and the audit entry say, in order of time."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from starters.views import instant

Step = tuple[str, str]
Event = Mapping[str, Any]


def timeline(history: Sequence[Event], entry: Event | None) -> list[dict[str, str]]:
    """[{"at", "source": "history" | "audit", "step", "detail"}], oldest first.

    `history` is the `historyEvents` of the status contract: scheduling events are merged into their completions. Events of
    kinds that say nothing about a ceremony are left out. `entry` is the audit entry, once there is one.
    """
    steps = [
        {"at": at, "source": "history", "step": step, "detail": detail}
        for event in history
        if (at := _instant_of(event.get("Timestamp"))) is not None
        for step, detail in _steps_of(event)
    ]
    for stage, at in entry["stages"] if entry else ():
        steps.append({"at": at, "source": "audit", "step": stage, "detail": ""})
    # Sorting is stable: what happened in the same millisecond stays in the order of its own source.
    return sorted(steps, key=lambda step: step["at"])


def _steps_of(event: Event) -> list[Step]:
    describe = _DESCRIBE.get(str(event.get("EventType")))
    return [describe(event)] if describe else []


def _function(event: Event) -> str:
    return str(event.get("FunctionName") or event.get("Name") or "activity")


def _took(event: Event) -> str:
    scheduled, done = event.get("ScheduledTime"), event.get("Timestamp")
    if not scheduled or not done:
        return "completed"
    milliseconds = (datetime.fromisoformat(done) - datetime.fromisoformat(scheduled)).total_seconds() * 1000
    return f"completed after {milliseconds:.0f} ms"


def _raised(event: Event) -> Step:
    name = str(event.get("Name", ""))
    # An entity's answer comes as an event that is named by the id of the question.
    return ("entity", "answered") if name.count("-") == 4 else (name, "event received")


def _ended(event: Event) -> Step:
    return "execution", f"ended: {event.get('OrchestrationStatus', 'unknown')}"


_DESCRIBE: Mapping[str, Callable[[Event], Step]] = {
    "ExecutionStarted": lambda event: ("execution", f"started: {_function(event)}"),
    "ExecutionCompleted": _ended,
    "ExecutionTerminated": lambda _: ("execution", "terminated by an operator"),
    "ExecutionSuspended": lambda _: ("execution", "suspended by an operator"),
    "ExecutionResumed": lambda _: ("execution", "resumed by an operator"),
    "TaskScheduled": lambda event: (_function(event), "scheduled"),
    "TaskCompleted": lambda event: (_function(event), _took(event)),
    "TaskFailed": lambda event: (_function(event), "failed"),
    "EventSent": lambda event: (str(event.get("InstanceId") or "entity"), "message sent"),
    "EventRaised": _raised,
    "TimerCreated": lambda event: ("deadline", f"set to {_instant_of(event.get('FireAt'))}"),
    "TimerFired": lambda _: ("deadline", "passed"),
}


def _instant_of(text: object) -> str | None:
    """The engine's time, of up to seven decimals, as every other time of the API."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant(at if at.tzinfo else at.replace(tzinfo=UTC))
