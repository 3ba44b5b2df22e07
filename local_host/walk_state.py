"""What one walk remembers: decisions, tasks and waits of one execution, as far as it has come.

A decision is something the orchestrator asked for, to become a scheduling event and a message. A task is the one-shot
future of its answer. See `walk` for the rules.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from local_host import history
from local_host.history import Event
from local_host.sdk import Response

Action = dict[str, Any]


class Known(NamedTuple):
    """What may be asked for: names that are registered, in lower case, and so many actions in one execution."""

    activities: Container[str]
    orchestrators: Container[str]
    entities: Container[str]
    max_actions: int = 100_000


class Identity(NamedTuple):
    """Which execution is walked."""

    name: str
    instance_id: str
    execution_id: str


@dataclass(frozen=True, slots=True)
class Activity:
    """Decision: execute an activity. `input` is the JSON text the function gave."""

    event_type: ClassVar[int] = history.TASK_SCHEDULED
    task_id: int
    name: str
    input: str | None


@dataclass(frozen=True, slots=True)
class Child:
    """Decision: start a sub-orchestration. `input` is the JSON text the function gave."""

    event_type: ClassVar[int] = history.SUB_ORCHESTRATION_CREATED
    task_id: int
    name: str
    instance_id: str
    input: str | None


@dataclass(frozen=True, slots=True)
class Timer:
    """Decision: create a timer; a cancelled one is written too, and fires into nothing."""

    event_type: ClassVar[int] = history.TIMER_CREATED
    name: ClassVar[str | None] = None
    task_id: int
    fire_at: str


@dataclass(frozen=True, slots=True)
class Operation:
    """Decision: call or signal an entity. `request_id` is None for a signal."""

    event_type: ClassVar[int] = history.EVENT_SENT
    name: ClassVar[str] = "op"  # the event's name; neither the entity nor its operation is compared on replay
    task_id: int
    entity_id: str
    operation: str
    input: str | None
    request_id: str | None


Decision = Activity | Child | Timer | Operation


class Loud(Exception):
    """The instance must fail now; the message is its output."""


class Task:
    """A one-shot future: done once, perhaps failed; then everybody who waits is called, in order."""

    __slots__ = ("done", "failed", "result", "waiting")

    def __init__(self) -> None:
        self.done = False
        self.failed = False
        self.result: str | None = None
        self.waiting: list[Callable[[Task], None]] = []

    def resolve(self, *, failed: bool = False, result: str | None = None) -> None:
        """Done, and everybody may go on."""
        if self.done:
            return
        self.done, self.failed, self.result = True, failed, result
        waiting, self.waiting = self.waiting, []
        for call in waiting:
            call(self)

    def when_done(self, call: Callable[[Task], None]) -> None:
        """Call back when done; at once if it is."""
        if self.done:
            call(self)
        else:
            self.waiting.append(call)


class Walk:
    """The working memory of one walk of one response through one history."""

    def __init__(self, identity: Identity, response: Response, known: Known) -> None:
        self.identity = identity
        self.response = response
        self.known = known
        self.decisions: dict[int, Decision] = {}
        self.open: dict[int, Task] = {}
        self.open_timers: dict[int, str] = {}  # task id to fire-at of the timers among the open tasks
        self.calls: dict[str, Task] = {}  # entity calls by request id
        self.call_ids: dict[str, int] = {}  # their task ids
        self.waits: dict[str, list[Task]] = {}  # external events by name in lower case, newest wait last
        self.wait_spelling: dict[str, str] = {}
        self.buffered: dict[str, deque[Event]] = {}
        self.taken_early: set[str] = set()  # names of which a buffered event has been taken
        self.position = 0  # the action that is invoked next, or waited for
        self.walked = False
        self.next_id = 0
        self.first_id = 0  # the first id that the action at `position` took
        self.clock = ""
        self.terminated: str | None = None
        self.suspended = False
        self.held: list[Event] = []  # events kept while suspended
        self.next_input: str | None = None
        self.continues = False
        self.carried: list[Event] = []
        self.warnings: list[str] = []

    def take_id(self) -> int:
        """The next task id."""
        task_id = self.next_id
        limit = self.known.max_actions
        if task_id >= limit:
            raise Loud(f"Maximum amount of orchestration actions ({limit:,}) has been reached.")
        self.next_id = task_id + 1
        return task_id

    def schedule(self, decision: Decision) -> Task:
        """Record a decision whose answer comes as an event with its id."""
        task = Task()
        self.decisions[decision.task_id] = decision
        self.open[decision.task_id] = task
        return task

    def close(self, task_id: int) -> Task | None:
        """Take a task out of the open ones; None when it is not there: a duplicate, or a cancelled timer."""
        self.open_timers.pop(task_id, None)
        return self.open.pop(task_id, None)
