"""The durable engine: what the Durable extension and its storage do, in one thread on one asyncio loop.

Requests, activity results and due timers are collected; as soon as there is something, one turn works off everything
that is ready and commits once for all. Only then are the requests answered and the new activities launched: what was
answered is durable, and what was not durable has no effect outside.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from local_host import engine_reads, history
from local_host.database import Database, to_us
from local_host.engine_activities import Activities
from local_host.engine_state import SQL, START, ActivityWork, Execution, OperationMessage, State
from local_host.engine_turn import Turn
from local_host.engine_watchdog import Watchdog
from local_host.history import Event, storable
from local_host.log import Log
from local_host.model import (
    EngineError,
    EngineOptions,
    EntityInfo,
    Functions,
    Instance,
    InstanceExists,
    InstanceFilter,
    InstanceFinished,
    InvalidArgument,
    ShuttingDown,
    StorageFailed,
    UnknownFunction,
    UnknownInstance,
    WrongState,
)
from local_host.walk_actions import HTTP_ACTIVITY
from local_host.walk_state import Known

_MAX_ID_LENGTH = 256
_FORBIDDEN_IN_ID = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")
_PURGE_AT_ONCE = 500
_LONGEST_SLEEP_S = 30.0  # the wall clock may be set; look at it now and then
_RETRY_AFTER_FAILURE_S = 0.5

Apply = Callable[[Turn], Any]


@dataclass(slots=True)
class _Request:
    """Something a caller waits for: applied in a turn, answered after its commit."""

    apply: Apply
    answer: asyncio.Future[Any]
    result: Any = None
    error: EngineError | None = None


class Engine:
    """The engine of one open state file. Every method is called from the loop's thread."""

    def __init__(
        self,
        database: Database,
        functions: Functions,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        options: EngineOptions,
        log: Log,
    ) -> None:
        self._database = database
        self._functions = functions
        self._clock = clock
        self._new_id = new_id
        self._options = options
        self._log = log
        self._known = Known(
            functions.activities.keys() | {HTTP_ACTIVITY.lower()}, functions.orchestrators, functions.entities
        )
        self._run_id = new_id()
        self._state = State(database, options, self._run_id)
        self._activities = Activities(
            functions.activities,
            log,
            limit=options.max_activities,
            timeout_s=options.function_timeout_s,
            wake=self.poke,
        )
        self._watchdog = Watchdog(log, options.watchdog_s)
        self._requests: list[_Request] = []
        self._waiters: dict[str, list[tuple[bool, asyncio.Future[None]]]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn_due = False
        self._gathering = False
        self._alarm: asyncio.TimerHandle | None = None
        self._backlog = True  # activities may be pending in the file
        self._last_us = 0
        self._stopping = False

    # -- life ----------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take up what earlier runs left: void their leases, make waiting messages ready, fire what is overdue."""
        self._loop = asyncio.get_running_loop()
        with self._database.transaction():
            self._database.write(START["void_leases"], [()])
        self._state.recover()
        self._watchdog.start()
        self.poke()

    async def drain(self, timeout_s: float) -> None:
        """Accept nothing more, let running activities finish (at most so long), and commit their results.

        What does not finish in time is cancelled and executed again by the next run.
        """
        self._stopping = True
        idle = await self._activities.wait_idle(timeout_s)
        if not idle:
            self._log.warning("activities_abandoned", seconds=timeout_s)
            await self._activities.abandon()
        while self._activities.finished or self._requests or self._state.ready or self._state.ready_entities:
            self._turn()
            await asyncio.sleep(0)
        if self._alarm is not None:
            self._alarm.cancel()
        for waiters in self._waiters.values():
            for _finished, waiter in waiters:
                waiter.cancel()
        self._watchdog.stop()
        self._loop = None

    def poke(self) -> None:
        """Something is ready, or the clock has moved: run a turn soon."""
        if not self._turn_due and self._loop is not None:
            self._turn_due = True
            self._loop.call_soon(self._turn)

    # -- instances -----------------------------------------------------------------------------------------------------

    async def start_instance(
        self, name: str, instance_id: str | None, input_text: str | None, *, version: str = ""
    ) -> str:
        """Start an orchestration; its id. `input_text` is JSON.

        Raises UnknownFunction, InvalidArgument, InstanceExists.
        """
        if name.lower() not in self._functions.orchestrators:
            raise UnknownFunction(_missing(name, "orchestrator"))
        chosen = self._new_id() if instance_id is None else _valid_id(instance_id)
        _check_storable(version, input_text)
        return str(await self._submit(lambda turn: self._start(turn, name, chosen, input_text, version)))

    def _start(self, turn: Turn, name: str, instance_id: str, input_text: str | None, version: str) -> str:
        existing = turn.state.find(instance_id)
        if existing is not None:
            if existing.is_active and self._options.overridable_states != "AnyState":
                raise InstanceExists(existing.status)
            turn.state.remove(existing)
        turn.start(name, instance_id, input_text, version)
        return instance_id

    async def raise_event(self, instance_id: str, name: str, input_text: str) -> None:
        """Raise an external event. `input_text` is JSON. Raises UnknownInstance, InstanceFinished, InvalidArgument."""
        _check_storable(name, input_text)
        await self._send(instance_id, lambda turn: history.event_raised(turn.at, name, input_text))

    async def terminate(self, instance_id: str, reason: str) -> None:
        """End an instance from outside; `reason` becomes its output. Raises UnknownInstance, InstanceFinished."""
        _check_storable(reason)
        await self._send(instance_id, lambda turn: history.execution_terminated(turn.at, reason))

    async def suspend(self, instance_id: str, reason: str) -> None:
        """Let an instance stand still. Raises UnknownInstance, InstanceFinished, WrongState when it does already."""
        await self._send(
            instance_id, lambda turn: history.execution_suspended(turn.at, reason), suspended=False
        )

    async def resume(self, instance_id: str, reason: str) -> None:
        """Let a suspended instance go on. Raises UnknownInstance, InstanceFinished, WrongState when it is not."""
        await self._send(instance_id, lambda turn: history.execution_resumed(turn.at, reason), suspended=True)

    async def _send(
        self, instance_id: str, event: Callable[[Turn], Event], *, suspended: bool | None = None
    ) -> None:
        def apply(turn: Turn) -> None:
            execution = turn.state.find(instance_id)
            if execution is None:
                raise UnknownInstance(instance_id)
            if not execution.is_active:
                raise InstanceFinished(instance_id, execution.status)
            if suspended is not None and (execution.status == "Suspended") is not suspended:
                raise WrongState(f"The instance {instance_id!r} is {execution.status}.")
            turn.state.deliver(execution, event(turn))

        await self._submit(apply)

    async def rewind(self, instance_id: str, reason: str) -> None:
        """Run a failed instance again from its last good state.

        Raises UnknownInstance, InstanceFinished (it ended well or was terminated), WrongState (it is running).
        """
        await self._submit(lambda turn: _rewind(turn, instance_id, reason))

    async def restart(self, instance_id: str, *, new_instance_id: bool) -> str:
        """Start the same orchestrator with the same input, under a new id or the same; the id.

        Raises UnknownInstance (status 400), InstanceExists when the same id is still running.
        """

        def apply(turn: Turn) -> str:
            old = turn.state.find(instance_id)
            if old is None:
                raise UnknownInstance(instance_id, http_status=400)
            if old.name.lower() not in self._functions.orchestrators:
                raise UnknownFunction(_missing(old.name, "orchestrator"))
            chosen = self._new_id() if new_instance_id else instance_id
            return self._start(turn, old.name, chosen, old.input, old.version)

        return str(await self._submit(apply))

    async def purge(self, instance_id: str) -> int:
        """Delete an instance or entity and everything of it, whatever its state; how many there were (0 or 1)."""

        def apply(turn: Turn) -> int:
            if instance_id.startswith("@"):
                return _purge_entity(turn, instance_id)
            execution = turn.state.find(instance_id)
            if execution is None:
                return 0
            turn.state.remove(execution)
            return 1

        return int(await self._submit(apply))

    async def purge_where(self, wanted: InstanceFilter) -> int:
        """Delete the ended instances that match; how many. In pieces, so that nobody waits long."""
        purged = 0
        while ids := engine_reads.purgeable(self._database, wanted, top=_PURGE_AT_ONCE):
            purged += int(await self._submit(partial(_purge_ended, instance_ids=ids)))
        return purged

    # -- entities ------------------------------------------------------------------------------------------------------

    async def signal_entity(self, name: str, key: str, operation: str, input_text: str | None) -> None:
        """Queue an operation for an entity. `input_text` is JSON. Raises UnknownFunction, InvalidArgument."""
        if name.lower() not in self._functions.entities:
            raise UnknownFunction(_missing(name, "entity"))
        _check_storable(key, operation, input_text)

        def apply(turn: Turn) -> None:
            entity = turn.state.entity(f"@{name.lower()}@{key}", turn.now_us)
            turn.state.enqueue(entity, OperationMessage(operation, input_text))

        await self._submit(apply)

    def read_entity(self, name: str, key: str) -> str | None:
        """The state of an entity as JSON text, or None when it does not exist."""
        found = self._database.row(SQL["entity_by_id"], (f"@{name.lower()}@{key}",))
        return None if found is None else found[1]

    def list_entities(
        self,
        name: str | None = None,
        *,
        updated_from: datetime | None = None,
        updated_to: datetime | None = None,
        top: int = 100,
        continuation: str | None = None,
    ) -> tuple[list[EntityInfo], str | None]:
        """One page of entities, of one name or all, and the token of the next page."""
        return engine_reads.list_entities(
            self._database,
            name,
            updated_from_us=None if updated_from is None else to_us(updated_from),
            updated_to_us=None if updated_to is None else to_us(updated_to),
            top=top,
            continuation=continuation,
        )

    # -- reading and waiting -------------------------------------------------------------------------------------------

    def get_instance(self, instance_id: str) -> Instance | None:
        """One instance as it is committed, or None."""
        return engine_reads.get_instance(self._database, instance_id)

    def get_history(self, instance_id: str) -> list[Event]:
        """Every event of an instance's current execution, oldest first."""
        return engine_reads.get_history(self._database, instance_id)

    def list_instances(
        self, wanted: InstanceFilter, *, top: int = 100, continuation: str | None = None
    ) -> tuple[list[Instance], str | None]:
        """One page of instances in the order of their ids, and the token of the next page."""
        return engine_reads.list_instances(self._database, wanted, top=top, continuation=continuation)

    async def settled(self, instance_id: str, timeout_s: float) -> None:
        """Wait until nothing is under way for an instance, at most so long."""
        await self._wait(instance_id, timeout_s, finished=False)

    async def wait_finished(self, instance_id: str, timeout_s: float) -> None:
        """Wait until an instance is over, at most so long."""
        await self._wait(instance_id, timeout_s, finished=True)

    async def _wait(self, instance_id: str, timeout_s: float, *, finished: bool) -> None:
        execution = self._state.find(instance_id)
        if self._loop is None or execution is None or _is_over(execution, finished=finished):
            return
        waiter: asyncio.Future[None] = self._loop.create_future()
        entry = (finished, waiter)
        self._waiters.setdefault(instance_id, []).append(entry)
        try:
            await asyncio.wait_for(waiter, timeout_s)
        except TimeoutError:
            pass
        finally:
            self._forget_waiter(instance_id, entry)

    def _forget_waiter(self, instance_id: str, entry: tuple[bool, asyncio.Future[None]]) -> None:
        waiters = self._waiters.get(instance_id, [])
        if entry in waiters:
            waiters.remove(entry)
        if not waiters:
            self._waiters.pop(instance_id, None)

    # -- turns ---------------------------------------------------------------------------------------------------------

    async def _submit(self, apply: Apply) -> Any:
        if self._stopping or self._loop is None:
            raise ShuttingDown("The host is stopping. Try again when it is back.")
        request = _Request(apply, self._loop.create_future())
        self._requests.append(request)
        self.poke()
        return await request.answer

    def _turn(self) -> None:
        self._turn_due = False
        requests, self._requests = self._requests, []
        finished, self._activities.finished = self._activities.finished, []
        # A clock that is set back must not make history run backwards.
        self._last_us = max(self._last_us, to_us(self._clock()))
        turn = Turn(
            self._state,
            self._functions,
            self._known,
            self._log,
            self._watchdog,
            now_us=self._last_us,
            new_id=self._new_id,
        )
        try:
            for work, event in finished:
                turn.finish_activity(work, event)
            turn.fire_timers()
            for request in requests:
                _apply(request, turn)
            turn.work(time.monotonic() + self._options.turn_slice_s)
            launches = self._lease(turn.now_us)
            touched = list(self._state.dirty.values())
            had_timers = self._state.next_timer_us
            if self._state.has_changes:
                self._state.flush()
        except Exception as error:  # noqa: BLE001 - whatever happened, the file is the truth
            self._recover_from(error, requests, finished)
            return
        self._after_commit(requests, launches, touched, had_timers, turn.now_us)

    def _lease(self, now_us: int) -> list[ActivityWork]:
        """Choose the activities to launch after this commit, oldest first, and lease them within it."""
        new = [work for e in self._state.dirty.values() if e.is_active for work in e.new_activities]
        free = 0 if self._stopping else self._activities.free
        chosen: list[ActivityWork] = []
        if self._backlog and free > 0:
            pending = [
                ActivityWork(*row) for row in self._database.rows(SQL["pending_activities"], (free + 1,))
            ]
            gone = set(self._state.deleted_rows) | {
                e.row for e in self._state.dirty.values() if not e.is_active
            }
            chosen = [work for work in pending[:free] if work.instance not in gone]
            self._backlog = len(pending) > free
        room = max(0, free - len(chosen))
        chosen += new[:room]
        self._backlog = self._backlog or len(new) > room
        until_us = now_us + int((self._options.function_timeout_s or 86400.0) * 1_000_000)
        self._state.leases = [(self._run_id, until_us, work.id) for work in chosen]
        return chosen

    def _after_commit(
        self,
        requests: list[_Request],
        launches: list[ActivityWork],
        touched: list[Execution],
        had_timers: int | None,
        now_us: int,
    ) -> None:
        for request in requests:
            if request.answer.done():
                continue  # the caller has gone
            if request.error is not None:
                request.answer.set_exception(request.error)
            else:
                request.answer.set_result(request.result)
        for work in launches:
            self._activities.launch(work)
        for execution in touched:
            self._wake_waiters(execution)
        state = self._state
        if had_timers is not None and had_timers <= now_us:
            state.read_next_timer()
        if state.ready or state.ready_entities or (self._backlog and self._activities.free > 0):
            self.poke()
        if state.gathering and not self._gathering and self._loop is not None:
            self._gathering = True
            self._loop.call_later(self._options.gather_s, self._gathered)
        self._set_alarm()

    def _gathered(self) -> None:
        self._gathering = False
        if self._state.gathering:
            self._state.gathered()
            self.poke()

    def _wake_waiters(self, execution: Execution) -> None:
        for finished, waiter in self._waiters.get(execution.instance_id, ()):
            if not waiter.done() and _is_over(execution, finished=finished):
                waiter.set_result(None)

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        due_us = self._state.next_timer_us
        if due_us is None or self._loop is None:
            return
        delay_s = (due_us - to_us(self._clock())) / 1_000_000
        if delay_s <= 0:
            self.poke()
        else:
            # A millisecond late rather than a moment early: an early look would find nothing due.
            self._alarm = self._loop.call_later(min(delay_s + 0.001, _LONGEST_SLEEP_S), self.poke)

    def _recover_from(
        self, error: Exception, requests: list[_Request], finished: list[tuple[ActivityWork, Event]]
    ) -> None:
        """The turn is lost: the file decides what is true, results in hand are delivered again."""
        self._log.error("turn_failed", error=error, requests=len(requests))
        for request in requests:
            if not request.answer.done():
                request.answer.set_exception(StorageFailed(f"The state could not be written: {error}."))
        self._activities.finished = finished + self._activities.finished
        self._state.forget()
        self._backlog = True
        if self._loop is not None:
            self._turn_due = True  # nothing else may start a turn before the state is read again
            self._loop.call_later(_RETRY_AFTER_FAILURE_S, self._begin_again)

    def _begin_again(self) -> None:
        try:
            self._state.forget()
            self._state.recover()
        except Exception as error:  # noqa: BLE001 - the file may be unreachable for a while
            self._log.error("state_unreadable", error=error)
            if self._loop is not None:
                self._loop.call_later(_RETRY_AFTER_FAILURE_S, self._begin_again)
            return
        self._turn()


def _apply(request: _Request, turn: Turn) -> None:
    try:
        request.result = request.apply(turn)
    except EngineError as error:
        request.error = error


def _is_over(execution: Execution, *, finished: bool) -> bool:
    return not execution.is_active if finished else execution.is_settled


def _rewind(turn: Turn, instance_id: str, reason: str) -> None:
    execution = turn.state.find(instance_id)
    if execution is None:
        raise UnknownInstance(instance_id)
    if execution.is_active:
        raise WrongState(
            f"The instance {instance_id!r} is {execution.status}; only a failed one can be rewound."
        )
    if execution.status != "Failed":
        raise InstanceFinished(instance_id, execution.status)
    turn.rewind(execution, reason)


def _purge_entity(turn: Turn, entity_id: str) -> int:
    entity = turn.state.entity(entity_id, turn.now_us)
    existed = entity.exists
    entity.executed_rows += [operation.row for operation in entity.queue if operation.row is not None]
    entity.queue.clear()
    turn.state.ready_entities.pop(entity_id, None)
    entity.exists, entity.state, entity.changed = False, None, True
    turn.state.dirty_entities[entity_id] = entity
    return int(existed)


def _purge_ended(turn: Turn, instance_ids: list[str]) -> int:
    purged = 0
    for instance_id in instance_ids:
        execution = turn.state.find(instance_id)
        if execution is not None and not execution.is_active:
            turn.state.remove(execution)
            purged += 1
    return purged


def _valid_id(instance_id: str) -> str:
    """Extension: at most 256 characters, not an entity's id, nothing that would change a URL or a blob name."""
    if not 0 < len(instance_id) <= _MAX_ID_LENGTH:
        raise InvalidArgument(
            f"An instance id has 1 to {_MAX_ID_LENGTH} characters, this one {len(instance_id)}."
        )
    if instance_id.startswith("@"):
        raise InvalidArgument("An instance id must not begin with '@': such ids belong to entities.")
    if _FORBIDDEN_IN_ID.search(instance_id):
        raise InvalidArgument("An instance id must not contain '/', '\\', '#', '?' or control characters.")
    _check_storable(instance_id)
    return instance_id


def _check_storable(*texts: str | None) -> None:
    if not all(text is None or storable(text) for text in texts):
        raise InvalidArgument("The text holds half a character (a lone surrogate) and cannot be stored.")


def _missing(name: str, kind: str) -> str:
    return f"The function '{name}' doesn't exist, is disabled, or is not an {kind} function."
