"""Waiting for a ceremony to get somewhere, by reading its status with growing pauses.

A client of Durable Functions can only ask. The first question usually has the answer already, because the local host
holds it back until the instance has settled; on Azure each step takes its time, and the pauses grow so that a slow one
costs few reads.
"""

import asyncio
from collections.abc import Callable
from typing import Any

FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.25
PAUSE_GROWTH = 1.6

# How long a request may be held. Browsers and front ends allow far more; a person would not.
START_WAIT_SECONDS = 3.0
ANSWER_WAIT_SECONDS = 10.0
CANCEL_WAIT_SECONDS = 3.0
MAX_POLL_WAIT_SECONDS = 25

FINISHED = frozenset({"Completed", "Failed", "Terminated", "Canceled"})


def is_finished(status: Any) -> bool:
    """Whether a DurableOrchestrationStatus can never change again."""
    return status.runtime_status is not None and status.runtime_status.value in FINISHED


def stage_of(status: Any) -> str | None:
    """The stage that the custom status tells, or None while there is none."""
    shown = status.custom_status
    return shown.get("stage") if isinstance(shown, dict) else None


async def status_when(
    client: Any, ceremony_id: str, until: Callable[[Any], bool], *, seconds: float, started: bool = False
) -> Any:
    """The ceremony's status as soon as `until` holds or it has ended, or after `seconds`, whichever is first.

    Falsy for an instance that the task hub does not know; `started` says that it was accepted a moment ago, and may yet
    have to appear.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    pause = FIRST_PAUSE_SECONDS
    while True:
        status = await client.get_status(ceremony_id)
        left = end - clock()
        if left <= 0 or (is_finished(status) or until(status) if status else not started):
            return status
        await asyncio.sleep(min(pause, left))
        pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE_SECONDS)
