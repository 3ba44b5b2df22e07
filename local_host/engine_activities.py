"""Executing activities: at least once, so many at a time, each within the function time-out.

An activity is owed from the commit that schedules it until the commit that holds its result. Between the two it is
leased by this run of the host; a host that starts voids the leases of every earlier run, so what was under way when the
last one died is executed again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from local_host import history
from local_host.engine_http import call_http
from local_host.engine_state import ActivityWork
from local_host.history import Event, cleaned, storable, to_json
from local_host.log import Log, mask
from local_host.model import ActivityFunction
from local_host.walk_actions import HTTP_ACTIVITY


class Activities:
    """The running activities. `finished` collects results; `wake` is called whenever one was added."""

    def __init__(
        self,
        functions: Mapping[str, ActivityFunction],
        log: Log,
        *,
        limit: int,
        timeout_s: float | None,
        wake: Callable[[], None],
    ) -> None:
        self._functions = dict(functions)
        self._functions[HTTP_ACTIVITY.lower()] = ActivityFunction(HTTP_ACTIVITY, call_http)
        self._log = log
        self._limit = limit
        self._timeout_s = timeout_s
        self._wake = wake
        self._running: dict[int, asyncio.Task[None]] = {}
        self.finished: list[tuple[ActivityWork, Event]] = []

    @property
    def free(self) -> int:
        """How many more may be launched."""
        return self._limit - len(self._running)

    def is_running(self, activity_id: int) -> bool:
        """Whether this run is executing it."""
        return activity_id in self._running

    def launch(self, work: ActivityWork) -> None:
        """Begin an activity whose lease is committed."""
        self._running[work.id] = asyncio.get_running_loop().create_task(self._run(work))

    async def _run(self, work: ActivityWork) -> None:
        event = await self._outcome(work)
        del self._running[work.id]
        self.finished.append((work, event))
        self._wake()

    async def _outcome(self, work: ActivityWork) -> Event:
        function = self._functions.get(work.name.lower())
        if function is None:  # the app has changed since it was scheduled
            message = (
                f"The function '{work.name}' doesn't exist, is disabled, or is not an activity function."
            )
            return self._failure(work, LookupError(message))
        try:
            if self._timeout_s is None:
                result = await function.call(work.input)
            else:
                async with asyncio.timeout(self._timeout_s):
                    result = await function.call(work.input)
        except TimeoutError as error:
            if self._timeout_s is not None and not str(error):
                error = TimeoutError(
                    f"Timeout value of {self._timeout_s:g} seconds was exceeded by function {work.name}."
                )
            return self._failure(work, error)
        except Exception as error:  # noqa: BLE001 - whatever app code raises is its outcome
            return self._failure(work, error)
        if result is not None and not storable(result):
            return self._failure(work, ValueError("The result holds half a character and cannot be stored."))
        # The instant is set when the result is delivered: an event must not be older than what was committed before it.
        return history.task_completed("", work.task_id, None if result == "null" else result)

    def _failure(self, work: ActivityWork, error: Exception) -> Event:
        kind, message = type(error).__name__, cleaned(mask(str(error)))
        self._log.warning(
            "activity_failed", instance_id=work.instance_id, name=work.name, exception=kind, message=message
        )
        # Extension: two blanks after the colon; the details are the serialised exception.
        reason = f"Activity function '{work.name}' failed:  {kind}: {message}"
        return history.task_failed("", work.task_id, reason, to_json({"ClassName": kind, "Message": message}))

    async def wait_idle(self, timeout_s: float) -> bool:
        """Wait until none is running, at most so long; whether that was so."""
        running = list(self._running.values())
        if running:
            await asyncio.wait(running, timeout=timeout_s)
        return not self._running

    async def abandon(self) -> None:
        """Cancel what still runs; it stays owed and is executed again by the next run."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._running.clear()
