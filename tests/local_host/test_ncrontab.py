"""Timer schedules: NCRONTAB with six or five fields, TimeSpans, time zones (Functions timer extension)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from local_host.ncrontab import Interval, ScheduleError, parse_schedule, parse_timespan


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# schedule, after, next occurrence. 2026-01-01 is a Thursday.
NEXT = [
    ("* * * * * *", "2026-01-01 00:00:00", "2026-01-01 00:00:01"),
    ("0 * * * * *", "2026-01-01 00:00:00", "2026-01-01 00:01:00"),
    ("*/5 * * * * *", "2026-01-01 00:00:07", "2026-01-01 00:00:10"),
    ("3/20 * * * * *", "2026-01-01 00:00:43", "2026-01-01 00:01:03"),
    ("10-30/10 * * * * *", "2026-01-01 00:00:20", "2026-01-01 00:00:30"),
    ("0 */5 * * * *", "2026-01-01 23:58:00", "2026-01-02 00:00:00"),
    ("30 6 * * *", "2026-01-01 06:30:00", "2026-01-02 06:30:00"),
    ("0 0 9-17 * * MON-FRI", "2026-01-02 17:00:00", "2026-01-05 09:00:00"),
    ("0 0,30 9 * * *", "2026-01-01 09:00:00", "2026-01-01 09:30:00"),
    ("0 0 0 * * 0", "2026-01-01 00:00:00", "2026-01-04 00:00:00"),
    ("0 0 0 * * sun,TUE", "2026-01-04 00:00:00", "2026-01-06 00:00:00"),
    ("0 0 0 13 * 5", "2026-01-01 00:00:00", "2026-02-13 00:00:00"),
    ("0 0 0 31 * *", "2026-01-31 00:00:00", "2026-03-31 00:00:00"),
    ("0 0 0 29 2 *", "2026-01-01 00:00:00", "2028-02-29 00:00:00"),
    ("0 0 0 29 FEB MON", "2026-01-01 00:00:00", "2044-02-29 00:00:00"),
    ("0 0 0 1 jan *", "2026-01-01 00:00:00", "2027-01-01 00:00:00"),
    ("0 0 0 1 January *", "2026-01-01 00:00:00", "2027-01-01 00:00:00"),
    ("59 59 23 31 12 *", "2026-12-31 23:59:58", "2026-12-31 23:59:59"),
    ("00:00:30", "2026-01-01 00:00:07", "2026-01-01 00:00:37"),
    ("1.02:00", "2026-01-01 00:00:00", "2026-01-02 02:00:00"),
]


@pytest.mark.parametrize(
    ("schedule", "after", "expected"), NEXT, ids=[row[0] + " @ " + row[1] for row in NEXT]
)
def test_the_next_occurrence(schedule: str, after: str, expected: str) -> None:
    """Ranges, steps, lists, names, five fields, both day fields at once, and intervals."""
    assert parse_schedule(schedule).next_after(utc(after)) == utc(expected)


def test_fractions_of_a_second_do_not_repeat_an_occurrence() -> None:
    """After 00:00:05.4 the next second is 6; after 4.9 it is 5."""
    every = parse_schedule("* * * * * *")
    assert every.next_after(utc("2026-01-01 00:00:05.400000")) == utc("2026-01-01 00:00:06")
    assert every.next_after(utc("2026-01-01 00:00:04.900000")) == utc("2026-01-01 00:00:05")


ZONES = [
    ("0 0 8 * * *", "2026-01-01 00:00:00", "2026-01-01 07:00:00"),  # winter: UTC+1
    ("0 0 8 * * *", "2026-07-01 00:00:00", "2026-07-01 06:00:00"),  # summer: UTC+2
    (
        "0 30 2 * * *",
        "2026-03-28 12:00:00",
        "2026-03-29 01:30:00",
    ),  # 02:30 is skipped: an hour later on the clock
    ("0 30 2 * * *", "2026-03-29 01:30:00", "2026-03-30 00:30:00"),
    ("0 30 2 * * *", "2026-10-24 12:00:00", "2026-10-25 00:30:00"),  # 02:30 comes twice: the first time
    ("0 30 2 * * *", "2026-10-25 00:30:00", "2026-10-26 01:30:00"),
]


@pytest.mark.parametrize(("schedule", "after", "expected"), ZONES)
def test_a_time_zone_moves_the_clock(schedule: str, after: str, expected: str) -> None:
    """WEBSITE_TIME_ZONE: wall-clock readings; skipped ones come later, repeated ones count once."""
    assert parse_schedule(schedule, ZoneInfo("Europe/Berlin")).next_after(utc(after)) == utc(expected)


@pytest.mark.parametrize("schedule", ["*/10 * * * * *", "0 */15 * * * *"])
def test_occurrences_always_advance_through_a_change_of_clocks(schedule: str) -> None:
    """No schedule goes backwards or stands still on the two days of the year when the clock jumps."""
    every = parse_schedule(schedule, ZoneInfo("Europe/Berlin"))
    for start in ("2026-03-29 00:58:00", "2026-10-25 00:58:00"):
        moment = utc(start)
        for _ in range(20):
            following = every.next_after(moment)
            assert following > moment
            moment = following


REFUSED = [
    ("every now and then", "every now and then"),
    ("* * * *", "4 fields"),
    ("* * * * * * *", "7 fields"),
    ("60 * * * * *", "second"),
    ("* 60 * * * *", "minute"),
    ("* * 24 * * *", "hour"),
    ("* * * 0 * *", "day"),
    ("* * * * 13 *", "month"),
    ("* * * * * 7", "day-of-week"),
    ("*/0 * * * * *", "step"),
    ("*/x * * * * *", "step"),
    ("5-1 * * * * *", "backwards"),
    (", * * * * *", "second"),
    ("-1 * * * * *", "second"),
    ("* * * * * XYZ", "day-of-week"),
    ("24:00:00", "1.00:00:00"),
    ("00:00:00", "longer than nothing"),
    ("1:2:3:4", "TimeSpan"),
]


@pytest.mark.parametrize(("schedule", "word"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_schedule_that_cannot_be_is_refused(schedule: str, word: str) -> None:
    """The text says which field or part is wrong."""
    with pytest.raises(ScheduleError, match=word):
        parse_schedule(schedule)


def test_a_date_that_never_comes_is_found_out() -> None:
    """30 February is a schedule, but has no next occurrence."""
    with pytest.raises(ScheduleError, match="no day"):
        parse_schedule("0 0 0 30 2 *").next_after(utc("2026-01-01"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:05:00", 300),
        ("1.00:00:00", 86400),
        ("00:00:00.5", 0.5),
        ("10:30", 37800),
        ("00:00:00.0000010", 1e-6),
    ],
)
def test_time_spans(text: str, seconds: float) -> None:
    """[d.]hh:mm[:ss[.fffffff]]"""
    assert parse_timespan(text) == timedelta(seconds=seconds)
    assert parse_schedule(text) == Interval(timedelta(seconds=seconds))
