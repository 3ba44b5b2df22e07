"""Timer triggers over a clock and a sleep of the test's own (Functions timer extension)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.functions.timer import TimerRequest

from local_host.app import TimerFunction
from local_host.database import Database
from local_host.function import Function
from local_host.invoke import Invoker
from local_host.log import Log
from local_host.ncrontab import parse_schedule
from local_host.timers import Timers, is_monitored, run

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class World:
    """A clock that sleeping moves on, and what the timer was told at each run."""

    now: datetime = NOON
    slept: list[float] = field(default_factory=list)
    runs: list[tuple[datetime, TimerRequest]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    database: Database = field(default_factory=lambda: Database(":memory:"))
    enough: int = 1
    body: Callable[[World], Any] = lambda world: None

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)
        if len(self.slept) > 5000:
            self.stopping.set()

    async def call(self, timer: TimerRequest) -> Any:
        self.runs.append((self.now, timer))
        if len(self.runs) >= self.enough:
            self.stopping.set()
        return self.body(self)

    async def play(
        self, schedule: str, *, run_on_startup: bool = False, use_monitor: bool = True
    ) -> list[datetime]:
        """Run the timer until it has run `enough` times; when it ran."""
        function = Function("tick", {"name": "timer"}, self.call, True, False, None, "")
        timer = TimerFunction(function, parse_schedule(schedule), run_on_startup, use_monitor)
        log = Log("info", write=self.lines.append)
        self.stopping.clear()
        self.runs.clear()
        with ThreadPoolExecutor(1) as pool:
            invoker = Invoker(pool, lambda hub, connection: "", lambda: "id")
            await run(
                Timers(self.database, invoker, log, lambda: self.now, self.sleep, 5.0), timer, self.stopping
            )
        return [at for at, _ in self.runs]


async def test_a_timer_runs_at_its_occurrences() -> None:
    """On the second, one after the other, not past due; sleeps are short enough to notice a clock that was set."""
    world = World(enough=3)
    assert await world.play("0 */20 * * * *") == [NOON + timedelta(minutes=20 * n) for n in (1, 2, 3)]
    assert not any(timer.past_due for _, timer in world.runs)
    assert max(world.slept) <= 60


async def test_run_on_startup_comes_first() -> None:
    """At once, not past due, then the schedule."""
    world = World(enough=2)
    assert await world.play("0 0 0 * * *", run_on_startup=True) == [NOON, NOON.replace(hour=0) + DAY]
    assert not world.runs[0][1].past_due


async def test_what_a_run_is_told() -> None:
    """Past due or not, last and next occurrence, and how clock changes are taken."""
    world = World(enough=2)
    await world.play("0 0 0 * * *")
    (_, first), (_, second) = world.runs
    midnight = NOON.replace(hour=0) + DAY
    assert first.schedule_status["Next"] == second.schedule_status["Last"].replace("02T", "03T")
    assert second.schedule_status["Last"] == second.schedule_status["LastUpdated"] == midnight.isoformat()
    assert second.schedule_status["Next"] == (midnight + 2 * DAY).isoformat()
    assert first.schedule == {"AdjustForDST": True}


async def test_a_missed_occurrence_runs_past_due_once() -> None:
    """Stored as due, and the host was down: at the next start it runs at once; the start after that does not."""
    world = World(enough=1)
    await world.play("0 0 0 * * *")
    world.now += 3 * DAY
    started = world.now
    assert await world.play("0 0 0 * * *") == [started]
    assert world.runs[0][1].past_due
    assert '"timer_past_due"' in "".join(world.lines)
    assert await world.play("0 0 0 * * *") == [started.replace(hour=0) + DAY]
    assert not world.runs[0][1].past_due


async def test_a_host_that_was_down_before_the_first_run_owes_it_too() -> None:
    """The next occurrence is remembered from the first start on."""
    world = World()
    world.stopping.set()
    function = Function("tick", {"name": "timer"}, world.call, True, False, None, "")
    with ThreadPoolExecutor(1) as pool:
        invoker = Invoker(pool, lambda hub, connection: "", lambda: "id")
        timers = Timers(world.database, invoker, Log(), lambda: world.now, world.sleep, 5.0)
        await run(timers, TimerFunction(function, parse_schedule("0 0 0 * * *"), False, True), world.stopping)
    assert world.runs == []
    world.now += DAY
    assert await world.play("0 0 0 * * *") == [NOON + DAY]
    assert world.runs[0][1].past_due


MONITORED = [
    ("0 0 0 * * *", True, True),
    ("0 * * * * *", True, True),
    ("00:01:00", True, True),
    ("*/2 * * * * *", True, False),
    ("0,30 0 0 * * *", True, False),
    ("00:00:59", True, False),
    ("0 0 0 * * *", False, False),
]


@pytest.mark.parametrize(("schedule", "use_monitor", "expected"), MONITORED)
def test_which_timers_are_monitored(schedule: str, use_monitor: bool, expected: bool) -> None:
    """By the binding's choice, and never when occurrences are less than a minute apart."""
    function = Function("tick", {"name": "timer"}, lambda: None, False, False, None, "")
    assert (
        is_monitored(TimerFunction(function, parse_schedule(schedule), False, use_monitor), NOON) is expected
    )


async def test_a_timer_that_is_not_monitored_owes_nothing() -> None:
    """Nothing is stored and a gap is not made up for."""
    world = World()
    await world.play("0 0 0 * * *", use_monitor=False)
    world.now += 3 * DAY
    assert await world.play("0 0 0 * * *", use_monitor=False) == [world.now]
    assert not world.runs[0][1].past_due
    assert world.database.read_timer_trigger("tick") is None


def takes(seconds: float) -> Callable[[World], None]:
    def body(world: World) -> None:
        world.now += timedelta(seconds=seconds)

    return body


async def test_runs_never_overlap_and_missed_ones_are_skipped() -> None:
    """A run of two and a half intervals is followed by the next occurrence after its end."""
    world = World(enough=3, body=takes(50))
    assert await world.play("*/20 * * * * *") == [NOON + timedelta(seconds=n) for n in (20, 80, 140)]


def raises(_: World) -> None:
    raise ValueError("a timer that fails")


def returns(_: World) -> int:
    return 1


@pytest.mark.parametrize(("body", "name"), [(raises, "ValueError"), (returns, "BadResult")])
async def test_a_failure_is_logged_and_changes_nothing(body: Callable[[World], Any], name: str) -> None:
    """No retry, no end of the schedule; a return value is a failure, as in the worker."""
    world = World(enough=2, body=body)
    assert await world.play("0 */20 * * * *") == [NOON + timedelta(minutes=20 * n) for n in (1, 2)]
    assert sum(f'"exception": "{name}"' in line for line in world.lines) == 2


async def test_a_schedule_without_an_occurrence_is_said_and_left() -> None:
    """30 February: one warning, no run, nobody else harmed."""
    world = World()
    assert await world.play("0 0 0 30 2 *") == []
    assert "timer_never_due" in "".join(world.lines)


async def test_a_stop_ends_the_sleep() -> None:
    """A host that stops does not wait for the next occurrence."""
    world = World()
    started = asyncio.Event()

    async def sleep(_: float) -> None:
        started.set()
        await asyncio.Event().wait()

    world.sleep = sleep  # type: ignore[method-assign]
    playing = asyncio.create_task(world.play("0 0 0 * * *"))
    await started.wait()
    world.stopping.set()
    assert await asyncio.wait_for(playing, 1) == []
