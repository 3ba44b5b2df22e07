"""Timer triggers: one task for each function, which sleeps, runs, remembers, and never runs beside itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from azure.functions.timer import TimerRequest

from local_host.app import TimerFunction
from local_host.invoke import Invoker
from local_host.log import Log
from local_host.ncrontab import Schedule, ScheduleError

# Timer extension: schedules closer than this are not monitored; a missed second is made up for by the next one.
SHORTEST_MONITORED = timedelta(minutes=1)
# The wall clock may be set while the host sleeps: look at it now and then.
LONGEST_SLEEP_S = 60.0
_NEVER = datetime(1, 1, 1, tzinfo=UTC)


class Memory(Protocol):
    """Where last and next occurrences outlive the host."""

    def read_timer_trigger(self, name: str) -> tuple[datetime | None, datetime | None] | None:
        """Last and next occurrence, or None when the function is new."""

    def write_timer_trigger(self, name: str, last: datetime | None, following: datetime | None) -> None:
        """Remember both."""


@dataclass(frozen=True, slots=True)
class Timers:
    """What the timers need: the clock and the way to sleep are passed in, so that tests own the time."""

    memory: Memory
    invoker: Invoker
    log: Log
    clock: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[object]]
    timeout_s: float | None


def is_monitored(timer: TimerFunction, now: datetime) -> bool:
    """Whether missed occurrences of the timer count: by its binding, unless its next five runs are under a minute apart."""
    if not timer.use_monitor:
        return False
    moment = timer.schedule.next_after(now)
    for _ in range(4):
        following = timer.schedule.next_after(moment)
        if following - moment < SHORTEST_MONITORED:
            return False
        moment = following
    return True


async def run(timers: Timers, timer: TimerFunction, stopping: asyncio.Event) -> None:
    """Run one timer function whenever it is due, until `stopping` is set. Waits for a run under way."""
    name = timer.function.name
    try:
        following = await _begin(timers, timer)
        while not stopping.is_set():
            if not await _sleep_until(timers, following, stopping):
                return
            following = await _invoke(timers, timer, following, past_due=False)
    except ScheduleError as error:
        timers.log.warning("timer_never_due", function=name, message=str(error))


async def _begin(timers: Timers, timer: TimerFunction) -> datetime:
    """What is owed at the start: a missed occurrence, or the run that the binding asks for. Returns the next one."""
    now = timers.clock()
    following = timer.schedule.next_after(now)
    stored = timers.memory.read_timer_trigger(timer.function.name) if is_monitored(timer, now) else None
    missed = _missed(stored, timer.schedule, now)
    if missed is not None:
        timers.log.info("timer_past_due", function=timer.function.name, due=missed.isoformat())
        return await _invoke(timers, timer, missed, past_due=True)
    if timer.run_on_startup:
        return await _invoke(timers, timer, now, past_due=False)
    if is_monitored(timer, now):
        timers.memory.write_timer_trigger(timer.function.name, stored[0] if stored else None, following)
    return following


def _missed(
    stored: tuple[datetime | None, datetime | None] | None, schedule: Schedule, now: datetime
) -> datetime | None:
    """The occurrence that passed while no host ran. A stored one that the schedule no longer knows does not count."""
    last, following = stored or (None, None)
    if following is None or following > now:
        return None
    # Timer extension: when the schedule was changed, the stored occurrence is recomputed from the last run.
    expected = following if last is None else schedule.next_after(last)
    return expected if expected <= now else None


async def _sleep_until(timers: Timers, moment: datetime, stopping: asyncio.Event) -> bool:
    """Whether the moment came before the host was asked to stop."""
    while (left := (moment - timers.clock()).total_seconds()) > 0:
        if stopping.is_set():
            return False
        pause = asyncio.ensure_future(timers.sleep(min(left, LONGEST_SLEEP_S)))
        stop = asyncio.ensure_future(stopping.wait())
        await asyncio.wait({pause, stop}, return_when=asyncio.FIRST_COMPLETED)
        pause.cancel()
        stop.cancel()
    return not stopping.is_set()


async def _invoke(timers: Timers, timer: TimerFunction, due: datetime, *, past_due: bool) -> datetime:
    """Run the function once; a failure is logged and changes nothing else. Returns the next occurrence."""
    function = timer.function
    monitored = is_monitored(timer, due)
    stored = timers.memory.read_timer_trigger(function.name) if monitored else None
    status = _schedule_status(stored, timer.schedule.next_after(timers.clock()))
    request = TimerRequest(past_due=past_due, schedule_status=status, schedule={"AdjustForDST": True})
    try:
        async with asyncio.timeout(timers.timeout_s):
            await timers.invoker.timer(function, request)
    except asyncio.CancelledError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 -- the boundary of app code
        timers.log.error("function_failed", function=function.name, error=error)  # noqa: TRY400 -- our own log
    # Computed after completion: occurrences that passed meanwhile are skipped, so runs never overlap.
    following = timer.schedule.next_after(max(timers.clock(), due))
    if monitored:
        timers.memory.write_timer_trigger(function.name, due, following)
    return following


def _schedule_status(
    stored: tuple[datetime | None, datetime | None] | None, following: datetime
) -> dict[str, str]:
    last = (stored[0] if stored else None) or _NEVER
    return {"Last": last.isoformat(), "Next": following.isoformat(), "LastUpdated": last.isoformat()}


def start_all(
    timers: Timers, functions: Sequence[TimerFunction], stopping: asyncio.Event
) -> list[asyncio.Task[None]]:
    """One task for each timer function. Set `stopping`, then await them all."""
    return [
        asyncio.create_task(run(timers, timer, stopping), name=f"timer {timer.function.name}")
        for timer in functions
    ]
