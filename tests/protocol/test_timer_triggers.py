"""Timer triggers: schedules, start-up, past due, no overlap (Durable protocol: timer triggers)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import running_host
from tests.protocol.conftest import APPS
from tests.protocol.driver import Driver, until

MIDNIGHT = "0 0 0 * * *"
Runs = Callable[..., list[dict[str, Any]]]


def written(path: Path, name: str) -> list[dict[str, Any]]:
    """The runs of one timer so far."""
    if not path.exists():
        return []
    lines = (json.loads(line) for line in path.read_text("utf-8").splitlines() if line.endswith("}"))
    return [line for line in lines if line["name"] == name]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """A host with the clocks app; gives the runs of a timer once there are at least so many."""
    folder = tmp_path_factory.mktemp("clocks")
    path = folder / "runs"
    env = {"CLOCKS_FILE": str(path), "DAILY": MIDNIGHT}
    with running_host(app=APPS / "clocks", state=folder / "state", env=env) as host:

        def enough(name: str, count: int = 1) -> list[dict[str, Any]]:
            assert host.process.poll() is None
            return list(
                until(
                    lambda: (found := written(path, name)) and len(found) >= count and found,
                    f"{count} runs of {name}",
                )
            )

        yield enough


def test_a_cron_timer_runs_on_the_second(runs: Runs) -> None:
    """An every-second schedule runs about once a second, and is not past due."""
    found = runs("every_second", 3)
    assert not any(run["past_due"] for run in found)
    assert all(second["at"] - first["at"] > 0.5 for first, second in pairwise(found))
    assert all(run["at"] % 1 < 0.8 for run in found)


def test_a_timer_that_fails_goes_on(runs: Runs) -> None:
    """An exception is logged, does not stop the schedule and is not retried at once."""
    found = runs("fails", 2)
    assert found[1]["at"] - found[0]["at"] > 0.5


def test_run_on_startup_runs_once_at_the_start(runs: Runs) -> None:
    """A yearly timer with run_on_startup has run once, not past due."""
    found = runs("at_start")
    runs("every_second", 2)
    assert [run["past_due"] for run in found] == [False]


def test_an_interval_may_be_a_time_span(runs: Runs) -> None:
    """A schedule of the form hh:mm:ss is an interval."""
    found = runs("interval", 2)
    assert found[1]["at"] - found[0]["at"] > 0.5


def test_runs_of_one_timer_never_overlap(runs: Runs) -> None:
    """A run longer than its interval delays the next one; it is never run beside it."""
    assert [run["side_by_side"] for run in runs("slow_one", 3)] == [1, 1, 1]


def test_a_date_that_never_comes_harms_nobody(runs: Runs) -> None:
    """30 February does not stop the host from starting or the others from running."""
    runs("every_second", 1)


def next_day(now: datetime, hour: int, minute: int, right: Callable[[datetime], bool]) -> datetime:
    """The first instant after now at that time of day on a day that is right, in UTC."""
    day = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    while day <= now or not right(day):
        day += timedelta(days=1)
    return day


def any_day(_: datetime) -> bool:
    return True


def weekday(day: datetime) -> bool:
    return day.weekday() < 5


DAYS: list[tuple[str, int, int, Callable[[datetime], bool]]] = [
    ("noon", 12, 0, any_day),
    ("five_fields", 6, 30, any_day),
    ("weekdays", 8, 0, weekday),
    ("weekday_names", 8, 0, weekday),
    ("sunday", 0, 0, lambda day: day.weekday() == 6),
    ("friday_the_thirteenth", 0, 0, lambda day: day.day == 13 and day.weekday() == 4),
    ("leap_day", 0, 0, lambda day: (day.month, day.day) == (2, 29)),
    ("month_name", 0, 0, lambda day: (day.month, day.day) == (1, 1)),
]


@pytest.mark.parametrize(("name", "hour", "minute", "right"), DAYS, ids=[row[0] for row in DAYS])
def test_the_next_occurrence_of_a_daily_schedule(
    runs: Runs, name: str, hour: int, minute: int, right: Callable[[datetime], bool]
) -> None:
    """Five fields mean second 0, times are UTC, Sunday is 0, and both day fields must match."""
    (run,) = runs(name)[:1]
    ran = datetime.fromtimestamp(run["at"], UTC)
    assert instant(run["status"]["Next"]) == next_day(ran - timedelta(seconds=2), hour, minute, right)


def test_the_next_occurrence_within_the_hour(runs: Runs) -> None:
    """Steps and lists: */20 seconds of every quarter, and the half hours of a working day."""
    steps = instant(runs("steps")[0]["status"]["Next"])
    assert (steps.second % 20, steps.minute % 15) == (0, 0)
    lists = instant(runs("lists_and_ranges")[0]["status"]["Next"])
    assert (lists.second, lists.minute in {0, 30}, 9 <= lists.hour <= 17) == (0, True, True)


def instant(text: str) -> datetime:
    """An ISO time, UTC when it says nothing."""
    head, _, fraction = text.replace("Z", "+00:00").partition(".")
    parsed = datetime.fromisoformat(head + fraction[fraction.find("+") :] if "+" in fraction else head)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def stopped_before(due_in: int, folder: Path) -> tuple[datetime, dict[str, str]] | None:
    """Start and stop a host whose daily timer is due in so many seconds; the time and the environment, or None when
    this machine was too slow to stop it before."""
    due = datetime.now(UTC) + timedelta(seconds=due_in)
    env = {"CLOCKS_FILE": str(folder / "runs"), "DAILY": f"{due.second} {due.minute} {due.hour} * * *"}
    with running_host(app=APPS / "clocks", state=folder / "state", env=env):
        pass
    return (due, env) if datetime.now(UTC) < due.replace(microsecond=0) else None


def test_a_missed_occurrence_runs_past_due_at_the_next_start(tmp_path: Path) -> None:
    """A daily timer due while the host was down runs as soon as it is up, with past_due; a second start does not."""
    attempts = (
        (tmp_path / str(due_in), stopped_before(due_in, tmp_path / str(due_in))) for due_in in (4, 8, 16)
    )
    folder, (due, env) = next((folder, found) for folder, found in attempts if found is not None)
    path, state = folder / "runs", folder / "state"
    assert written(path, "daily") == []
    until(lambda: datetime.now(UTC) > due + timedelta(seconds=1), "the occurrence is missed", within=20)
    with running_host(app=APPS / "clocks", state=state, env=env) as host:
        until(lambda: written(path, "daily"), f"the missed run: {Driver(host).log_lines()[-3:]}", within=5)
    with running_host(app=APPS / "clocks", state=state, env=env):
        until(lambda: len(written(path, "at_start")) >= 3, "the third start ran its start-up timer", within=5)
    assert [run["past_due"] for run in written(path, "daily")] == [True]
