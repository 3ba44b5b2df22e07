"""A look at a part of the world that anybody may cause, as often as they like: done once in some seconds, for all who ask."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from passkeys.world import World

KEPT_SECONDS = 10.0
T = TypeVar("T")


async def looked(world: World, name: str, look: Callable[[], Awaitable[T]]) -> T:
    """What `look` found within the last KEPT_SECONDS, raised if it raised. Whoever gives up waiting ends it for nobody."""
    at, looking = world.readiness.get(name, (None, None))
    now = world.clock()
    if at is None or looking is None or not 0 <= (now - at).total_seconds() < KEPT_SECONDS:
        looking = asyncio.ensure_future(look())
        looking.add_done_callback(lambda done: done.cancelled() or done.exception())
        world.readiness[name] = now, looking
    found: T = await asyncio.shield(looking)
    return found
