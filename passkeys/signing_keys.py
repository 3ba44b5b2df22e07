"""The ring of signing keys: which signs now, which is to sign next, and which are still shown for what they have signed.

    signing-keys/ring.json   Ring: the public halves, by compare-and-swap; the private ones are in the home of keys

A key goes one way: *published*, so that who keeps the key set has it before it signs; *signing*; *retired*, until the last
token that it has signed is over; removed. `advance` is the whole rule, and pure. The very first key signs at once, since
there is no one who could know another; so does the next one when the signing key had to be removed in an emergency.

What changed is kept in the ring until the audit has it, and what was removed until its private half is gone: whoever changes
the ring may die before either.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from passkeys import documents
from passkeys.errors import AlreadyExists, Changed, KeysUnavailable, StoreUnavailable
from passkeys.jwks import KeySet, read_key_set_of
from passkeys.key_home import Jwk, KeyHome
from passkeys.settings import Settings
from passkeys.store import Document, Store

RING = "signing-keys/ring.json"
# How long a key stays published after it has signed its last token: the longest life of one, and a day for slow clocks.
RETIRED = timedelta(seconds=900) + timedelta(days=1)
# How long an instance goes by what it has read. So long, too, does it verify by a key that was removed.
REMEMBERED = timedelta(seconds=30)
# Instances that change the ring at once: one is first, the others read again.
_TRIES = 5
log = logging.getLogger("passkeys.signing_keys")
# Who changes keys when nobody does, and when somebody at a terminal does. No person's id has a colon.
BY_ROTATION, BY_COMMAND = "service:rotation", "service:command"


class KeyState(StrEnum):
    """Where a key is on its way."""

    PUBLISHED = "published"
    SIGNING = "signing"
    RETIRED = "retired"


class Change(StrEnum):
    """What happened to a key. Stable: the audit uses them."""

    PUBLISHED = "key_published"
    SIGNING = "key_signing"
    RETIRED = "key_retired"
    REMOVED = "key_removed"


@dataclass(frozen=True, slots=True)
class RingKey:
    """One key. `signs_at`: when it is to take over; since when it signs, once it does. `retired_at` None: it is not."""

    jwk: Jwk
    state: KeyState
    published_at: datetime
    signs_at: datetime
    retired_at: datetime | None = None

    @property
    def key_id(self) -> str:
        """Its thumbprint."""
        found: str = self.jwk["kid"]
        return found


@dataclass(frozen=True, slots=True)
class Told:
    """A change that the audit is to hear of: which key, what, when, and by whom."""

    key_id: str
    change: Change
    at: str
    by: str


@dataclass(frozen=True, slots=True)
class Ring:
    """All keys that count; the changes that the audit does not have yet; and the ids of those whose private halves are to go."""

    keys: tuple[RingKey, ...] = ()
    untold: tuple[Told, ...] = ()
    gone: tuple[str, ...] = ()

    def of(self, state: KeyState) -> tuple[RingKey, ...]:
        """The keys in that state."""
        return tuple(key for key in self.keys if key.state is state)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a key signs, and how long it is published before."""

    signs: timedelta
    published: timedelta


def pace_of(settings: Settings) -> Pace:
    """The pace that the settings ask for."""
    return Pace(timedelta(days=settings.key_days), timedelta(seconds=settings.key_publish_seconds))


def wants_key(ring: Ring, *, now: datetime, pace: Pace) -> bool:
    """Whether a key must be made: nobody signs and nobody is next; or the one that signs is to be followed soon."""
    if ring.of(KeyState.PUBLISHED):
        return False
    signing = ring.of(KeyState.SIGNING)
    return not signing or signing[0].signs_at + pace.signs - pace.published <= now


