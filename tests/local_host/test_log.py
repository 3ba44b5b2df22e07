"""The structured log: one JSON object a line, levels, masking, and the app's own records."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from local_host.log import LEVELS, AppRecords, Log, mask

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def recording(level: str) -> tuple[Log, list[str]]:
    lines: list[str] = []
    return Log(level, write=lines.append, clock=lambda: NOON), lines


@pytest.mark.parametrize("level", LEVELS)
def test_only_lines_of_the_level_and_above_are_written(level: str) -> None:
    """Every line is one JSON object with time, level and event; lower levels write nothing."""
    log, lines = recording(level)
    for name in LEVELS:
        getattr(log, name)("thing_happened", number=1)
        log(name, "thing_happened", number=1)
    written = [json.loads(line) for line in lines]
    expected = [name for name, rank in LEVELS.items() if rank >= LEVELS[level] for _ in range(2)]
    assert [line["level"] for line in written] == expected
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)
    assert written[-1] == {
        "time": "2026-01-01T12:00:00.000+00:00",
        "level": "critical",
        "event": "thing_happened",
        "number": 1,
    }
    assert [log.enabled(name) for name in LEVELS] == [rank >= LEVELS[level] for rank in LEVELS.values()]


def failed() -> ValueError:
    try:
        raise ValueError("two\nlines, Password=hunter2")
    except ValueError as error:
        return error


@pytest.mark.parametrize(
    "write", [lambda log, e: log.error("x", error=e), lambda log, e: log("error", "x", error=e)]
)
def test_an_exception_is_told_in_full_and_masked(write: Any) -> None:
    """Type, text and stack, on one line, without what looks like a credential."""
    log, lines = recording("info")
    write(log, failed())
    (line,) = map(json.loads, lines)
    assert line["exception"] == "ValueError"
    assert line["message"] == "two\nlines, [Hidden Credential]"
    assert "raise ValueError" in line["stack"]
    assert "hunter2" not in lines[0]


def test_a_fact_that_is_no_json_is_told_by_its_text() -> None:
    """Logging never raises for the facts it is given."""
    log, lines = recording("info")
    log.info("x", when=NOON)
    assert json.loads(lines[0])["when"] == "2026-01-01 12:00:00+00:00"


MASKED = [
    ("Token=abc", "[Hidden Credential]"),
    ('see "AccountKey=abc" there', 'see "Account[Hidden Credential]" there'),
    ("https://h/?code=abc&x=1", "https://h/[Hidden Credential]"),
    ("https://h/?a=1&sig=abc", "https://h/?a=1[Hidden Credential]"),
    ("pwd=a\nnext", "[Hidden Credential]\nnext"),
    ("nothing here", "nothing here"),
    ("monkey business", "monkey business"),
]


@pytest.mark.parametrize(("text", "masked"), MASKED, ids=[row[0] for row in MASKED])
def test_what_looks_like_a_credential_is_hidden(text: str, masked: str) -> None:
    """From the tell-tale up to a quote, an angle bracket or the end of the line."""
    assert mask(text) == masked


def test_records_of_the_app_become_lines() -> None:
    """What the app logs with `logging` has its logger's name, its text and its stack."""
    log, lines = recording("info")
    logger = logging.Logger("app.part")  # noqa: LOG001
    logger.addHandler(AppRecords(log))
    logger.debug("too quiet")
    logger.warning("hello %s", "there")
    try:
        raise ValueError("bad")
    except ValueError:
        logger.exception("failed")
    first, second = map(json.loads, lines)
    assert (first["event"], first["logger"], first["message"]) == ("app_log", "app.part", "hello there")
    assert (second["level"], second["exception"]) == ("error", "ValueError")
    assert "ValueError: bad" in second["stack"]
