"""Writing a turn: everything that changed in memory, in one transaction of few statements."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from local_host.engine_state import SQL, Execution, Message, OperationMessage, State
from local_host.history import to_json


def flush(state: State) -> None:
    """Write every change in one transaction. Raises what the database raises; then nothing was written."""
    with state.database.transaction():
        _write_instances(state)
        _write_messages(state)
        _write_activities_and_timers(state)
        _write_entities(state)
    state.stored()


def _write_instances(state: State) -> None:
    write, write_each, dirty = state.database.write, state.database.write_each, state.dirty.values()
    write(SQL["delete_instance"], [(row,) for row in state.deleted_rows])
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


def _write_messages(state: State) -> None:
    write = state.database.write
    over = [(e.row,) for e in state.dirty.values() if not e.is_active and e.stored is not None]
    write(SQL["delete_instance_inbox"], over)
    write(SQL["delete_instance_activities"], over)
    renewed = [(e.row,) for e in state.dirty.values() if e.is_active and e.renewed and e.stored is not None]
    write(SQL["delete_instance_timers"], over + renewed)
    write(
        SQL["delete_inbox"],
        [(row,) for e in state.dirty.values() if e.is_active for row in e.delivered_rows],
    )
    new: list[tuple[int, int, str | None, str]] = []
    for execution in state.dirty.values():
        if execution.messages:
            execution.messages = deque(_numbered(state, execution, new))
    write(SQL["insert_inbox"], new)


def _numbered(
    state: State, execution: Execution, new: list[tuple[int, int, str | None, str]]
) -> Iterator[Message]:
    for message in execution.messages:
        if message.row is None:
            row = next(state.inbox_ids)
            new.append((row, execution.row, message.execution_id, to_json(message.event)))
            yield message._replace(row=row)
        else:
            yield message


def _write_activities_and_timers(state: State) -> None:
    write, write_each = state.database.write, state.database.write_each
    running = [e for e in state.dirty.values() if e.is_active]
    leases = {activity: (run, until) for run, until, activity in state.leases}
    # First out, then in: a new generation uses the task ids of the old one again.
    write(SQL["delete_activity"], [(activity,) for e in running for activity in e.answered_activities])
    write(
        SQL["insert_activity"],
        [
            (a.id, a.instance, a.task_id, a.name, a.input, *leases.pop(a.id, (None, None)))
            for e in running
            for a in e.new_activities
        ],
    )
    write_each(SQL["lease_activity"], [(run, until, activity) for activity, (run, until) in leases.items()])
    write(SQL["delete_timer"], [(e.row, task_id) for e in running for task_id in e.fired_timers])
    write(SQL["insert_timer"], [(e.row, *timer) for e in running for timer in e.new_timers])


def _write_entities(state: State) -> None:
    write = state.database.write
    inserts, updates, deletes = [], [], []
    operations: list[tuple[object, ...]] = []
    executed: list[tuple[int]] = []
    for entity in state.dirty_entities.values():
        if entity.changed:
            if not entity.exists:
                if entity.row is not None:
                    deletes.append((entity.row,))
                    entity.row = None
            elif entity.row is None:
                entity.row = next(state.entity_rows)
                inserts.append(
                    (entity.row, entity.entity_id, entity.state, entity.created_us, entity.updated_us)
                )
            else:
                updates.append((entity.state, entity.updated_us, entity.row))
        executed += [(row,) for row in entity.executed_rows]
        queue: deque[OperationMessage] = deque()
        for operation in entity.queue:
            if operation.row is None:
                row = next(state.operation_ids)
                operations.append((row, entity.entity_id, *operation[:5]))
                queue.append(operation._replace(row=row))
            else:
                queue.append(operation)
        entity.queue = queue
    write(SQL["delete_entity"], deletes)
    write(SQL["insert_entity"], inserts)
    state.database.write_each(SQL["update_entity"], updates)
    write(SQL["delete_operation"], executed)
    write(SQL["insert_operation"], operations)


def _instance_row(e: Execution) -> tuple[object, ...]:
    return (
        e.row, e.instance_id, e.execution_id, e.name, e.version, e.status, e.input, e.custom_status, e.output,
        e.created_us, e.updated_us, *(e.parent or (None, None, None)),
    )  # fmt: skip