def advance(ring: Ring, *, now: datetime, pace: Pace, by: str, made: Jwk | None = None) -> Ring:
    """The ring as it must be at `now`. `made` is a new key, for when `wants_key` says so or somebody asks for a rotation."""
    keys, told, gone = list(ring.keys), list(ring.untold), list(ring.gone)

    def tell(key: RingKey, change: Change) -> None:
        told.append(Told(key.key_id, change, now.isoformat(), by))

    signing = next(iter(ring.of(KeyState.SIGNING)), None)
    if made is not None:
        # In its turn; or, if that is past already, as soon as everybody can have it.
        signs_at = now + pace.published if signing else now
        if signing and wants_key(ring, now=now, pace=pace):
            signs_at = max(signs_at, signing.signs_at + pace.signs)
        keys.append(RingKey(made, KeyState.PUBLISHED, now, signs_at))
        tell(keys[-1], Change.PUBLISHED)
    for index, key in enumerate(keys):
        first = key.state is KeyState.PUBLISHED and (signing is None or key.signs_at <= now)
        if first:
            if signing is not None:
                keys[keys.index(signing)] = replace(signing, state=KeyState.RETIRED, retired_at=now)
                tell(signing, Change.RETIRED)
            signing = keys[index] = replace(key, state=KeyState.SIGNING, signs_at=now)
            tell(key, Change.SIGNING)
    over = [key for key in keys if key.retired_at is not None and key.retired_at + RETIRED <= now]
    for key in over:
        keys.remove(key)
        gone.append(key.key_id)
        tell(key, Change.REMOVED)
    return Ring(tuple(keys), tuple(told), tuple(gone))


def without(ring: Ring, key_id: str, *, now: datetime, by: str) -> Ring:
    """The ring without a key, at once: what it has signed counts no more. Raises KeyError if there is none."""
    if not any(key.key_id == key_id for key in ring.keys):
        raise KeyError(key_id)
    told = Told(key_id, Change.REMOVED, now.isoformat(), by)
    left = tuple(key for key in ring.keys if key.key_id != key_id)
    return Ring(left, (*ring.untold, told), (*ring.gone, key_id))


