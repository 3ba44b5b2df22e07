"""What the engine has in memory of the state file, and the one way back into it.

A turn computes on these objects; `State.flush` writes what changed in one transaction. Nothing is written before, so an
episode that raises leaves no trace, and a commit that fails leaves the file as it was: then `State.forget` drops
everything in memory and the file is the truth again.
"""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from local_host import history
from local_host.database import Database
from local_host.history import Event, to_json
from local_host.model import ACTIVE, FINISHED, EngineOptions
from local_host.queries import statements

SQL = statements("turn.sql")
START = statements("start.sql")


class Message(NamedTuple):
    """An event to be delivered. `execution_id` restricts it to one execution; `row` is its place in the inbox, if any."""

    event: Event
    execution_id: str | None = None
    row: int | None = None


class ActivityWork(NamedTuple):
    """An activity that is owed a result."""

    id: int
    instance: int
    instance_id: str
    execution_id: str
    task_id: int
    name: str
    input: str | None


@dataclass(slots=True)
class Execution:
    """One instance in memory: its row, its history, what waits for it, and what of this is not yet stored."""

    row: int
    instance_id: str
    execution_id: str
    name: str
    version: str
    status: str
    input: str | None
    custom_status: str | None
    output: str | None
    created_us: int
    updated_us: int
    parent: tuple[str, str, int] | None

    events: list[Event] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)  # the same history as JSON texts, each one or more events
    messages: deque[Message] = field(default_factory=deque)
    activities: dict[int, int] = field(default_factory=dict)  # task id to activity id, of those owed a result
    open_calls: int = 0  # answers owed by activities, children and entities
    needs: frozenset[int | str] = frozenset()  # the answers without which another episode cannot get further

    # Not yet stored:
    stored: tuple[str, str] | None = None  # execution id and status in the file; None: not there yet
    renewed: bool = False  # the file holds another generation, or an ended one that runs again
    stored_parts: int = 0
    stored_events: int = 0
    delivered_rows: list[int] = field(default_factory=list)
    new_activities: list[ActivityWork] = field(default_factory=list)
    answered_activities: list[int] = field(default_factory=list)
    new_timers: list[tuple[int, int]] = field(default_factory=list)
    fired_timers: list[int] = field(default_factory=list)

    @property
    def is_active(self) -> bool:
        """Not over."""
        return self.status in ACTIVE

    @property
    def is_over(self) -> bool:
        """Completed, failed or terminated: nothing new is begun for it. (It may be about to continue as new.)"""
        return self.status in FINISHED

    @property
    def is_settled(self) -> bool:
        """Nothing is under way: it is over, or waits for events and timers only."""
        return (
            not self.is_active or self.status == "Suspended" or (not self.messages and self.open_calls == 0)
        )

    def record(self, event: Event) -> None:
        """Add one event to the history."""
        self.events.append(event)
        self.parts.append(to_json(event))

    def restart_history(self) -> None:
        """Begin an empty history; what was stored of the old one is deleted with the next commit."""
        self.events, self.parts, self.stored_parts, self.stored_events = [], [], 0, 0


class OperationMessage(NamedTuple):
    """An operation for an entity; a call carries who asked, a signal does not."""

    name: str
    input: str | None
    request_id: str | None = None
    caller_instance_id: str | None = None
    caller_execution_id: str | None = None
    row: int | None = None


@dataclass(slots=True)
class Entity:
    """One entity in memory. `row` is None while it is not stored."""

    entity_id: str
    row: int | None
    state: str | None
    exists: bool
    created_us: int
    updated_us: int
    queue: deque[OperationMessage] = field(default_factory=deque)
    executed_rows: list[int] = field(default_factory=list)
    changed: bool = False


