"""A world for tests: a store in memory, a clock that stands until it is told, randomness that is counted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from passkeys.directory import DEMO_PEOPLE, IdentityKey, Person, StaticDirectory
from passkeys.errors import DirectoryUnavailable
from passkeys.settings import load
from passkeys.store import Store
from passkeys.world import World
from tests.passkeys.key_homes import MemoryKeys
from tests.passkeys.stores import MemoryStore

ORIGIN = "http://localhost:7071"


@dataclass
class Clock:
    """Tells the time that it was set to."""

    now: datetime = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class CountedBytes:
    """Bytes that never repeat within a test, and are the same in each run of it."""

    drawn: int = 0

    def __call__(self, count: int) -> bytes:
        self.drawn += 1
        return hashlib.shake_256(self.drawn.to_bytes(8, "big")).digest(count)


@dataclass
class FlakyDirectory:
    """A directory that cannot be asked the first `failures` times."""

    failures: int
    asked: int = 0
    people: StaticDirectory = field(default_factory=lambda: StaticDirectory(DEMO_PEOPLE))

    async def find(self, person: str) -> Person | None:
        self.asked += 1
        if self.asked <= self.failures:
            raise DirectoryUnavailable("the test says so")
        return await self.people.find(person)

    async def person_of(self, identity: IdentityKey) -> str | None:
        self.asked += 1
        if self.asked <= self.failures:
            raise DirectoryUnavailable("the test says so")
        return await self.people.person_of(identity)


def world_of(
    store: Store | None = None,
    *,
    directory: FlakyDirectory | StaticDirectory | None = None,
    clock: Callable[[], datetime] | None = None,
    **settings: str,
) -> World:
    """A world of the local profile, with what a test cares about passed in."""
    return World(
        settings=load(settings),
        store=MemoryStore() if store is None else store,
        directory=StaticDirectory(DEMO_PEOPLE) if directory is None else directory,
        clock=clock or Clock(),
        random_bytes=CountedBytes(),
        keys=MemoryKeys(),
    )
