"""What the engine has in memory of the state file, and the one way back into it.

A turn computes on these objects; `State.flush` writes what changed in one transaction. Nothing is written before, so an
episode that raises leaves no trace, and a commit that fails leaves the file as it was: then `State.forget` drops
everything in memory and the file is the truth again.
"""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Iterator, Mapping
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
            assert execution is not None
            self.ready[row] = execution
        for (entity_id,) in self.database.rows(START["entities_with_operations"]):
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
        self.ready_entities[entity.entity_id] = entity

    # -- writing -----------------------------------------------------------------------------------------------------

    @property
    def has_changes(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.dirty or self.dirty_entities or self.deleted_rows or self.leases)

    def flush(self) -> None:
        """Write every change in one transaction. Raises what the database raises; then nothing was written."""
        with self.database.transaction():
            self._write_instances()
            self._write_messages()
            self._write_activities_and_timers()
            self._write_entities()
        self._stored()

    def _write_instances(self) -> None:
        write, write_each, dirty = self.database.write, self.database.write_each, self.dirty.values()
        write(SQL["delete_instance"], [(row,) for row in self.deleted_rows])
        write(SQL["insert_instance"], [_instance_row(e) for e in dirty if e.stored is None])
        old = [e for e in dirty if e.stored is not None]
        write(SQL["delete_history"], [(e.row,) for e in old if e.renewed])
        write_each(
            SQL["renew_instance"],
            [
                (
                    e.execution_id,
                    e.status,
                    e.input,
                    e.custom_status,
                    e.output,
                    e.created_us,
                    e.updated_us,
                    e.row,
                )
                + (e.stored or ())
                for e in old
                if e.renewed
            ],
        )
        write_each(
            SQL["update_instance"],
            [
                (e.status, e.custom_status, e.output, e.updated_us, e.row, e.execution_id)
                for e in old
                if not e.renewed and len(e.parts) > e.stored_parts
            ],
        )
        write(
            SQL["insert_history"],
            [
                (e.row, e.stored_events, "[" + ",".join(e.parts[e.stored_parts :]) + "]")
                for e in dirty
                if len(e.parts) > e.stored_parts
            ],
        )

    def _write_messages(self) -> None:
        write = self.database.write
        over = [(e.row,) for e in self.dirty.values() if not e.is_active and e.stored is not None]
        write(SQL["delete_instance_inbox"], over)
        write(SQL["delete_instance_activities"], over)
        renewed = [
            (e.row,) for e in self.dirty.values() if e.is_active and e.renewed and e.stored is not None
        ]
        write(SQL["delete_instance_timers"], over + renewed)
        write(
            SQL["delete_inbox"],
            [(row,) for e in self.dirty.values() if e.is_active for row in e.delivered_rows],
        )
        new: list[tuple[int, int, str | None, str]] = []
        for execution in self.dirty.values():
            if execution.messages:
                execution.messages = deque(self._numbered(execution, new))
        write(SQL["insert_inbox"], new)

    def _numbered(
        self, execution: Execution, new: list[tuple[int, int, str | None, str]]
    ) -> Iterator[Message]:
        for message in execution.messages:
            if message.row is None:
                row = next(self.inbox_ids)
                new.append((row, execution.row, message.execution_id, to_json(message.event)))
                yield message._replace(row=row)
            else:
                yield message

    def _write_activities_and_timers(self) -> None:
        write, write_each = self.database.write, self.database.write_each
        running = [e for e in self.dirty.values() if e.is_active]
        leases = {activity: (run, until) for run, until, activity in self.leases}
        write(
            SQL["insert_activity"],
            [
                (a.id, a.instance, a.task_id, a.name, a.input, *leases.pop(a.id, (None, None)))
                for e in running
                for a in e.new_activities
            ],
        )
        write_each(
            SQL["lease_activity"], [(run, until, activity) for activity, (run, until) in leases.items()]
        )
        write(SQL["delete_activity"], [(activity,) for e in running for activity in e.answered_activities])
        write(SQL["delete_timer"], [(e.row, task_id) for e in running for task_id in e.fired_timers])
        write(SQL["insert_timer"], [(e.row, *timer) for e in running for timer in e.new_timers])

    def _write_entities(self) -> None:
        write = self.database.write
        inserts, updates, deletes = [], [], []
        operations: list[tuple[object, ...]] = []
        executed: list[tuple[int]] = []
        for entity in self.dirty_entities.values():
            if entity.changed:
                if not entity.exists:
                    if entity.row is not None:
                        deletes.append((entity.row,))
                        entity.row = None
                elif entity.row is None:
                    entity.row = next(self.entity_rows)
                    inserts.append(
                        (entity.row, entity.entity_id, entity.state, entity.created_us, entity.updated_us)
                    )
                else:
                    updates.append((entity.state, entity.updated_us, entity.row))
            executed += [(row,) for row in entity.executed_rows]
            queue: deque[OperationMessage] = deque()
            for operation in entity.queue:
                if operation.row is None:
                    row = next(self.operation_ids)
                    operations.append((row, entity.entity_id, *operation[:5]))
                    queue.append(operation._replace(row=row))
                else:
                    queue.append(operation)
            entity.queue = queue
        write(SQL["delete_entity"], deletes)
        write(SQL["insert_entity"], inserts)
        self.database.write_each(SQL["update_entity"], updates)
        write(SQL["delete_operation"], executed)
        write(SQL["insert_operation"], operations)

    def _stored(self) -> None:
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


def _instance_row(e: Execution) -> tuple[object, ...]:
    return (
        e.row, e.instance_id, e.execution_id, e.name, e.version, e.status, e.input, e.custom_status, e.output,
        e.created_us, e.updated_us, *(e.parent or (None, None, None)),
    )  # fmt: skip
