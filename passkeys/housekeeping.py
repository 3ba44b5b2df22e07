"""What each sweep last did, for operators: kept beside what it swept, so that every instance can tell.

housekeeping/{sweep}.json   {"v", "at", "count", "failed", "up_to"}
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass

from passkeys import documents
from passkeys.errors import AlreadyExists, Changed
from passkeys.store import Store

_FOLDER = "housekeeping/"


@dataclass(frozen=True, slots=True)
class Swept:
    """The last run of one sweep. Times are RFC 3339 in UTC.

    `count`: how much it took away, None if it failed, and then `failed` is the error's class. `up_to`: of one that goes
    through time in steps, how far it has come.
    """

    at: str
    count: int | None
    failed: str | None = None
    up_to: str | None = None


async def note(store: Store, sweep: str, swept: Swept) -> None:
    """Keep what a sweep did. Of two that end at once, one is kept. Raises StoreUnavailable."""
    name = f"{_FOLDER}{sweep}.json"
    data = documents.dump(asdict(swept))
    document = await store.get(name)
    with suppress(AlreadyExists, Changed):
        if document is None:
            await store.create(name, data)
        else:
            await store.replace(name, data, etag=document.etag)


async def last(store: Store, sweep: str) -> Swept | None:
    """What a sweep did last, None if it never ran. Raises StoreUnavailable, StoreDamaged."""
    name = f"{_FOLDER}{sweep}.json"
    document = await store.get(name)
    return None if document is None else documents.load(name, document.data, lambda found: Swept(**found))


async def sweeps(store: Store) -> dict[str, Swept]:
    """What all sweeps did last, by their names. Raises StoreUnavailable, StoreDamaged."""
    names = [name.removeprefix(_FOLDER).removesuffix(".json") async for name in store.list(_FOLDER)]
    found = {name: await last(store, name) for name in sorted(names)}
    return {name: swept for name, swept in found.items() if swept is not None}
