"""One episode: run an orchestrator function over its history and new messages, walk its actions, say what follows.

Nothing is changed here; the turn applies the result. So an episode that raises has done nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from local_host import history
from local_host.engine_state import Execution
from local_host.history import Event, to_json
from local_host.model import Functions
from local_host.sdk import Response, run_orchestrator
from local_host.walk import Outcome, walk
from local_host.walk_state import Activity, Child, Decision, Identity, Known, Operation, Timer

# Extension: the durations are those of Azure Storage; SDK: `upperSchemaVersionNew` 2 gives answers of schema version 2.
_REQUEST_TAIL = (
    '"upperSchemaVersion":1,"upperSchemaVersionNew":2,"longRunningTimerIntervalDuration":"3.00:00:00",'
    '"maximumShortTimerDuration":"6.00:00:00","defaultHttpAsyncRequestSleepTimeMillseconds":30000}'
)


class Episode(NamedTuple):
    """What one episode adds: the events before the decisions (its start and the messages), and the outcome."""

    events: tuple[Event, ...]
    parts: tuple[str, ...]
    outcome: Outcome


def run_episode(
    execution: Execution,
    messages: Sequence[Event],
    functions: Functions,
    known: Known,
    *,
    at: str,
    more: bool,
) -> Episode:
    """Deliver the messages at the instant `at`. `more` says that others wait behind them."""
    events = (history.orchestrator_started(at), *messages)
    parts = tuple(to_json(event) for event in events)
    response = _respond(execution, parts, functions)
    outcome = walk(identity_of(execution), response, [*execution.events, *events], known, more_messages=more)
    return Episode(events, parts, outcome)


def _respond(execution: Execution, new_parts: Sequence[str], functions: Functions) -> Response:
    orchestrator = functions.orchestrators.get(execution.name.lower())
    if orchestrator is None:
        return Response([], False, _UNREGISTERED.format(execution.name), None, None, walked=False)
    return run_orchestrator(orchestrator.handle, request_text(execution, new_parts))


def request_text(execution: Execution, new_parts: Sequence[str]) -> str:
    """The JSON text that the orchestrator's handle receives. The stored input is embedded as it is: parsed once."""
    parent = None if execution.parent is None else execution.parent[0]
    is_replaying = "true" if execution.parts else "false"
    return (
        f'{{"history":[{",".join([*execution.parts, *new_parts])}],"input":{execution.input or "null"},'
        f'"instanceId":{to_json(execution.instance_id)},"isReplaying":{is_replaying},'
        f'"parentInstanceId":{to_json(parent)},{_REQUEST_TAIL}'
    )


def identity_of(execution: Execution) -> Identity:
    """Which execution it is."""
    return Identity(execution.name, execution.instance_id, execution.execution_id)


def scheduling_event(decision: Decision, identity: Identity, at: str) -> Event:
    """The event that records a decision in the history."""
    event: Event = {
        "EventType": decision.event_type,
        "EventId": decision.task_id,
        "IsPlayed": False,
        "Timestamp": at,
    }
    return event | _MEMBERS[type(decision)](decision, identity)


def _activity_members(decision: Activity, _identity: Identity) -> Event:
    return {"Name": decision.name, "Version": "", "Input": None, "Tags": None}


def _child_members(decision: Child, _identity: Identity) -> Event:
    input_text = None if decision.input is None else to_json(decision.input)
    return {"Name": decision.name, "Version": "", "InstanceId": decision.instance_id, "Input": input_text}


def _timer_members(decision: Timer, _identity: Identity) -> Event:
    return {"FireAt": history.timestamp(history.parse_timestamp(decision.fire_at))}


def _operation_members(decision: Operation, identity: Identity) -> Event:
    # The action's JSON text travels as a JSON string: the entity function decodes it twice.
    message: Event = {
        "op": decision.operation,
        "input": None if decision.input is None else to_json(decision.input),
    }
    if decision.request_id is None:
        message["signal"] = True
    else:
        message |= {
            "id": decision.request_id,
            "parent": identity.instance_id,
            "parentExecution": identity.execution_id,
        }
    return {"InstanceId": decision.entity_id, "Name": decision.name, "Input": to_json(message)}


_MEMBERS: dict[type, Callable[..., Event]] = {
    Activity: _activity_members,
    Child: _child_members,
    Timer: _timer_members,
    Operation: _operation_members,
}

_UNREGISTERED = (
    "The function '{}' doesn't exist, is disabled, or is not an orchestrator function. It was registered when this "
    "instance was started. Register it again and rewind the instance."
)
