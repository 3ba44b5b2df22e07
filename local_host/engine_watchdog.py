"""Notices an orchestrator or entity function that blocks the loop, and says where it stands.

A thread of its own, because the loop's thread is the one that is blocked. It only looks, some times a second.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback

from local_host.log import Log


class Watchdog:
    """Watch one thread: between `begin` and `end` it must not spend more than `limit_s`."""

    def __init__(self, log: Log, limit_s: float) -> None:
        self._log = log
        self._limit_s = limit_s
        self._since: float | None = None
        self._what = ""
        self._thread_id = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Watch the calling thread from now on."""
        self._thread_id = threading.get_ident()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def begin(self, what: str) -> None:
        """A function is called now."""
        self._what, self._since = what, time.monotonic()

    def end(self) -> None:
        """It has returned."""
        self._since = None

    def _watch(self) -> None:
        reported: float | None = None
        while not self._stop.wait(self._limit_s / 4):
            since = self._since
            if since is None or since == reported or time.monotonic() - since < self._limit_s:
                continue
            reported = since
            frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001 -- the documented way to another thread's stack
            stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
            self._log.error(
                "function_blocks_the_host",
                function=self._what,
                seconds=round(time.monotonic() - since, 1),
                stack=stack,
                advice="Orchestrators and entities must not wait or compute long: move the work into an activity.",
            )
