"""The walk: what the Durable extension does with the actions an orchestrator function returned. Pure.

Two rules live here. First, the function answers each time with all actions since the start, and the walk goes through
them in order: invoke one, wait for its task, invoke the next. Second, the history is replayed event by event through
that walk: a scheduling event must find the decision it records, a completion resolves the task that waits for it, and
whatever decisions are left at the end are new. (Durable extension: out-of-process orchestration shim; Durable Task
Framework: TaskOrchestrationExecutor and TaskOrchestrationContext.)

Ids: one counter for each execution, from 0. Activities, sub-orchestrations, timers, entity calls and signals take one
each; waits, compounds and continue-as-new none; a retried call takes one for each attempt and each pause.

Where the real engine would hang for ever without a word, this one fails the instance and says why (`Loud`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from local_host import history
from local_host.history import Event
from local_host.sdk import Response
from local_host.walk_events import replay
from local_host.walk_state import Action, Decision, Identity, Known, Loud, Walk

_CUSTOM_STATUS_KB = 16
_WHEN_ALL = 12
_ANSWERED = frozenset({0, 2, 7})  # actions that take one id and get one answer
_LATE_TIMER_US = 60 * 1_000_000


class Outcome(NamedTuple):
    """What an episode comes to.

    `status` is Running, Suspended, Completed, Failed, Terminated or ContinuedAsNew; `output` the result's JSON text or a
    plain sentence; `open_calls` how many answers of activities, children and entities are owed. `needs` names the answers
    (by task id, or by request id) without all of which another episode cannot get further: the function stands at a
    task_all of them.
    """

    status: str
    decisions: tuple[Decision, ...] = ()
    output: str | None = None
    custom_status: str | None = None
    next_input: str | None = None
    carried: tuple[Event, ...] = ()
    open_calls: int = 0
    needs: frozenset[int | str] = frozenset()
    warnings: tuple[str, ...] = ()


def walk(
    identity: Identity,
    response: Response,
    events: Iterable[Event],
    known: Known,
    *,
    more_messages: bool = False,
) -> Outcome:
    """Replay all events, old and new, against one response; what comes of it.

    `more_messages` says that something else waits to be delivered, so that standing still is not yet being stuck.
    """
    state = Walk(identity, response, known)
    try:
        _check_custom_status(response)
    except Loud as failure:
        state.response = response._replace(custom_status=None)
        return _ended(state, "Failed", str(failure))
    try:
        for event in events:
            replay(state, event)
        if not more_messages:
            _check_stuck(state)
    except Loud as failure:
        return _ended(state, "Failed", str(failure))
    return _outcome(state)


def _outcome(state: Walk) -> Outcome:
    response = state.response
    if state.terminated is not None:
        return _ended(state, "Terminated", state.terminated)
    if not state.open and state.walked:
        # Nothing completes, fails or continues while a task is open.
        if response.error is not None:
            return _ended(
                state, "Failed", f"Orchestrator function '{state.identity.name}' failed: {response.error}"
            )
        if state.continues:
            return _ended(state, "ContinuedAsNew", None)
        if response.is_done:
            return _ended(state, "Completed", response.output)
    _warn_of_late_timers(state)
    return Outcome(
        status="Suspended" if state.suspended else "Running",
        decisions=_new_decisions(state),
        custom_status=response.custom_status,
        open_calls=len(state.open) - len(state.open_timers) + len(state.calls),
        needs=_needs(state),
        warnings=tuple(state.warnings),
    )


def _needs(state: Walk) -> frozenset[int | str]:
    if state.walked or state.suspended or state.response.is_done or state.response.error is not None:
        return frozenset()
    action = state.response.actions[state.position]
    last = state.position == len(state.response.actions) - 1  # else the SDK is ahead
    if not last or action["actionType"] != _WHEN_ALL:
        return frozenset()
    if any(child["actionType"] not in _ANSWERED for child in action["compoundActions"]):
        return frozenset()
    tasks: set[int | str] = {task_id for task_id in state.open if task_id >= state.first_id}
    return frozenset(tasks.union(name for name in state.calls if state.call_ids[name] >= state.first_id))


def _ended(state: Walk, status: str, output: str | None) -> Outcome:
    return Outcome(
        status=status,
        decisions=_new_decisions(state),
        output=output,
        custom_status=state.response.custom_status,
        next_input=state.next_input,
        carried=tuple(state.carried),
        warnings=tuple(state.warnings),
    )


def _new_decisions(state: Walk) -> tuple[Decision, ...]:
    return tuple(decision for _, decision in sorted(state.decisions.items()))


def _check_custom_status(response: Response) -> None:
    """Extension: UTF-16 bytes divided by 1024, rounded down, must not be above 16."""
    status = response.custom_status
    if status is None or len(status) < _CUSTOM_STATUS_KB * 512:
        return  # ASCII text: escapes make it longer than the real one, never shorter
    units = len(_unescaped(status).encode("utf-16-le", "surrogatepass"))
    if units // 1024 > _CUSTOM_STATUS_KB:
        raise Loud(
            f"The size of the JSON-serialized payload must not exceed {_CUSTOM_STATUS_KB} KB of UTF-16 text. "
            f"The current size is {units // 1024} KB."
        )


def _unescaped(text: str) -> str:
    return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)


def _check_stuck(state: Walk) -> None:
    """The SDK has gone past the action at which the engine stands, and nothing that is under way can move the engine."""
    if state.walked or state.open or state.calls or state.suspended or state.terminated is not None:
        return
    response = state.response
    passed = response.is_done or response.error is not None or state.position < len(response.actions) - 1
    if passed:
        action = response.actions[state.position]
        own = f" The orchestrator's own error was: {response.error}" if response.error else ""
        raise Loud(
            f"The orchestrator has gone on, but the engine still waits for {_described(action)}: on Azure the instance "
            "would stay Running. A task that was already used in an earlier task_any or task_all does not count in a "
            f"later one, and task_all waits for every task even after one has failed. Create new tasks for each compound.{own}"
        )


def _described(action: Action) -> str:
    names = {
        6: "the event {externalEventName!r}",
        11: "any task of a task_any",
        12: "all tasks of a task_all",
    }
    return names.get(action["actionType"], "action {actionType}").format(**action)


def _warn_of_late_timers(state: Walk) -> None:
    if not state.response.is_done or not state.open_timers or not state.clock:
        return
    latest = max(state.open_timers.values())
    if history.parse_timestamp(latest) - history.parse_timestamp(state.clock) > _LATE_TIMER_US:
        state.warnings.append(
            f"The orchestrator is done, but a timer that it did not cancel is open until {latest}: the instance stays "
            "Running until then. Cancel the timer when it lost."
        )
