"""Timer schedules: six-field NCRONTAB expressions, and TimeSpans as plain intervals.

`{second} {minute} {hour} {day} {month} {day-of-week}`; with five fields the second is 0. When both day fields are
restricted, a day must satisfy both (classic cron: either). Day of week 0 is Sunday; there is no 7.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# name, lowest, highest, names of the values from the lowest on
FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day-of-week", 0, 6, _DAYS),
)
# The Gregorian calendar repeats its weekdays every 400 years, but 29 February meets any of them within 40.
_SEARCH_DAYS = 366 * 41
_TIMESPAN = re.compile(
    r"(?:(?P<days>[0-9]{1,8})\.)?(?P<h>[0-9]{1,2}):(?P<m>[0-9]{1,2})(?::(?P<s>[0-9]{1,2})(?P<fraction>\.[0-9]{1,7})?)?"
)


class ScheduleError(ValueError):
    """A schedule that cannot be; the message is a sentence for the person who wrote it."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Runs again and again, this long after each run."""

    every: timedelta

    def next_after(self, moment: datetime) -> datetime:
        """The next occurrence after an aware instant."""
        return moment + self.every


@dataclass(frozen=True, slots=True)
class Crontab:
    """Runs whenever the wall clock of `zone` shows matching fields. Each wall-clock reading counts once."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    zone: tzinfo = UTC

    def next_after(self, moment: datetime) -> datetime:
        """The first occurrence after an aware instant, in UTC. Raises ScheduleError when there is none."""
        local = moment.astimezone(self.zone).replace(tzinfo=None, microsecond=0) + timedelta(seconds=1)
        while True:
            local = self._next_reading(local)
            # A reading that the clock skips in spring takes place that much later; one that it repeats counts the
            # first time.
            found = local.replace(tzinfo=self.zone).astimezone(UTC)
            if found > moment:
                return found
            local += timedelta(seconds=1)

    def _next_reading(self, earliest: datetime) -> datetime:
        day = earliest.date()
        for _ in range(_SEARCH_DAYS):
            if self._matches(day):
                start = earliest if day == earliest.date() else datetime.combine(day, datetime.min.time())
                found = self._next_on(start)
                if found is not None:
                    return found
            day += timedelta(days=1)
        raise ScheduleError("no day ever matches the schedule")

    def _matches(self, day: date) -> bool:
        return day.day in self.days and day.month in self.months and day.isoweekday() % 7 in self.weekdays

    def _next_on(self, start: datetime) -> datetime | None:
        for hour in self.hours:
            if hour < start.hour:
                continue
            for minute in self.minutes:
                if (hour, minute) < (start.hour, start.minute):
                    continue
                for second in self.seconds:
                    if (hour, minute, second) >= (start.hour, start.minute, start.second):
                        return start.replace(hour=hour, minute=minute, second=second)
        return None


Schedule = Interval | Crontab


def parse_schedule(text: str, zone: tzinfo = UTC) -> Schedule:
    """Read an NCRONTAB expression or a TimeSpan `[d.]hh:mm[:ss[.fffffff]]`. Raises ScheduleError."""
    parts = text.split()
    if len(parts) == 1 and ":" in parts[0]:
        return Interval(parse_timespan(parts[0]))
    if len(parts) == 5:
        parts = ["0", *parts]
    if len(parts) != 6:
        raise ScheduleError(
            f"{text!r} has {len(parts)} fields; an NCRONTAB schedule has six "
            "(second minute hour day month day-of-week) or five (no seconds), an interval looks like 00:05:00"
        )
    values = [_parse_field(part, *field) for part, field in zip(parts, FIELDS, strict=True)]
    seconds, minutes, hours, days, months, weekdays = values
    return Crontab(
        tuple(sorted(seconds)),
        tuple(sorted(minutes)),
        tuple(sorted(hours)),
        frozenset(days),
        frozenset(months),
        frozenset(weekdays),
        zone,
    )


def _parse_field(text: str, name: str, low: int, high: int, names: tuple[str, ...]) -> set[int]:
    values: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        step = int(step_text) if re.fullmatch(r"[0-9]{1,4}", step_text, re.ASCII) else 0
        if slash and step < 1:
            raise ScheduleError(f"the step {step_text!r} in {name} field {text!r} is not a number above zero")
        first, dash, last = span.partition("-")
        if span == "*":
            start, end = low, high
        else:
            start = _parse_value(first, name, low, high, names)
            # `a/n` counts from a to the end of the field.
            end = _parse_value(last, name, low, high, names) if dash else (high if slash else start)
        if end < start:
            raise ScheduleError(
                f"the range {span!r} in the {name} field runs backwards; write two ranges with a comma"
            )
        values.update(range(start, end + 1, step or 1))
    return values


def _parse_value(text: str, name: str, low: int, high: int, names: tuple[str, ...]) -> int:
    if text[:3].lower() in names and len(text) >= 3:
        return low + names.index(text[:3].lower())
    if not re.fullmatch(r"[0-9]{1,4}", text, re.ASCII) or not low <= int(text) <= high:
        raise ScheduleError(f"{text!r} is no value of the {name} field, which goes from {low} to {high}")
    return int(text)


def parse_timespan(text: str) -> timedelta:
    """A .NET TimeSpan `[d.]hh:mm[:ss[.fffffff]]` above zero. Raises ScheduleError."""
    found = _TIMESPAN.fullmatch(text)
    if not found:
        raise ScheduleError(f"{text!r} is not a TimeSpan such as 00:05:00 or 1.12:00:00")
    hours, minutes, seconds = (int(found[part] or 0) for part in ("h", "m", "s"))
    if hours > 23 or minutes > 59 or seconds > 59:
        # .NET reads 24:00:00 as 24 days. Nobody means that, so it is refused here.
        raise ScheduleError(
            f"{text!r} has more than 23 hours, 59 minutes or 59 seconds; a day is written 1.00:00:00"
        )
    every = timedelta(
        days=int(found["days"] or 0),
        hours=hours,
        minutes=minutes,
        seconds=seconds,
        microseconds=int(float(found["fraction"] or 0) * 1_000_000),
    )
    if every <= timedelta(0):
        raise ScheduleError("an interval must be longer than nothing")
    return every
