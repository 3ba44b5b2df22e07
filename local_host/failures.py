"""Why the host did not start or had to stop: one exception, its exit code, and what to do next.

StartupError      the root; `code` is stable, `exit_code` is what the process ends with
"""

from __future__ import annotations

EXIT_STOPPED = 0
EXIT_OTHER = 1
EXIT_USAGE = 2
EXIT_PORT_TAKEN = 3
EXIT_STATE_NEWER = 4
EXIT_APP_INVALID = 5
EXIT_STATE_OPEN = 6


class StartupError(Exception):
    """The host cannot serve. The message is one sentence; `next_step` says what would mend it."""

    def __init__(self, code: str, message: str, next_step: str, *, exit_code: int = EXIT_OTHER) -> None:
        super().__init__(message)
        self.code = code
        self.next_step = next_step
        self.exit_code = exit_code


def app_invalid(code: str, message: str, next_step: str) -> StartupError:
    """The app is not one that the Functions host would run: exit code 5."""
    return StartupError(code, message, next_step, exit_code=EXIT_APP_INVALID)
