"""Replaying events: what each does to the walk.

A scheduling event must find the decision that it records; a completion resolves the task that waits for it. (Durable
Task Framework: TaskOrchestrationExecutor and TaskOrchestrationContext.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from local_host import history
from local_host.history import Event
from local_host.walk_actions import advance, note_spelling
from local_host.walk_state import Loud, Walk

NON_DETERMINISTIC = "Non-Deterministic workflow detected: "


def replay(walk: Walk, event: Event) -> None:
    """Process one event, or keep it while suspended."""
    kind = event["EventType"]
    if walk.terminated is not None:
        return
    if walk.suspended and kind not in _PASSES_SUSPENSION:
        walk.held.append(event)
        return
    process = _REPLAY.get(kind)
    if process is not None:
        process(walk, event)


def _replay_started(walk: Walk, event: Event) -> None:
    walk.clock = event["Timestamp"]


def _replay_execution_started(walk: Walk, _event: Event) -> None:
    advance(walk)


def _replay_scheduled(walk: Walk, event: Event) -> None:
    """Durable Task Framework: id, kind and name are compared; inputs, times and entity ids are not."""
    task_id, kind = event["EventId"], event["EventType"]
    decision = walk.decisions.pop(task_id, None)
    recorded = f"{history.NAMES[kind]} with sequence number {task_id}"
    if event.get("Name"):
        recorded += f" and name '{event['Name']}'"
    if not walk.response.walked:
        return  # the function failed before it gave any action: that error is the story, not this one
    if decision is None:
        raise Loud(
            f"{NON_DETERMINISTIC}the history records {recorded}, but the current run of the orchestrator has not "
            "scheduled it. Was the orchestrator's code changed while this instance was running?"
        )
    same_name = decision.name is None or decision.name.lower() == (event.get("Name") or "").lower()
    if decision.event_type != kind or not same_name:
        scheduled = history.NAMES[decision.event_type] + (
            f" named '{decision.name}'" if decision.name else ""
        )
        raise Loud(
            f"{NON_DETERMINISTIC}the history records {recorded}, but the current run of the orchestrator schedules "
            f"{scheduled} there. Was the orchestrator's code changed while this instance was running?"
        )


def _replay_completed(walk: Walk, event: Event) -> None:
    _resolve(walk, event["TaskScheduledId"], result=event["Result"])


def _replay_failed(walk: Walk, event: Event) -> None:
    _resolve(walk, event["TaskScheduledId"], failed=True)


def _replay_timer_fired(walk: Walk, event: Event) -> None:
    _resolve(walk, event["TimerId"])


def _resolve(walk: Walk, task_id: int, *, failed: bool = False, result: str | None = None) -> None:
    task = walk.close(task_id)
    if task is not None:  # else a duplicate, or the timer was cancelled
        task.resolve(failed=failed, result=result)


def _replay_event_raised(walk: Walk, event: Event) -> None:
    name = event["Name"]
    call = walk.calls.pop(name, None)
    if call is not None:
        call.resolve()
        return
    if walk.continues:
        walk.carried.append(event)
        return
    waiting = walk.waits.get(name.lower())
    if waiting:
        note_spelling(walk, walk.wait_spelling[name.lower()], event)
        waiting.pop().resolve()  # the newest wait first, as in the extension and in the SDK
    else:
        walk.buffered.setdefault(name.lower(), deque()).append(event)


def _replay_terminated(walk: Walk, event: Event) -> None:
    walk.terminated = event["Input"]


def _replay_suspended(walk: Walk, _event: Event) -> None:
    walk.suspended = True


def _replay_resumed(walk: Walk, _event: Event) -> None:
    walk.suspended = False
    held, walk.held = walk.held, []
    for event in held:
        replay(walk, event)


_REPLAY: dict[int, Callable[[Walk, Event], None]] = {
    history.ORCHESTRATOR_STARTED: _replay_started,
    history.EXECUTION_STARTED: _replay_execution_started,
    history.TASK_SCHEDULED: _replay_scheduled,
    history.SUB_ORCHESTRATION_CREATED: _replay_scheduled,
    history.TIMER_CREATED: _replay_scheduled,
    history.EVENT_SENT: _replay_scheduled,
    history.TASK_COMPLETED: _replay_completed,
    history.SUB_ORCHESTRATION_COMPLETED: _replay_completed,
    history.TASK_FAILED: _replay_failed,
    history.SUB_ORCHESTRATION_FAILED: _replay_failed,
    history.TIMER_FIRED: _replay_timer_fired,
    history.EVENT_RAISED: _replay_event_raised,
    history.EXECUTION_TERMINATED: _replay_terminated,
    history.EXECUTION_SUSPENDED: _replay_suspended,
    history.EXECUTION_RESUMED: _replay_resumed,
}

# The clock is not an event to be kept: the framework sets it before it looks whether the execution is suspended.
_PASSES_SUSPENSION = frozenset(
    {history.ORCHESTRATOR_STARTED, history.EXECUTION_RESUMED, history.EXECUTION_TERMINATED}
)
