"""People whom the directory does not let in any more: what they still have here, and whether to believe it that they are gone.

Who is disabled in the directory, or is not in it, loses every session and, pending review, every passkey. A directory that
is set up wrongly says of everybody that they are unknown; so when many people become unknown within a short time, nothing of
theirs is taken, and somebody is told. They are refused all the same, each time they come.

    leavers/unknown.json   {"v", "people": [[digest of a person's id, when they were last found unknown], …]}   compare-and-swap
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from passkeys import documents, families
from passkeys.acts import Leaving
from passkeys.directory import Person, PersonStatus
from passkeys.errors import AlreadyExists, Changed, StoreUnavailable
from passkeys.family_rows import Family
from passkeys.holdings import USABLE, Holding, holdings_of
from passkeys.store import Store
from passkeys.world import World

UNKNOWN_PEOPLE = "leavers/unknown.json"
# So many different people unknown within so long are not leavers, but a directory that cannot be right.
DOUBTED_AT = 5
DOUBTED_WITHIN = timedelta(hours=1)
# Of a doubtful directory everybody is unknown: no need to keep them all.
_KEPT = 32
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Leaver:
    """Somebody who is gone, and what they still have. `doubtful`: too many others are gone, too; take nothing."""

    leaving: Leaving
    doubtful: bool
    sessions: tuple[Family, ...]
    credentials: tuple[Holding, ...]


def leaving_of(person: Person | None) -> Leaving | None:
    """Why the person's access is to end, by the directory's answer; None: it is not, though they may be locked just now."""
    if person is None:
        return Leaving.UNKNOWN
    return Leaving.DISABLED if person.status is PersonStatus.DISABLED else None


async def find_leaver(world: World, person: str) -> Leaver | None:
    """Ask the directory about the person once more; None: they may come in, after all.

    Raises DirectoryUnavailable, StoreUnavailable, StoreDamaged, KeysUnavailable.
    """
    leaving = leaving_of(await world.directory.find(person))
    if leaving is None:
        return None
    doubtful = leaving is Leaving.UNKNOWN and await _is_doubtful(world.store, person, world.clock())
    return Leaver(
        leaving,
        doubtful,
        tuple(await families.list_families(world, person)),
        tuple(held for held in await holdings_of(world.store, person) if held.state in USABLE),
    )


async def _is_doubtful(store: Store, person: str, now: datetime) -> bool:
    """Note that the person is unknown; whether too many are."""
    digest = hashlib.sha256(person.encode()).hexdigest()[:32]
    for _ in range(_TRIES):
        document = await store.get(UNKNOWN_PEOPLE)
        before = {} if document is None else documents.load(UNKNOWN_PEOPLE, document.data, _people)
        recent = {other: at for other, at in before.items() if now - at < DOUBTED_WITHIN and other != digest}
        people = [*recent.items(), (digest, now)][-_KEPT:]
        data = documents.dump({"people": [[other, at.isoformat()] for other, at in people]})
        with suppress(AlreadyExists, Changed):
            if document is None:
                await store.create(UNKNOWN_PEOPLE, data)
            else:
                await store.replace(UNKNOWN_PEOPLE, data, etag=document.etag)
            return len(people) >= DOUBTED_AT
    raise StoreUnavailable(UNKNOWN_PEOPLE, "was changed again and again meanwhile. Try again.")


def _people(members: dict[str, list[list[str]]]) -> dict[str, datetime]:
    return {digest: datetime.fromisoformat(at) for digest, at in members["people"]}