class SigningKeys:
    """The port to the ring. One for the whole program: it goes by what it has read for REMEMBERED."""

    def __init__(
        self, store: Store, keys: KeyHome, settings: Settings, *, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._keys = keys
        self._pace = pace_of(settings)
        self._clock = clock
        self._read: tuple[datetime, Ring] | None = None
        self._reading = asyncio.Lock()

    async def ring(self) -> Ring:
        """The ring, with a key that signs: made if there is none. Raises StoreUnavailable, StoreDamaged, KeysUnavailable."""
        if (known := self._remembered()) is not None:
            return known
        # One reads, whoever waits for it: and when there is nothing yet, one makes a key.
        async with self._reading:
            if (known := self._remembered()) is not None:
                return known
            now = self._clock()
            ring, _ = await self._load()
            if not ring.of(KeyState.SIGNING):
                ring = await self.advance(by=BY_ROTATION)
            self._read = now, ring
            return ring

    def _remembered(self) -> Ring | None:
        if self._read is not None and abs(self._clock() - self._read[0]) < REMEMBERED:
            return self._read[1]
        return None

    async def published(self) -> list[Jwk]:
        """The public halves of all keys that count, in the order in which they came."""
        return [key.jwk for key in (await self.ring()).keys]

    async def key_set(self) -> KeySet:
        """The same, as what verifies by them takes it."""
        return read_key_set_of(await self.published())

    async def signature(self, signed: Callable[[str], bytes]) -> tuple[bytes, bytes]:
        """What `signed` makes of the signing key's id, and the signature over it. Raises KeysUnavailable, StoreUnavailable."""
        for fresh in (False, True):
            if fresh:
                self._read = None
            key_id = (await self.ring()).of(KeyState.SIGNING)[0].key_id
            data = signed(key_id)
            # Removed, perhaps, since the ring was read: then another one signs by now.
            with suppress(KeysUnavailable):
                return data, await self._keys.sign(key_id, data)
        raise KeysUnavailable(
            f"The key {key_id} does not sign. Look at PASSKEYS_KEYS, or remove it from the ring."
        )

    async def advance(self, *, by: str, told: Sequence[Told] = (), rotate: bool = False) -> Ring:
        """Let time pass for the ring: publish, sign, retire, remove what is due. `told`: what the audit has by now.

        `rotate`: a new key is published whatever the time, to sign as soon as everybody can have it.
        """

        async def change(ring: Ring, now: datetime) -> Ring:
            left = tuple(one for one in ring.untold if one not in told)
            ring = replace(ring, untold=left)
            asked = rotate and not ring.of(KeyState.PUBLISHED)
            made = None
            if asked or wants_key(ring, now=now, pace=self._pace):
                made = await self._keys.create()
            return advance(ring, now=now, pace=self._pace, by=by, made=made)

        return await self._changed(change)

    async def remove(self, key_id: str, *, by: str) -> Ring:
        """Remove a key at once; if it was signing, another one signs at once. Raises KeyError."""

        async def change(ring: Ring, now: datetime) -> Ring:
            ring = without(ring, key_id, now=now, by=by)
            made = await self._keys.create() if wants_key(ring, now=now, pace=self._pace) else None
            return advance(ring, now=now, pace=self._pace, by=by, made=made)

        return await self._changed(change)

    async def _changed(self, change: Callable[[Ring, datetime], Any]) -> Ring:
        """The ring after a change, stored; private keys that nobody needs any more are gone, now or with the next change."""
        made: set[str] = set()
        for _ in range(_TRIES):
            before, document = await self._load()
            after: Ring = await change(before, self._clock())
            made |= {key.key_id for key in after.keys} - {key.key_id for key in before.keys}
            try:
                if after != before:
                    await self._write(after, document)
            except (AlreadyExists, Changed):
                continue
            self._read = self._clock(), after
            await self._forget(made, after)
            return after
        raise StoreUnavailable(RING, "was changed again and again meanwhile. Try again.")

    async def _forget(self, made: set[str], ring: Ring) -> None:
        """Delete what the ring has let go, and what we made for a ring that another one was quicker than.

        A home that is away is asked again with the next change. Whether a key that we made is in nobody's ring, only a ring
        says that was read after the write: of a write that was kept and reported lost, the key counts.
        """
        counts = {key.key_id for key in ring.keys}
        try:
            for key_id in sorted({*ring.gone, *made} - counts):
                await self._keys.delete(key_id)
        except KeysUnavailable as away:
            log.error("keys_not_deleted: %s", away)  # noqa: TRY400 -- alerts look for the code, not for a stack
            return
        if ring.gone:
            with suppress(AlreadyExists, Changed):  # else whoever was quicker clears them away
                left, document = await self._load()
                kept = tuple(key_id for key_id in left.gone if key_id not in ring.gone)
                await self._write(replace(left, gone=kept), document)

    async def _load(self) -> tuple[Ring, Document | None]:
        document = await self._store.get(RING)
        return Ring() if document is None else documents.load(RING, document.data, _ring), document

    async def _write(self, ring: Ring, before: Document | None) -> None:
        data = documents.dump(
            {
                "keys": [
                    {
                        "jwk": dict(key.jwk),
                        "state": key.state.value,
                        "published_at": key.published_at.isoformat(),
                        "signs_at": key.signs_at.isoformat(),
                        "retired_at": key.retired_at.isoformat() if key.retired_at else None,
                    }
                    for key in ring.keys
                ],
                "untold": [asdict(told) for told in ring.untold],
                "gone": list(ring.gone),
            }
        )
        if before is None:
            await self._store.create(RING, data)
        else:
            await self._store.replace(RING, data, etag=before.etag)


def _ring(members: Mapping[str, Any]) -> Ring:
    return Ring(
        tuple(
            RingKey(
                jwk=dict(key["jwk"]),
                state=KeyState(key["state"]),
                published_at=datetime.fromisoformat(key["published_at"]),
                signs_at=datetime.fromisoformat(key["signs_at"]),
                retired_at=datetime.fromisoformat(key["retired_at"]) if key["retired_at"] else None,
            )
            for key in members["keys"]
        ),
        tuple(
            Told(told["key_id"], Change(told["change"]), told["at"], told["by"]) for told in members["untold"]
        ),
        tuple(members["gone"]),
    )
