"""Transient faults of a dependency, retried inside the activity, bounded."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any

from passkeys.errors import (
    DirectoryExhausted,
    DirectoryMisconfigured,
    DirectoryUnavailable,
    KeysUnavailable,
    StoreUnavailable,
)
from passkeys.world import World

Json = dict[str, Any]
Step = Callable[[World, Json], Awaitable[Json]]

TRANSIENT = (StoreUnavailable, DirectoryUnavailable, KeysUnavailable)
# A person waits behind this: under a second in all, and the last try is a clear answer.
PAUSES_S = (0.05, 0.15, 0.5)


def retried(step: Step) -> Step:
    """`step`, run again from its start after a transient fault, a few times; then the fault is raised.

    From its start, because after a fault nobody knows what was kept. Every step bears that: it is idempotent.
    """

    @functools.wraps(step)
    async def persistent(world: World, request: Json) -> Json:
        for pause_s in PAUSES_S:
            try:
                return await step(world, request)
            except (DirectoryExhausted, DirectoryMisconfigured):
                raise  # the adapter has asked for as long as a person can wait; or asking does not help
            except TRANSIENT:
                await asyncio.sleep(pause_s)
        return await step(world, request)

    return persistent
