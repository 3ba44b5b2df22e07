"""The loop that drives turns: collects what comes in, runs one turn for all of it, answers after its commit."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local_host.database import Database, to_us
from local_host.engine_activities import Activities
from local_host.engine_state import SQL, START, ActivityWork, Execution, State
from local_host.engine_store import flush
from local_host.engine_turn import Turn
from local_host.engine_watchdog import Watchdog
from local_host.history import Event
from local_host.log import Log
from local_host.model import EngineError, EngineOptions, Functions, ShuttingDown, StorageFailed
from local_host.walk_actions import HTTP_ACTIVITY
from local_host.walk_state import Known

_LONGEST_SLEEP_S = 30.0  # the wall clock may be set; look at it now and then
_LAST_TURNS_S = 5.0  # for what is ready when the host stops; the rest is ready again when it starts
_CAREFUL_TURNS = 100
_RETRY_AFTER_FAILURE_S = 0.5

Apply = Callable[[Turn], Any]


@dataclass(slots=True)
class _Request:
    """Something a caller waits for: applied in a turn, answered after its commit."""

    apply: Apply
    answer: asyncio.Future[Any]
    result: Any = None
    error: EngineError | None = None


class TurnLoop:
    """Runs turns whenever something is ready. Everything happens in the asyncio loop's thread."""

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
            functions.activities.keys() | {HTTP_ACTIVITY.lower()},
            functions.orchestrators,
            functions.entities,
            options.max_actions,
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
        self._careful = 0  # so many turns still run one item each

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
        deadline = time.monotonic() + _LAST_TURNS_S
        while self._has_work() and time.monotonic() < deadline:
            self._turn()
            await asyncio.sleep(0)
        self._refuse_requests()
        if self._alarm is not None:
            self._alarm.cancel()
        for waiters in self._waiters.values():
            for _finished, waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
        self._watchdog.stop()
        self._loop = None

    def _has_work(self) -> bool:
        state = self._state
        return bool(self._activities.finished or self._requests or state.ready or state.ready_entities)

    def _refuse_requests(self) -> None:
        for request in self._requests:
            if not request.answer.done():
                request.answer.set_exception(ShuttingDown("The host has stopped."))
        self._requests = []

    def poke(self) -> None:
        """Something is ready, or the clock has moved: run a turn soon."""
        if not self._turn_due and self._loop is not None:
            self._turn_due = True
            self._loop.call_soon(self._turn)

    async def wait(self, instance_id: str, timeout_s: float, *, finished: bool) -> None:
        """Wait until an instance is over, or at least has nothing under way; at most so long."""
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

    async def submit(self, apply: Apply) -> Any:
        """Apply a request in the next turn; its result, once that is committed. Raises what `apply` raises."""
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
            turn.work(0.0 if self._careful else time.monotonic() + self._options.turn_slice_s)
            launches = self._lease(turn.now_us)
            touched = list(self._state.dirty.values())
            had_timers = self._state.next_timer_us
            if self._state.has_changes:
                flush(self._state)
        except Exception as error:  # noqa: BLE001 - whatever happened, the file is the truth
            self._suspect(error, turn.last)
            self._recover_from(error, requests, finished)
            return
        self._careful = max(0, self._careful - 1)
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

    def _suspect(self, error: Exception, item: int | str | None) -> None:
        """Keep one execution or entity whose work cannot be stored from stopping all others for ever.

        A turn that fails is tried again one item at a time. If that fails too, and not because of the disk, the item
        is set aside until the next start: it stays as the file has it.
        """
        if isinstance(error, OSError | sqlite3.OperationalError):
            return
        if self._careful and item is not None:
            self._state.set_aside.add(item)
            self._log.error(
                "set_aside", item=item, advice="Report this with the log; restart the host to try again."
            )
        self._careful = _CAREFUL_TURNS

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
            self._release_orphans()
            self._state.recover()
        except Exception as error:  # noqa: BLE001 - the file may be unreachable for a while
            self._log.error("state_unreadable", error=error)
            if self._loop is not None:
                self._loop.call_later(_RETRY_AFTER_FAILURE_S, self._begin_again)
            return
        self._turn()

    def _release_orphans(self) -> None:
        """The lost turn may have been kept after all, leases included, but what it leased was never launched."""
        held = {work.id for work, _event in self._activities.finished}
        leased = [row[0] for row in self._database.rows(START["leased_activities"])]
        orphans = [
            (number,) for number in leased if number not in held and not self._activities.is_running(number)
        ]
        if orphans:
            with self._database.transaction():
                self._database.write(START["release_activity"], orphans)


def _apply(request: _Request, turn: Turn) -> None:
    try:
        request.result = request.apply(turn)
    except EngineError as error:
        request.error = error


def _is_over(execution: Execution, *, finished: bool) -> bool:
    return not execution.is_active if finished else execution.is_settled