class State:
    """The executions and entities in memory, the ids to give out, and what is ready to run."""

    def __init__(self, database: Database, options: EngineOptions, run_id: str) -> None:
        self.database = database
        self.options = options
        self.run_id = run_id
        self.set_aside: set[int | str] = set()  # executions and entities whose turns cannot be committed
        self.forget()

    def forget(self) -> None:
        """Drop everything in memory and begin again from the file."""
        self.executions: dict[int, Execution] = {}
        self.by_id: dict[str, Execution] = {}
        self.entities: dict[str, Entity] = {}
        self.ready: dict[int, Execution] = {}
        self.ready_entities: dict[str, Entity] = {}
        self.gathering: dict[int, Execution] = {}  # has an answer, and needs others before it can go on
        self.dirty: dict[int, Execution] = {}
        self.dirty_entities: dict[str, Entity] = {}
        self.deleted_rows: list[int] = []
        self.leases: list[tuple[str, int, int]] = []
        self.next_timer_us: int | None = None
        last = self.database.row(START["last_ids"])
        assert last is not None
        self.instance_ids, self.inbox_ids, self.activity_ids, self.entity_rows, self.operation_ids = (
            itertools.count(number + 1) for number in last
        )

    def recover(self) -> None:
        """Make ready again whatever has messages waiting in the file."""
        for (row,) in self.database.rows(START["instances_with_messages"]):
            execution = self.by_row(row)
            if execution is not None and row not in self.set_aside:
                self.ready[row] = execution
        for (entity_id,) in self.database.rows(START["entities_with_operations"]):
            if entity_id not in self.set_aside:
                self.ready_entities[entity_id] = self.entity(entity_id, 0)
        self.read_next_timer()

    def read_next_timer(self) -> None:
        """Ask the file when the next timer is due."""
        found = self.database.row(SQL["next_timer"])
        self.next_timer_us = None if found is None else found[0]

    # -- finding and making ------------------------------------------------------------------------------------------

    def find(self, instance_id: str) -> Execution | None:
        """The instance with the app's id, finished ones included."""
        return self.by_id.get(instance_id) or self._load("instance_by_id", instance_id)

    def by_row(self, row: int) -> Execution | None:
        """The instance with our number."""
        return self.executions.get(row) or self._load("instance_by_row", row)

    def _load(self, statement: str, key: object) -> Execution | None:
        values = self.database.row(SQL[statement], (key,))
        if values is None or values[0] in self.deleted_rows:
            return None
        parent = None if values[11] is None else (values[11], values[12], values[13])
        execution = Execution(*(*values[:11], parent))
        execution.stored = (execution.execution_id, execution.status)
        if execution.status in FINISHED:
            return execution  # looked at, not kept: nothing more happens to it
        self.load_history(execution)
        for row, execution_id, event in self.database.rows(SQL["instance_inbox"], (execution.row,)):
            execution.messages.append(Message(json.loads(event), execution_id, row))
        execution.activities = dict(self.database.rows(SQL["instance_activities"], (execution.row,)))
        # What its children and entities owe is known again after the next episode; until then only this much.
        execution.open_calls = len(execution.activities)
        self.keep(execution)
        return execution

    def load_history(self, execution: Execution) -> None:
        """Read the stored history of an execution into memory."""
        for _sequence, text in self.database.rows(SQL["instance_history"], (execution.row,)):
            execution.events += json.loads(text)
            execution.parts.append(text[1:-1])
        execution.stored_parts, execution.stored_events = len(execution.parts), len(execution.events)

    def keep(self, execution: Execution) -> None:
        """Hold an execution in memory."""
        self.executions[execution.row] = execution
        self.by_id[execution.instance_id] = execution

    def add(self, execution: Execution) -> None:
        """A new execution, to be stored with this turn."""
        self.keep(execution)
        self.dirty[execution.row] = execution

    def remove(self, execution: Execution) -> None:
        """Delete an instance and everything of it with this turn."""
        if execution.stored is not None:
            self.deleted_rows.append(execution.row)
        self.drop(execution)
        self.dirty.pop(execution.row, None)

    def drop(self, execution: Execution) -> None:
        """Keep an execution in memory no longer."""
        self.executions.pop(execution.row, None)
        if self.by_id.get(execution.instance_id) is execution:
            del self.by_id[execution.instance_id]
        self.ready.pop(execution.row, None)
        self.gathering.pop(execution.row, None)

    def deliver(self, execution: Execution, event: Event, execution_id: str | None = None) -> None:
        """Put a message before an execution and make it ready.

        One of several answers that it needs all of may wait a moment for the others: Azure too delivers what has
        arrived in batches, and an episode that can change nothing costs as much as one that can.
        """
        execution.messages.append(Message(event, execution_id))
        self.dirty[execution.row] = execution
        if execution.row in self.set_aside:
            return
        if execution.row not in self.ready and self.options.gather_s and _must_wait(execution, event):
            self.gathering[execution.row] = execution
        else:
            self.gathering.pop(execution.row, None)
            self.ready[execution.row] = execution

    def gathered(self) -> None:
        """What has waited for further answers has waited long enough."""
        self.ready |= self.gathering
        self.gathering = {}

    def entity(self, entity_id: str, now_us: int) -> Entity:
        """An entity, existing or not, with what waits for it."""
        entity = self.entities.get(entity_id)
        if entity is None:
            found = self.database.row(SQL["entity_by_id"], (entity_id,))
            if found is None:
                entity = Entity(entity_id, None, None, exists=False, created_us=now_us, updated_us=now_us)
            else:
                entity = Entity(entity_id, found[0], found[1], True, found[2], found[3])
            for row in self.database.rows(SQL["entity_operations"], (entity_id,)):
                entity.queue.append(OperationMessage(*row))
            self.entities[entity_id] = entity
        return entity

    def enqueue(self, entity: Entity, operation: OperationMessage) -> None:
        """Put an operation at the end of an entity's queue and make it ready."""
        entity.queue.append(operation)
        self.dirty_entities[entity.entity_id] = entity
        if entity.entity_id not in self.set_aside:
            self.ready_entities[entity.entity_id] = entity

    @property
    def has_changes(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.dirty or self.dirty_entities or self.deleted_rows or self.leases)

    def stored(self) -> None:
        """After the commit: memory and file agree."""
        for execution in self.dirty.values():
            _mark_stored(execution)
            if not execution.is_active:
                self.drop(execution)
        for entity in self.dirty_entities.values():
            entity.executed_rows, entity.changed = [], False
            if not entity.exists and not entity.queue:
                self.entities.pop(entity.entity_id, None)
        self.dirty, self.dirty_entities, self.deleted_rows, self.leases = {}, {}, [], []
        self._evict()

    def _evict(self) -> None:
        """Keep memory bounded: whoever was read longest ago and has nothing waiting is read again when needed."""
        for execution in _oldest(self.executions, self.options.cached_instances):
            if not execution.messages:
                self.drop(execution)
        for entity in _oldest(self.entities, self.options.cached_entities):
            if not entity.queue:
                del self.entities[entity.entity_id]


def _must_wait(execution: Execution, event: Event) -> bool:
    """Take the event off what the execution needs; whether it needs more. Failures and all else are delivered at once."""
    member = _ANSWER.get(event["EventType"])
    answered = event[member] if member else None
    if answered not in execution.needs or '"exceptionType"' in (event.get("Input") or ""):
        return False
    execution.needs -= {answered}
    return bool(execution.needs)


_ANSWER = {
    history.TASK_COMPLETED: "TaskScheduledId",
    history.SUB_ORCHESTRATION_COMPLETED: "TaskScheduledId",
    history.EVENT_RAISED: "Name",
}
_T = TypeVar("_T")


def _oldest(kept: Mapping[Any, _T], limit: int) -> list[_T]:
    return list(itertools.islice(kept.values(), max(0, len(kept) - limit)))


def _mark_stored(execution: Execution) -> None:
    execution.stored, execution.renewed = (execution.execution_id, execution.status), False
    execution.stored_parts, execution.stored_events = len(execution.parts), len(execution.events)
    execution.delivered_rows, execution.new_activities, execution.answered_activities = [], [], []
    execution.new_timers, execution.fired_timers = [], []
