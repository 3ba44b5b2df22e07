"""What the engine and its callers exchange: function tables, options, instances, filters and errors.

Errors, all children of `EngineError`; `code` is stable, `http_status` is what the Durable extension answers:

    EngineError
    ├── UnknownFunction     400  no such orchestrator or entity
    ├── InvalidArgument     400  an instance id, name or text the extension refuses
    ├── UnknownInstance     404  (400 for restart)
    ├── InstanceFinished    410
    ├── InstanceExists      500
    ├── WrongState          500  already suspended, not suspended, not failed
    ├── StorageFailed       500  the commit failed; nothing was accepted
    └── ShuttingDown        503
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

ACTIVE = frozenset({"Pending", "Running", "Suspended", "ContinuedAsNew"})
FINISHED = frozenset({"Completed", "Failed", "Terminated"})


class EngineError(Exception):
    """The root of what the engine refuses."""

    code = "engine_error"
    http_status = 500


class UnknownFunction(EngineError):
    """No function of that kind and name is registered."""

    code = "unknown_function"
    http_status = 400


class InvalidArgument(EngineError):
    """An instance id, event name or text that the Durable extension refuses."""

    code = "invalid_argument"
    http_status = 400


class UnknownInstance(EngineError):
    """There is no instance with that id."""

    code = "unknown_instance"
    http_status = 404

    def __init__(self, instance_id: str, *, http_status: int = 404) -> None:
        super().__init__(f"There is no instance with the id {instance_id!r}.")
        self.http_status = http_status


class InstanceFinished(EngineError):
    """The instance is over and takes no more messages."""

    code = "instance_finished"
    http_status = 410

    def __init__(self, instance_id: str, status: str) -> None:
        super().__init__(f"The instance {instance_id!r} is {status}.")


class InstanceExists(EngineError):
    """An active instance has that id."""

    code = "instance_exists"

    def __init__(self, status: str) -> None:
        super().__init__(f"An Orchestration instance with the status {status} already exists.")


class WrongState(EngineError):
    """The instance is not in a state in which this can be done."""

    code = "wrong_state"


class StorageFailed(EngineError):
    """The commit failed. Nothing of the request was kept, or it cannot be known; look at the instance."""

    code = "storage_failed"


class ShuttingDown(EngineError):
    """The host is stopping and accepts nothing more."""

    code = "shutting_down"
    http_status = 503


class Body(Protocol):
    """What an orchestrator or entity handle receives: an object with the request's JSON text."""

    body: str


@dataclass(frozen=True, slots=True)
class Orchestrator:
    """A registered orchestrator: the name as registered, and the handle the SDK's decorator built."""

    name: str
    handle: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class EntityFunction:
    """A registered entity function and its handle."""

    name: str
    handle: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class ActivityFunction:
    """A registered activity: `call` takes the input's JSON text and returns the result's; what it raises is the failure."""

    name: str
    call: Callable[[str | None], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class Functions:
    """The app's durable functions by name. Keys are lower case: names are looked up ignoring case."""

    orchestrators: Mapping[str, Orchestrator]
    entities: Mapping[str, EntityFunction]
    activities: Mapping[str, ActivityFunction]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What an operator may turn. Defaults suit one process on a small machine."""

    # functionTimeout of host.json; an activity that takes longer has failed. None: no limit.
    function_timeout_s: float | None = 1800.0
    # How many activities run at once; the rest wait in the state file.
    max_activities: int = 256
    # After so long a turn commits and lets the loop serve others before it goes on.
    turn_slice_s: float = 0.02
    # How long an answer may wait for the others without which its orchestration cannot go on (task_all). 0: not at all.
    gather_s: float = 0.02
    # maxOrchestrationActions: more in one execution fail the instance.
    max_actions: int = 100_000
    # Operations that one call of an entity function gets at most; the extension's default on a dedicated plan is 5000.
    entity_batch: int = 200
    # How many running instances are kept parsed in memory. More run as well, read again when something happens.
    cached_instances: int = 2000
    cached_entities: int = 5000
    # "NonRunningStates" or "AnyState": which instances a start with the same id replaces (overridableExistingInstanceStates).
    overridable_states: str = "NonRunningStates"
    # Longer payloads travel through blobs on Azure: slower, and worth knowing.
    large_payload_bytes: int = 60 * 1024
    # A function that runs this long inline blocks everybody: it is logged with its stack.
    watchdog_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance as status requests see it.

    Input, custom status and output are stored texts: JSON, or plain text (a termination reason, a failure message).
    """

    instance_id: str
    name: str
    status: str
    input: str | None
    custom_status: str | None
    output: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class InstanceFilter:
    """Which instances a list or purge means. None: any. Both ends of the span are included."""

    created_from: datetime | None = None
    created_to: datetime | None = None
    statuses: tuple[str, ...] | None = None
    prefix: str | None = None


@dataclass(frozen=True, slots=True)
class EntityInfo:
    """One entity as lists show it; `state` is JSON text."""

    name: str
    key: str
    state: str | None
    last_operation_at: datetime
