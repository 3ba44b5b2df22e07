"""Structured logs: one JSON object a line on stderr, and nothing at all below the chosen level."""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

# What the Functions host takes for a credential in the text of a failure, and hides up to a quote or an angle bracket.
_CREDENTIAL = re.compile(
    r"(?:token=|key=|password=|pwd=|data source=|server=|defaultendpointsprotocol=http|[?&](?:amp;)?(?:sig|code)=)[^<\"'\n]*",
    re.IGNORECASE,
)
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


def write_stderr(line: str) -> None:
    """Write one line to stderr in a single call, so that lines of threads never mix."""
    sys.stderr.write(line)
    sys.stderr.flush()


class Log:
    """Writes `{"time","level","event",...}` lines of the given level and above.

    `event` is a stable snake_case code, the keyword arguments are its facts: JSON values, anything else by its text.
    Callers keep keys, tokens and bodies out. A line below the level costs one comparison.
    """

    __slots__ = ("_clock", "_threshold", "_write", "level")

    def __init__(
        self,
        level: str = "info",
        *,
        write: Callable[[str], None] = write_stderr,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.level = level
        self._threshold = LEVELS[level]
        self._write = write
        self._clock = clock

    def enabled(self, level: str) -> bool:
        """Whether a line of this level would be written: ask before computing costly facts."""
        return LEVELS[level] >= self._threshold

    def __call__(self, level: str, event: str, **facts: Any) -> None:
        """A line of any level; an exception given as `error` is described in full."""
        if LEVELS[level] < self._threshold:
            return
        error = facts.pop("error", None)
        if isinstance(error, BaseException):
            facts.update(describe(error))
        elif error is not None:
            facts["error"] = error
        self._line(level, event, facts)

    def debug(self, event: str, **facts: Any) -> None:
        """What only someone who follows a single request wants to see."""
        if self._threshold <= 10:
            self._line("debug", event, facts)

    def info(self, event: str, **facts: Any) -> None:
        """A change in the life of the host."""
        if self._threshold <= 20:
            self._line("info", event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        """Something that works, and probably not as intended."""
        if self._threshold <= 30:
            self._line("warning", event, facts)

    def error(self, event: str, *, error: BaseException | None = None, **facts: Any) -> None:
        """Something that failed; `error` adds its type, text and stack."""
        if self._threshold <= 40:
            self._line("error", event, facts if error is None else {**facts, **describe(error)})

    def critical(self, event: str, *, error: BaseException | None = None, **facts: Any) -> None:
        """Something after which the host cannot go on."""
        self._line("critical", event, facts if error is None else {**facts, **describe(error)})

    def _line(self, level: str, event: str, facts: dict[str, Any]) -> None:
        line = {
            "time": self._clock().isoformat(timespec="milliseconds"),
            "level": level,
            "event": event,
            **facts,
        }
        self._write(json.dumps(line, ensure_ascii=False, default=str) + "\n")


def describe(error: BaseException) -> dict[str, str]:
    """Type, text and stack of an exception, as facts of a log line, with what looks like a credential hidden."""
    return {
        "exception": type(error).__name__,
        "message": mask(str(error)),
        "stack": mask("".join(traceback.format_exception(error))),
    }


def mask(text: str) -> str:
    """The text with everything that looks like a credential replaced, as the Functions host does before it logs."""
    return _CREDENTIAL.sub("[Hidden Credential]", text)


class AppRecords(logging.Handler):
    """Carries what the app and its libraries log with `logging` into the structured log."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """One `app_log` line; the logger's name and the stack travel as facts."""
        level = record.levelname.lower()
        if level not in LEVELS or not self._log.enabled(level):
            return
        facts: dict[str, Any] = {"logger": record.name, "message": record.getMessage()}
        if record.exc_info and record.exc_info[1] is not None:
            facts["exception"] = type(record.exc_info[1]).__name__
            facts["stack"] = mask("".join(traceback.format_exception(record.exc_info[1])))
        self._log._line(level, "app_log", facts)  # noqa: SLF001 -- one module, two faces of the same line


def capture_app_logging(log: Log) -> None:
    """Send the root logger's records of `log.level` and above through `log`, in place of any other handler."""
    root = logging.getLogger()
    root.handlers[:] = [AppRecords(log)]
    root.setLevel(LEVELS[log.level])
    logging.captureWarnings(capture=True)
